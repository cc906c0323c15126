"""The extension as a file, and the interpreters that load it or cannot."""

import subprocess

import pytest

from python_unit.loading import HELLO, failed, served


@pytest.mark.parametrize("suffix", [".abi3.so", ".cpython-311-x86_64-linux-gnu.so"])
def test_the_extension_brings_nothing_along(build, suffix):
    path = build / "library" / f"_cutwater{suffix}"
    if not path.exists():
        pytest.skip(f"{path.name} is not built here")
    dynamic = subprocess.run(["readelf", "-dW", path], capture_output=True, text=True, check=True).stdout
    needed = {line.split("[")[1].rstrip("]") for line in dynamic.splitlines() if "(NEEDED)" in line}
    assert {name.split(".")[0] for name in needed} <= {"libc", "libm", "ld-linux-x86-64"}, needed
    symbols = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    assert [line.split()[-1] for line in symbols.splitlines()] == ["PyInit__cutwater"]


def test_an_interpreter_that_cannot_load_the_extension(start, build, tmp_path):
    library = tmp_path / "hollow"
    library.mkdir()
    (library / "cutwater").symlink_to(build / "library" / "cutwater")
    bridge = start("app", files={"app.py": HELLO}, library=library)
    message = failed(bridge)
    assert (message["code"], message["exit_code"]) == ("CW0316", 3)
    assert "cannot load Cutwater's extension" in message["text"]


@pytest.mark.parametrize("setting, told", [("0", "PYTHON_GIL=0 in the server's environment"), (None, "-X gil=0 of its command")])
def test_a_free_threaded_python_that_is_forced_to_have_no_gil(start, python, tmp_path, monkeypatch, setting, told):
    """Played by an ordinary one that says so; the name with the underscore is Python's own (3.13)."""
    stub = tmp_path / "python"
    stub.write_text(f'#!/bin/sh\nexec {python} -c "import sys; sys._is_gil_enabled = lambda: False; $2"\n')
    stub.chmod(0o755)
    if setting:
        monkeypatch.setenv("PYTHON_GIL", setting)
    message = failed(start("app", files={"app.py": HELLO}, python=stub))
    assert (message["code"], message["exit_code"]) == ("CW0321", 3)
    assert f"runs without its GIL, as {told} asks for; Cutwater's extension needs it" in message["text"]
    assert "\nfix: take that away" in message["text"]


def test_a_free_threaded_python_with_its_gil_serves(start, python, tmp_path):
    stub = tmp_path / "python"
    stub.write_text(f'#!/bin/sh\nexec {python} -c "import sys; sys._is_gil_enabled = lambda: True; $2"\n')
    stub.chmod(0o755)
    assert served(start("app", files={"app.py": HELLO}, python=stub)) == "hello"
