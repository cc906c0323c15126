"""Scripts in a warm Python, against the same in one that was started for them, with each CPython of this machine."""

import os
import re
import signal
import time

import pytest

from python_unit.bridge import interpreters
from python_unit.warm import Gathered, Warm
from support import warm_scripts
from support.processes import wait_until

VARIABLES = {"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST", "QUERY_STRING": "a=1&b=2", "HTTP_X": "caf\xe9",
             "SERVER_NAME": "a", "SERVER_PORT": "80", "SCRIPT_NAME": "/s", "CONTENT_LENGTH": "3", "SERVER_PROTOCOL": "HTTP/1.1"}
# Addresses, how deep the stack was, and the folder with what newer Pythons dropped.
BUSY = re.compile(rb"0x[0-9a-f]+|repeated \d+ more|, '[^']*/warm_cgi/dropped'")


@pytest.fixture(scope="module", params=interpreters(), ids=lambda path: path.parent.parent.name)
def warm(request):
    found = Warm(request.param)
    yield found
    found.stop()


@pytest.fixture
def scripts(tmp_path):
    paths = warm_scripts.write(tmp_path)
    for path in paths.values():
        os.utime(path, (1, 1))
    return paths


def comparable(outcome, is_ordered=True):
    output = BUSY.sub(b"", outcome.output)
    return output if is_ordered else sorted(output.splitlines()), BUSY.sub(b"", outcome.errors), outcome.code


SAYS_WHAT_ONLY_A_COLD_ONE_KNOWS = ("syntax", "null byte")


@pytest.mark.parametrize("name", [name for name in warm_scripts.SCRIPTS if name not in SAYS_WHAT_ONLY_A_COLD_ONE_KNOWS])
def test_the_same_as_cold(warm, scripts, name):
    """Twice, as the code is kept."""
    is_ordered = name != "threads"
    cold = comparable(warm.run_cold(scripts[name], b"x=1", VARIABLES), is_ordered)
    for _ in range(2):
        found = comparable(warm.run(scripts[name], b"x=1", VARIABLES), is_ordered)
        if name == "form" and b"no cgi" in cold[0]:
            assert b"1 ['2']" in found[0]
            continue
        assert found == cold


@pytest.mark.parametrize("name", SAYS_WHAT_ONLY_A_COLD_ONE_KNOWS)
def test_what_is_no_python_is_left_to_a_cold_one(warm, scripts, name):
    numbers = [os.open(os.devnull, os.O_RDWR)] * 3
    number = warm.begin(scripts[name], numbers)
    os.close(numbers[0])
    assert warm.expect("cold", number)["text"] == ""


def test_what_hides_a_module_is_left_to_a_cold_one(warm, scripts, tmp_path):
    (tmp_path / "json.py").write_text("mine = 1\n")
    null = os.open(os.devnull, os.O_RDWR)
    number = warm.begin(scripts["hello"], [null] * 3)
    assert warm.expect("cold", number)["text"].startswith("json.py in its folder hides")
    (tmp_path / "json.py").rename(tmp_path / "elsewhere.py")
    number = warm.begin(scripts["hello"], [null] * 3)
    warm.expect("running", number)
    assert warm.expect("ended", number)["code"] == 0
    scripts["hello"].chmod(0o644)
    if os.getuid() != 0:
        number = warm.begin(scripts["hello"], [null] * 3, must_be_executable=True)
        assert warm.expect("cold", number)["text"] == ""
    os.close(null)


def test_changes_are_live(warm, scripts):
    path = scripts["hello"]
    for number in range(20):
        path.write_text(f"print('{number:3}')\n")  # of one size, soon after each other
        assert warm.run(path).output == b"%3d\n" % number


def test_scripts_share_nothing(warm, tmp_path):
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text("import os, sys, random, builtins, beside_it\nbuiltins.mark = os.left = 1\nsys.path.append('x')\n"
                     "print(random.random(), os.urandom(4))\n")
    second.write_text("import os, sys, builtins\nprint(hasattr(builtins, 'mark'), hasattr(os, 'left'), 'x' in sys.path, 'beside_it' in sys.modules,"
                      " [name for name in sys.modules if 'cutwater' in name])\n")
    (tmp_path / "beside_it.py").write_text("")
    assert warm.run(first).output != warm.run(first).output
    assert warm.run(second).output == b"False False False False []\n"
    (tmp_path / "identifiers.py").write_text("import uuid, secrets, tempfile\nprint(uuid.uuid4(), uuid.uuid1(), secrets.token_hex(), tempfile.mktemp())\n")
    assert len({warm.run(tmp_path / "identifiers.py").output for _ in range(10)}) == 10


