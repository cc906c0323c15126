"""How the release build is made: read back from the binary and the extension."""

import re
import subprocess
from pathlib import Path

import pytest

ALLOWED_LIBRARIES = {"libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libc.so.6", "ld-linux-x86-64.so.2", "libfmt.so.9", "libpthread.so.0",
                     "libz.so.1"}


def readelf(tool, path, *options):
    return subprocess.run([tool("readelf", "binutils"), *options, "-W", path], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def library(release_binary):
    return release_binary.parent / "library"


def extensions(library):
    found = sorted(library.glob("_cutwater*.so"))
    assert found, f"no extension in {library}"
    return found


def test_position_independent(tool, release_binary):
    assert re.search(r"Type:\s+DYN", readelf(tool, release_binary, "-h"))


def test_full_relro(tool, release_binary, library):
    for path in [release_binary, *extensions(library)]:
        assert "GNU_RELRO" in readelf(tool, path, "-l"), path
        assert re.search(r"BIND_NOW|FLAGS.*NOW", readelf(tool, path, "-d")), path


def test_stack_is_not_executable(tool, release_binary, library):
    for path in [release_binary, *extensions(library)]:
        stack = next(line for line in readelf(tool, path, "-l").splitlines() if "GNU_STACK" in line)
        assert "RWE" not in stack, path


def test_stack_protector(tool, release_binary, library):
    for path in [release_binary, *extensions(library)]:
        assert "__stack_chk_fail" in readelf(tool, path, "-s"), path


def test_fortified(tool, release_binary):
    symbols = set(re.findall(r"\b(__\w+_chk)\b", readelf(tool, release_binary, "--dyn-syms")))
    assert symbols - {"__stack_chk_fail"}, "no _FORTIFY_SOURCE call in the binary"


def test_library_assertions(release_binary):
    """_GLIBCXX_ASSERTIONS: the checks' texts are in the binary."""
    assert b"__n < this->size()" in release_binary.read_bytes()


def test_build_commands(release_binary):
    """Every file of ours was compiled with the flags that leave no trace in the binary."""
    commands = Path(release_binary.parent / "compile_commands.json").read_text()
    ours = [line for line in commands.splitlines() if '"command"' in line and "/src/" in line and "/src/python/" not in line]
    assert ours
    main = [line for line in ours if "src/main.cc" in line]
    for flag in ("-D_FORTIFY_SOURCE=3", "-D_GLIBCXX_ASSERTIONS", "-fstack-protector-strong", "-Werror", "-fPIE"):
        assert main and flag in main[0], flag


def test_needed_libraries(tool, release_binary):
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", readelf(tool, release_binary, "-d")))
    assert not any(name.startswith("libpython") for name in needed)
    assert needed <= ALLOWED_LIBRARIES, needed - ALLOWED_LIBRARIES


def test_the_extension_brings_nothing_along(tool, library):
    for path in extensions(library):
        needed = set(re.findall(r"NEEDED.*\[(.*)\]", readelf(tool, path, "-d")))
        assert needed <= {"libc.so.6", "libm.so.6", "libpthread.so.0", "ld-linux-x86-64.so.2"}, (path, needed)
        exported = [line.split()[-1] for line in readelf(tool, path, "--dyn-syms").splitlines()
                    if re.match(r"\s*\d+:", line) and line.split()[4] in ("GLOBAL", "WEAK") and line.split()[6] != "UND"]
        assert exported == ["PyInit__cutwater"], (path, exported)


def test_the_abi3_extension_uses_only_the_stable_interface(tool, library):
    """What 3.9's limited interface has: a newer name would fail to load there, so loading with 3.9 proves it too."""
    (path,) = library.glob("_cutwater*.abi3.so")
    assert "PyInit__cutwater" in readelf(tool, path, "--dyn-syms")
