"""Fixtures of the worker-side tests: `bridge` plays master and front for an application, without a network."""

import os
import shutil
from pathlib import Path

import pytest

from python_unit.bridge import Bridge, interpreters

APPS = Path(__file__).resolve().parent / "apps"


@pytest.fixture(scope="session")
def build(pytestconfig):
    folder = Path(pytestconfig.getoption("--binary")).resolve().parent
    needed = folder / "python_testing" / "_cutwater_test_front.abi3.so"
    assert needed.exists(), f"{needed} is not built: ninja -C {folder} cutwater_extension cutwater_test_front"
    return folder


@pytest.fixture(scope="session")
def python(pytestconfig):
    """The interpreter for tests that need only one."""
    return Path(pytestconfig.getoption("--app-python") or interpreters()[0])


@pytest.fixture
def start(build, python, tmp_path):
    """start(target, files={name: text}, python=..., mode=...): a Bridge that has sent `start`."""
    started = []

    def run(target, *, files=None, root=None, python=python, **options):
        root = root or tmp_path / f"root{len(started)}"
        root.mkdir(exist_ok=True)
        for source in APPS.glob("*.py"):
            shutil.copy(source, root)
        for name, text in (files or {}).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        bridge = Bridge(build, python, root, target, **options)
        started.append(bridge)
        return bridge

    yield run
    for bridge in started:
        bridge.stop()


@pytest.fixture(params=interpreters(), ids=lambda path: path.parent.parent.name)
def every_python(request):
    return request.param


def run_faulty(build, python, root, threads):
    for source in APPS.glob("*.py"):
        shutil.copy(source, root)
    bridge = Bridge(build, python, root, "faulty:application", threads=threads)
    bridge.channel.expect("imported")
    bridge.start_worker()
    yield bridge
    bridge.stop()


@pytest.fixture(scope="module", params=[1, 3], ids=["alone", "threads"])
def faulty(build, python, tmp_path_factory, request):
    """A running worker over apps/faulty.py, shared by a file of tests; with one thread and with three."""
    yield from run_faulty(build, python, tmp_path_factory.mktemp("faulty"), request.param)


@pytest.fixture(params=[1, 3], ids=["alone", "threads"])
def fresh_faulty(build, python, tmp_path, request):
    """The same, of one test's own: for what a worker says only once."""
    yield from run_faulty(build, python, tmp_path, request.param)