def test_a_large_body(warm, scripts):
    body = os.urandom(10_000_000)
    assert warm.run(scripts["body"], body).output.split()[-2] == b"10000000"


def test_what_a_script_leaves_in_its_group_is_ended(warm, tmp_path):
    path = tmp_path / "leaves.py"
    path.write_text("import os, sys, time\npid = os.fork()\nif pid == 0:\n    time.sleep(1000)\nprint(pid)\n")
    pid = int(warm.run(path).output)  # the end of the pipe: nobody holds it any more
    wait_until(lambda: not os.path.exists(f"/proc/{pid}") or "Z" in open(f"/proc/{pid}/stat").read(), 10, "its end")


def test_many_at_once(warm, tmp_path):
    path = tmp_path / "slow.py"
    path.write_text("import time\ntime.sleep(0.3)\nprint('x')\n")
    null = os.open(os.devnull, os.O_RDWR)
    outputs = [Gathered() for _ in range(10)]
    began = time.monotonic()
    numbers = [warm.begin(path, [null, output.writing, null]) for output in outputs]
    assert [output.finish() for output in outputs] == [b"x\n"] * 10
    for number in numbers:
        assert warm.expect("ended", number)["code"] == 0
    assert time.monotonic() - began < 2.5
    os.close(null)


def test_its_scripts_outlive_it(scripts, tmp_path):
    found = Warm(interpreters()[0])
    path = tmp_path / "long.py"
    path.write_text("import sys, time\nsys.stdin.readline()\nprint('went on')\n")
    reading, writing = os.pipe()
    output = Gathered()
    number = found.begin(path, [reading, output.writing, output.writing])
    found.expect("running", number)
    found.process.send_signal(signal.SIGKILL)
    found.process.wait()
    os.write(writing, b"\n")
    for end in (reading, writing):
        os.close(end)
    assert output.finish() == b"went on\n"
    found.stop()


@pytest.mark.parametrize("flags, environment", [(["-I"], {}), (["-S", "-E"], {"PYTHONHASHSEED": "1"}), (["-u"], {}), (["-B"], {}), (["-O"], {}),
                                                (["-Werror"], {}), (["-Xutf8"], {}), ([], {"PYTHONIOENCODING": "latin-1:replace"}),
                                                ([], {"LC_ALL": "C.UTF-8"}), ([], {"PYTHONUTF8": "0", "LC_ALL": "POSIX"}), ([], {"PYTHONPATH": "/nowhere"})])
def test_starts_that_differ(scripts, flags, environment):
    """-u, -I and the others, and what the environment says to an interpreter, count as ever."""
    found = Warm(interpreters()[0], *flags, environment=environment)
    try:
        for name in ("itself", "environment", "streams", "text and bytes", "wsgiref"):
            assert comparable(found.run(scripts[name], b"x=1", VARIABLES)) == comparable(found.run_cold(scripts[name], b"x=1", VARIABLES))
    finally:
        found.stop()


@pytest.fixture(params=interpreters(), ids=lambda path: path.parent.parent.name)
def python(request):
    return request.param


def test_threads_that_were_begun_at_its_start(python, tmp_path):
    """They would not be there after the fork, and what they hold would be held for ever."""
    (tmp_path / "sitecustomize.py").write_text("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n")
    warm = Warm(python, environment={"PYTHONPATH": str(tmp_path)}, first="unfit")
    try:
        assert "begins threads" in warm.greeting["text"]
    finally:
        warm.stop()


def test_modules_are_imported_once_a_script_names_them(python, tmp_path):
    tell = "import sys\nprint('wsgiref.handlers' in sys.modules)\n"
    scripts = {"other": tell, "names": tell + "def late():\n    from wsgiref.handlers import CGIHandler\n", "foreign": tell + "try:\n    import no_such_module\nexcept ImportError:\n    pass\n"}
    for name, text in scripts.items():
        (tmp_path / f"{name}.py").write_text(text)
        os.utime(tmp_path / f"{name}.py", (1, 1))
    for naming in ("names", "foreign"):
        warm = Warm(python)
        try:
            assert [warm.run(tmp_path / f"{name}.py").output for name in ("other", naming, "other")] == [b"False\n", b"True\n", b"True\n"]
        finally:
            warm.stop()
