"""Fixtures of the feature tests: `serve` starts the real binary over an application of features/apps."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from support import apps, processes
from support.places import reachable
from support.server import Server

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser):
    group = parser.getgroup("cutwater")
    group.addoption("--binary", default=os.environ.get("CUTWATER_BINARY", str(ROOT / "build" / "cutwater")))
    group.addoption("--release-binary", default=str(ROOT / "build" / "cutwater"), help="for load and hardening tests")
    group.addoption("--app-python", default=None, help="interpreter or environment that runs the applications")
    group.addoption("--fronts", type=int, default=0, help="number of fronts of every server (0: the default)")
    group.addoption("--long", action="store_true", help="also the long tests")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    processes.become_subreaper()
    if not config.option.basetemp:  # a worker of xdist has one
        config.option.basetemp = tempfile.mkdtemp(prefix="pytest-")
        config.add_cleanup(lambda: tidy(config))


def tidy(config):
    """pytest's own folder, /tmp/pytest-of-USER, is closed to other users whenever anybody starts a pytest: the servers of
    tests that run already, and applications with users of their own, would lose sight of their files for a moment."""
    if getattr(config, "all_passed", False):
        shutil.rmtree(config.option.basetemp, ignore_errors=True)


def pytest_sessionfinish(session, exitstatus):
    session.config.all_passed = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        for item in items:
            if "long" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="only with --long"))


def pytest_terminal_summary(terminalreporter):
    """Why a test had to be run again: what only a busy machine shows is a fault all the same, of the test or of ours."""
    for report in terminalreporter.stats.get("rerun", []):
        lines = [line[1:].strip() for line in str(report.longrepr).splitlines() if line.startswith("E ")]
        terminalreporter.write_line(f"run again: {report.nodeid} ({report.when}): {' | '.join(lines[:4])[:600]}")


@pytest.fixture(scope="session")
def binary(pytestconfig):
    path = Path(pytestconfig.getoption("--binary")).resolve()
    assert path.exists(), f"{path} is not built: run ./test, or ninja in its folder"
    return path


@pytest.fixture(scope="session")
def release_binary(pytestconfig):
    path = Path(pytestconfig.getoption("--release-binary")).resolve()
    if not path.exists():
        pytest.fail(f"{path} is not built: run ./run or ./test, which build it")
    return path


@pytest.fixture(scope="session")
def sanitized(binary):
    """Whether the binary under test was built with sanitizers (and so is several times slower)."""
    return b"__asan_init" in subprocess.run(["readelf", "-Ws", "--dyn-syms", binary], capture_output=True).stdout


@pytest.fixture(scope="session")
def app_python(pytestconfig):
    return pytestconfig.getoption("--app-python") or sys.executable


@pytest.fixture
def folder(tmp_path):
    return reachable(tmp_path)


@pytest.fixture
def spool(folder):
    """Where the server under test spools: a folder of its own."""
    place = folder / "spool"
    place.mkdir()
    place.chmod(0o1777)
    return place


@pytest.fixture
def run_binary(binary, folder):
    """Runs a command to its end: run_binary("check", folder)."""

    def run(*arguments, cwd=folder, env=None, timeout=60):
        variables = {**os.environ, "NO_COLOR": "1", **(env or {})}
        variables = {name: value for name, value in variables.items() if value is not None}
        return subprocess.run(
            [binary, *map(str, arguments)], cwd=cwd, env=variables, capture_output=True, text=True, timeout=timeout
        )

    return run


class Launcher:
    """Starts servers and, when the test or module is done, stops and looks over each of them."""

    def __init__(self, binary, folder, app_python, fronts):
        self.binary, self.folder, self.app_python, self.fronts = binary, folder, app_python, fronts
        self.started = []

    def __call__(self, app="hello", *, workers=1, listen="127.0.0.1:0", config="", arguments=(), environment=None,
                 allow=(), ready=True, target="app:application", python=None, fronts=None, validated=False, **settings):
        """Serves a copy of features/apps/APP. Further keywords are settings of [app.web]; None leaves one out."""
        place = self.folder / app
        while any(server.folder == place and server.process.poll() is None for server in self.started):
            place = place.with_name(place.name + "+")
        listens = [listen] if isinstance(listen, (str, dict)) else listen
        if not place.exists():
            apps.copy(app, place)
        if validated:
            target = apps.put_under_validation(place, target)
        settings = {"target": target, "workers": workers, "python": str(python or self.app_python), "watch": "off", **settings}
        settings = {key: value for key, value in settings.items() if value is not None}
        apps.write_config(place, settings, listens, config, fronts or self.fronts)
        return self.run(["serve", "-c", "cutwater.toml", *arguments], place, environment, allow, ready, workers)

    def run(self, arguments, place, environment=None, allow=(), ready=True, workers=None):
        """Any command line, in any folder. `workers`: how many there will be, if the test knows, or says so by -w."""
        words = [str(word) for word in arguments]
        if workers is None and "-w" in words:
            workers = int(words[words.index("-w") + 1])
        server = Server(self.binary, arguments, place, environment, allow_root(allow), workers)
        self.started.append(server)
        if ready:
            server.wait_ready()
        return server

    def finish(self):
        problems = []
        for server in self.started:
            try:
                server.stop()
            except AssertionError as error:
                problems.append(error)
        if problems:
            raise problems[0]


def allow_root(allow):
    """Run as root over a folder of root's, the server says so once; every test explains that line."""
    return [r"\broot\b", *allow] if os.getuid() == 0 else list(allow)


@pytest.fixture
def serve(binary, folder, app_python, pytestconfig):
    launcher = Launcher(binary, folder, app_python, pytestconfig.getoption("--fronts"))
    yield launcher
    launcher.finish()


@pytest.fixture(scope="module")
def serve_module(binary, tmp_path_factory, app_python, pytestconfig):
    """As `serve`, for servers that a whole file of tests shares."""
    launcher = Launcher(binary, reachable(tmp_path_factory.mktemp("shared")), app_python, pytestconfig.getoption("--fronts"))
    yield launcher
    launcher.finish()


@pytest.fixture
def tool():
    """Path of a program, or a failure that names the Debian package: nothing is skipped silently."""

    def find(name, package=None):
        path = shutil.which(name)
        assert path, f"{name} is missing: apt-get install {package or name}"
        return path

    return find
