"""From a target to an application, and what the operator reads when that fails (interface.md sections 5 and 9)."""

import os
import subprocess
from pathlib import Path

import pytest

from python_unit.loading import HELLO, WSGI, failed, imported, served


# ---- targets


@pytest.mark.parametrize("target, resolved", [
    ("app", "app:application"), ("app:application", "app:application"), ("app.py", "app:application"),
    ("app.py:application", "app:application"), ("shop.wsgi", "shop.wsgi:application"),
    ("shop/wsgi.py", "shop.wsgi:application"), ("src/server.py:main", "server:main"),
    ("app:holder.inner", "app:holder.inner"), ("app:make('x', size=3)", "app:make('x', size=3)"),
    ("my-app.py", "cutwater_app_my_app:application"), ("json.py", "cutwater_app_json:application"),
    ("app:late", "app:late()"), ("only.py", "only:service"), ("factory.py", "factory:create_app()"),
    ("both.py", "both:application"), ("both", "both:application"),
])
def test_targets(start, target, resolved):
    files = {
        "app.py": HELLO + "class holder:\n    inner = staticmethod(application)\n"
                  "def make(word, size):\n    assert (word, size) == ('x', 3)\n    return application\n"
                  "def late():\n    return application\n",
        "shop/__init__.py": "", "shop/wsgi.py": "from . import views\napplication = views.application\n",
        "shop/views.py": HELLO, "src/server.py": "import helper\nmain = helper.application\n", "src/helper.py": HELLO,
        "both.py": HELLO.replace("environ, start_response", "e, s").replace("start_response(", "s(")
                   + "def make_app():\n    raise AssertionError('not wanted')\n",
        "my-app.py": HELLO, "json.py": HELLO, "only.py": WSGI.format(name="service", body="b'hello'"),
        "factory.py": HELLO.replace("application", "_inner") + "def create_app(name='x'):\n    return _inner\n"}
    bridge = start(target, files=files)
    message = imported(bridge)
    assert message["target"] == resolved
    bridge.start_worker()
    assert bridge.get().body == b"hello"


def test_the_app_finds_its_own_modules_and_nothing_of_ours(start):
    app = '''
import os, sys
def application(environ, start_response):
    start_response("200 OK", [])
    import local
    return [repr([os.getcwd(), sys.path[0], sys.argv, local.name, os.environ.get("GIVEN"),
                  [name for name in os.environ if name.startswith("CUTWATER")],
                  [entry for entry in sys.path if "library" in entry]]).encode()]
'''
    bridge = start("app", files={"app.py": app, "local.py": "name = 'local'"}, environment={"GIVEN": "yes"})
    root = str(bridge.root)
    assert eval(served(bridge)) == [root, root, ["cutwater"], "local", "yes", [], []]


def test_objects_of_the_app_are_not_woken(start):
    """Lazy ones are made when somebody asks for their __class__, and with them what the workers must not share."""
    app = '''
class Lazy:
    @property
    def __class__(self):
        raise SystemExit("woken")
    def __getattr__(self, name):
        raise SystemExit("woken")
lazy = Lazy()
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"asleep"]
'''
    assert served(start("app", files={"app.py": app})) == "asleep"


# ---- failures


def text_of(start, target, files, **options):
    return failed(start(target, files=files, **options))


def test_no_such_object(start):
    message = text_of(start, "shop.wsgi:app", {"shop/__init__.py": "", "shop/wsgi.py": HELLO})
    assert (message["code"], message["exit_code"]) == ("CW0310", 4)
    assert message["text"] == ('shop/wsgi.py has no "app"; it defines: application (WSGI)\n'
                               'fix: target = "shop.wsgi:application"')


def test_of_several_that_could_be_meant_the_usual_name_comes_first(start):
    """Not the helper that takes two arguments as well."""
    message = text_of(start, "app:nothere", {"app.py": "def text(a, b):\n    pass\n\n\n" + HELLO})
    assert message["text"] == ('app.py has no "nothere"; it defines: application (WSGI), text (WSGI)\n'
                               'fix: target = "app:application"')


def test_nothing_that_looks_like_an_app(start):
    message = text_of(start, "app", {"app.py": "import os\nx = 1\n"})
    assert message["text"] == 'app.py has no "application", "app" or create_app(); it defines: x'


@pytest.mark.parametrize("target, text", [
    ("nowhere", "there is no module nowhere: "), ("shop.nowhere:app", "the package shop has no nowhere.py"),
    ("nowhere.py", "there is no file nowhere.py in "), ("app:1+1", "is no name and no call"),
    ("app:application:x", 'is no name and no call with plain arguments\nfix: target = "app:application"'),
    ("app:make(", '"make(" is no name and no call with plain arguments\nfix: target = "app:make(\'x\')", with texts'),
    ("app:none", "app:none is None, no app; app.py defines: application (WSGI)\nfix: target = \"app:application\""),
    ("app:application.missing", 'has no "missing"'), ("app:number", "app:number is int, no app; app.py defines: application (WSGI)\nfix: target = \"app:application\""),
    ("app:nothing()", "app:nothing() returned nothing (None)\nfix: end the factory with `return app`"),
    ("app:nothing", "app:nothing() returned nothing (None)"), ("app.application:application", '\nfix: target = "app:application"'),
    ("app:nothing(x)", "is no name and no call"), ("", 'target = "" names no module'), (":app", 'target = ":app" names no module'),
])
def test_no_such_target(start, target, text):
    files = {"app.py": HELLO + "number = 1\nnone = None\ndef nothing():\n    return None\n", "shop/__init__.py": ""}
    message = text_of(start, target, files)
    assert (message["code"], message["exit_code"]) == ("CW0310", 4)
    assert text in message["text"]


def test_an_app_that_was_left_at_none(start):
    message = text_of(start, "app.py", {"app.py": "app = None\n"})
    assert message["text"] == "app.py: app is None, no app\nfix: look where app is assigned, and let it be the app"


def test_an_exception_with_a_very_long_text(start):
    """Where it was raised is worth more than all of it."""
    files = {"app.py": "import module\n", "module.py": "def load():\n    raise ValueError('x' * 300_000 + 'end')\nload()\n"}
    text = text_of(start, "app", files)["text"]
    assert text.startswith("module.py:2: ValueError: xxx") and len(text) < 8000
    assert '/app.py", line 1' in text and '/module.py", line 2, in load' in text and text.endswith("xend")
    assert "characters more) ..." in text


def test_missing_package(start):
    files = {"app.py": "import os\nimport flask_of_nobody\n", "requirements.txt": "Flask-of.Nobody>=1\n"}
    message = text_of(start, "app", files)
    assert (message["code"], message["exit_code"]) == ("CW0311", 3)
    lines = message["text"].splitlines()
    assert lines[0].startswith("app.py needs flask_of_nobody, not installed in Python 3.")
    assert lines[1] == "note: requirements.txt lists it"
    assert lines[2].startswith("fix: ") and lines[2].endswith("pip install -r requirements.txt")


def test_missing_package_in_a_virtual_environment(start, tmp_path, python):
    root = tmp_path / "project"
    root.mkdir()
    subprocess.run([python, "-m", "venv", "--without-pip", root / ".venv"], check=True)
    bridge = start("app", root=root, files={"app.py": "import yaml_x.y\n", "sub/x.py": ""},
                   python=root / ".venv/bin/python")
    lines = failed(bridge)["text"].splitlines()
    assert lines[0].startswith("app.py needs yaml_x, not installed in .venv (Python 3.")
    assert lines[1] == "fix: .venv/bin/python -m pip install yaml-x"


def test_syntax_error(start):
    files = {"app.py": "from shop import views\n", "shop/__init__.py": "", "shop/views.py": "x = 1\ny = (\n"}
    message = text_of(start, "app", files)
    assert (message["code"], message["exit_code"]) == ("CW0312", 3)
    assert message["text"].splitlines()[0] == "shop/views.py:2: SyntaxError: '(' was never closed"
    assert 'File "' in message["text"] and "loader.py" not in message["text"]


def test_exception_while_importing(start):
    files = {"app.py": "import json\nimport settings\n", "settings.py": "import json\njson.loads('{')\n"}
    message = text_of(start, "app", files)
    assert message["code"] == "CW0312"
    first = message["text"].splitlines()[0]
    assert first.startswith("settings.py:2: json.decoder.JSONDecodeError: Expecting property name")


def test_exit_while_importing(start):
    message = text_of(start, "app", {"app.py": "import sys\nsys.exit('no database')\n"})
    assert message["text"].splitlines()[0].endswith("ended the interpreter with exit code 'no database' while it was imported")


def test_a_factory_that_needs_arguments(start):
    message = text_of(start, "app:create_app", {"app.py": "def create_app(config):\n    pass\n"})
    assert (message["code"], message["exit_code"]) == ("CW0315", 3)
    assert message["text"].startswith("app:create_app looks like a factory that needs arguments: it takes (config)\n"
                                      "fix: write plain values for them into target: \"app:create_app('prod')\", or give them defaults")


def test_a_factory_that_raises(start):
    message = text_of(start, "app:make('x')", {"app.py": "def make(name):\n    raise ValueError(name)\n"})
    assert message["code"] == "CW0313"
    assert message["text"].splitlines()[0] == "app.py:2: make('x') raised ValueError: x"


FACTORIES = """
import functools
def create_app(config):
    return application
def injected(f):
    @functools.wraps(f)
    def call():
        return f("config")
    return call
given = injected(create_app)
def raises():
    create_app()
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
"""


@pytest.mark.parametrize("target, text", [
    ("app:create_app()", "create_app() cannot be called: create_app() missing 1 required positional argument: 'config'\n"
     "fix: write plain values for its arguments into target: \"app:create_app('prod')\"; or give them defaults"),
    ("app:create_app('a', 2)", "create_app('a', 2) cannot be called: create_app() takes 1 positional argument but 2 were given\n"),
    ("app:application()", 'application is itself the WSGI app and no factory\nfix: leave "()" away: target = "app:application"'),
    ("app:raises()", "app.py:12: raises() raised TypeError: create_app() missing 1 required positional argument"),
])
def test_a_factory_that_cannot_be_called(start, target, text):
    message = text_of(start, target, {"app.py": FACTORIES})
    assert (message["code"], message["exit_code"]) == ("CW0313", 3)
    assert message["text"].startswith(text)


def test_what_a_factory_seems_to_need_is_not_asked_for(start):
    """What a decorator gives it, nobody has to write."""
    assert served(start("app:given()", files={"app.py": FACTORIES})) == "hello"


# ---- interfaces

ASGI = "async def app(scope, receive, send):\n    pass\n"


@pytest.mark.parametrize("code, protocol", [
    (ASGI, "asgi"),
    ("import functools\n" + ASGI + "app = functools.partial(app)\n", "asgi"),
    ("class App:\n    async def __call__(self, scope, receive, send): pass\napp = App()\n", "asgi"),
    ("def app(scope):\n    pass\n", "asgi"),
    ("def app(scope, receive, send):\n    pass\n", "asgi"),
    ("import functools\n" + ASGI + "def wrap(f):\n    @functools.wraps(f)\n    def inner(*a):\n        return f(*a)\n"
     "    return inner\napp = wrap(app)\n", "asgi"),
    (ASGI + "inner = app\ndef wrap(f):\n    def call(*a, **k):\n        return f(*a, **k)\n    return call\napp = wrap(inner)\n",
     "asgi"),
    ("class Application:\n    def __call__(self, request): pass\nApplication.__module__ = 'tornado.web'\napp = Application()\n",
     "tornado"),
])
def test_what_is_asynchronous(start, code, protocol):
    bridge = start("app:app", files={"app.py": code}, mode="check")
    assert imported(bridge)["protocol"] == protocol
    bridge.channel.send("quit")
    assert bridge.process.wait(10) == 0


@pytest.mark.parametrize("code, error", [
    ("class Application:\n    pass\nApplication.__module__ = 'aiohttp.web_app'\napp = Application()\n", "CW0314"),
    ("def app(*anything):\n    pass\n", "CW0315"),
    ("def app(one, two, three):\n    pass\n", "CW0315"),
    ("async def app(request):\n    pass\n", "CW0315"),
])
def test_what_is_not_served(start, code, error):
    message = text_of(start, "app:app", {"app.py": code})
    assert (message["code"], message["exit_code"]) == (error, 3)
    if error == "CW0315":
        arguments = code[code.index("("):code.index(":")]
        assert message["text"] == (
            f"cannot tell WSGI from ASGI for app:app, which takes {arguments}: WSGI takes (environ, start_response), "
            'ASGI (scope, receive, send)\nfix: protocol = "wsgi", "asgi" or "tornado"')


@pytest.mark.parametrize("code", [
    HELLO, "class application:\n    def __init__(self, environ, start_response):\n        start_response('200 OK', [])\n"
           "    def __iter__(self):\n        yield b'hello'\n",
    "class App:\n    def __call__(self, environ, start_response):\n        start_response('200 OK', [])\n"
    "        return [b'hello']\napplication = App()\n",
    "class App:\n    def serve(self, env, start):\n        start('200 OK', [])\n        return [b'hello']\napplication = App().serve\n",
    HELLO + "inner = application\ndef wrap(f):\n    def call(*a, **k):\n        return f(*a, **k)\n    return call\n"
            "application = wrap(inner)\n",
    HELLO + "import functools\nfull = application\ndef three(x, environ, start_response):\n"
            "    return full(environ, start_response)\napplication = functools.partial(three, 1)\n",
    HELLO + "inner = application\ndef application(environ, start_response, extra=None):\n    return inner(environ, start_response)\n",
])
def test_what_is_wsgi(start, code):
    assert served(start("app", files={"app.py": code})) == "hello"


def test_protocol_decides(start):
    code = "def app(*a):\n    a[1]('200 OK', [])\n    return [b'forced']\n"
    assert served(start("app:app", files={"app.py": code}, protocol="wsgi")) == "forced"


@pytest.mark.parametrize("target, protocol, said, fix", [
    ("app:app", "wsgi", "app:app is an async function, as ASGI apps are", 'protocol = "asgi", or remove it: it is found out'),
    ("app:application", "asgi", "app:application cannot be called with (scope, receive, send)", 'protocol = "wsgi", or remove it'),
    ("app:application", "tornado", "app:application is one of WSGI", 'protocol = "wsgi", or remove it: it is found out'),
    ("app:app", "tornado", "app:app is one of ASGI", 'protocol = "asgi", or remove it: it is found out'),
    ("app:make", "wsgi", "app:make() is an async function, as ASGI apps are", 'protocol = "asgi", or remove it: it is found out'),
    ("app:three", "wsgi", "app:three cannot be called with (environ, start_response)", "name the app itself in target"),
])
def test_an_app_that_cannot_speak_the_protocol(start, target, protocol, said, fix):
    code = HELLO + ASGI + "def make():\n    return app\ndef three(a, b, c):\n    pass\n"
    message = text_of(start, target, {"app.py": code}, protocol=protocol)
    assert (message["code"], message["exit_code"]) == ("CW0322", 3)
    assert message["text"].startswith(said + f'; protocol = "{protocol}" is for apps that speak ') and f"\nfix: {fix}" in message["text"]


@pytest.mark.parametrize("code, target", [
    (ASGI + "class Old:\n    def __init__(self, scope): pass\n    async def __call__(self, receive, send): pass\n", "app:Old"),
    (ASGI + "def old(s):\n    pass\n", "app:old"),
    (ASGI + "def make():\n    return app\n", "app:make"),
    (ASGI + "def plain(a=None, b=None, c=None):\n    return app(a, b, c)\n", "app:plain"),
])
def test_what_is_asynchronous_where_the_protocol_says_so(start, code, target):
    bridge = start(target, files={"app.py": code}, protocol="asgi", mode="check")
    assert imported(bridge)["protocol"] == "asgi"


def test_a_protocol_that_does_not_look_right_is_told(start):
    """Where it may be right all the same."""
    code = ASGI + "def wrap(f):\n    def call(*a, **k):\n        return f(*a, **k)\n    return call\napp = wrap(app)\n"
    notes = imported(start("app:app", files={"app.py": code}, protocol="wsgi", mode="check"))["notes"]
    assert 'app:app looks like ASGI, but protocol = "wsgi" is what counts' in notes


@pytest.mark.parametrize("target, code, said", [
    ("app:make", "CW0315", "app:make is an async function without parameters: neither an app nor a factory"),
    ("app:make()", "CW0310", "app:make() returned a coroutine, as async functions do"),
])
def test_a_factory_that_is_asynchronous(start, target, code, said):
    message = text_of(start, target, {"app.py": ASGI + "async def make():\n    return app\n"})
    assert message["code"] == code
    assert message["text"] == said + "\nfix: write the factory without async; what it waits for belongs into lifespan.startup"


@pytest.mark.parametrize("loop, said", [
    ("uvlop", 'loop = "uvlop" is no loop that Cutwater knows\nfix: did you mean "uvloop"?'),
    ("curio", 'loop = "curio" is no loop that Cutwater knows\nfix: loop = "auto", "asyncio", "uvloop" or "module:factory"'),
    ("missing:loop", "loop = \"missing:loop\" cannot be used: ModuleNotFoundError: No module named 'missing'\nfix: "),
    ("os:nothing", "loop = \"os:nothing\" cannot be used: AttributeError: "),
    ("os:environ", 'loop = "os:environ" is a _Environ, and no function that makes a loop\nfix: '),
])
def test_a_loop_that_is_none_is_told_before_there_are_workers(start, loop, said):
    message = text_of(start, "app:app", {"app.py": ASGI}, loop=loop)
    assert (message["code"], message["exit_code"]) == ("CW0544", 3) and message["text"].startswith(said)


def test_a_misspelled_loop_of_a_wsgi_app(start):
    message = text_of(start, "app", {"app.py": HELLO}, loop="gevnt")
    assert message["text"] == 'loop = "gevnt" is no loop that Cutwater knows\nfix: did you mean "gevent"?'


@pytest.mark.parametrize("code, options, said", [
    (HELLO, {"concurrency": 5}, ['concurrency = 5 does nothing for a WSGI app: threads, or loop = "gevent", let a worker run several '
                                 "of its requests at once"]),
    (HELLO, {"lifespan": "on", "on_disconnect": "cancel"}, ['lifespan = "on" does nothing: it is for ASGI apps',
                                                            'on_disconnect = "cancel" does nothing: it is for ASGI apps']),
    (HELLO, {"concurrency": 1000, "lifespan": "auto", "on_disconnect": "finish"}, []),
    (ASGI.replace("app", "application"), {"concurrency": 5, "lifespan": "on", "on_disconnect": "cancel"}, []),
])
def test_settings_that_do_nothing_are_told(start, code, options, said):
    assert imported(start("app:application", files={"app.py": code}, mode="check", **options))["notes"] == said


# ---- modes and forks


@pytest.mark.parametrize("name, told", [("geventwebsocket", "gevent-websocket"), ("flask_sock", "flask-sock")])
def test_libraries_that_need_the_clients_socket_are_told_of(start, name, told):
    files = {f"{name}.py": "", "app.py": f"import {name}\n" + HELLO, "plain.py": HELLO,
             "asynchronous.py": f"import {name}\nasync def application(scope, receive, send): pass\n"}
    notes = imported(start("app", files=files))["notes"]
    assert len(notes) == 1 and f"has imported {told}, whose WebSockets do not work here" in notes[0] and "; fix: " in notes[0]
    assert imported(start("plain", files=files))["notes"] == []
    assert imported(start("asynchronous", files=files))["notes"] == []


def test_check_reports_and_waits(start):
    bridge = start("app", files={"app.py": HELLO}, mode="check")
    assert imported(bridge)["protocol"] == "wsgi"
    bridge.channel.send("quit")
    assert bridge.process.wait(10) == 0


@pytest.mark.wsgi
@pytest.mark.parametrize("mode", ["zygote", "worker"])
def test_every_interpreter(start, every_python, mode):
    bridge = start("app", files={"app.py": HELLO}, mode=mode, python=every_python)
    assert imported(bridge)["python"].startswith("3.")
    worker = bridge.start_worker()
    for _ in range(50):
        assert bridge.get().body == b"hello"
    worker.retire()
    assert worker.wait() == 0
    assert bridge.log == ""


def test_preload_settings(start):
    app = {"app.py": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n" + HELLO}
    message = imported(start("app", files=app))
    assert not message["fork_safe"]
    assert message["fork_reason"].startswith("thread Thread-1") and message["fork_reason"].endswith("runs time.sleep")
    message = imported(start("app", files=app, preload="true"))
    assert message["fork_safe"] and "thread" in message["fork_reason"]
    message = imported(start("app", files={"app.py": HELLO}, preload="false"))
    assert (message["fork_safe"], message["fork_reason"]) == (False, "preload = false")


THREADS = {
    "own": ("def work():\n    time.sleep(60)\nthreading.Thread(target=work, daemon=True).start()\n", "runs app.work"),
    "timer": ("def work():\n    pass\nt = threading.Timer(60, work)\nt.daemon = True\nt.start()\n", "runs threading.Timer, made by app"),
    "executor": ("from concurrent.futures import ThreadPoolExecutor\nclass Holder:\n    pool = ThreadPoolExecutor(1)\npool = Holder.pool\n"
                 "pool.submit(len, ())\n", "runs concurrent.futures.thread._worker, made by app"),
}


@pytest.mark.parametrize("name", THREADS)
def test_threads_name_the_module_that_made_them(start, name):
    code, reason = THREADS[name]
    message = imported(start("app", files={"app.py": "import threading, time\n" + code + HELLO}))
    assert not message["fork_safe"] and message["fork_reason"].endswith(reason), message


CONNECTIONS = {
    "tcp": ("import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
            "class Pool:\n    def __init__(self):\n        self.connection = socket.create_connection(server.getsockname())\n"
            "pool = Pool()\n", "open connection to 127.0.0.1:"),
    "tcp of a module": ("import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
                        "connection = socket.create_connection(server.getsockname())\n", "open connection to 127.0.0.1:"),
    "listening": ("import socket\nserver = socket.create_server(('127.0.0.1', 0))\n", None),
    "udp": ("import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.connect(('127.0.0.1', 514))\n", None),
    "sqlite": ("import sqlite3\nc = sqlite3.connect('data.sqlite')\nc.execute('create table t (x)')\nc.commit()\n",
               "open SQLite database "),
    "closed sqlite": ("import sqlite3\nc = sqlite3.connect('data.sqlite')\nc.execute('create table t (x)')\nc.close()\n", None),
}


@pytest.mark.parametrize("name", CONNECTIONS)
def test_connections_forbid_a_fork(start, name):
    code, reason = CONNECTIONS[name]
    message = imported(start("app", files={"app.py": code + HELLO}))
    assert message["fork_safe"] == (reason is None), message
    assert message["fork_reason"].startswith(reason or "")
    if reason is not None:
        assert message["fork_reason"].endswith(", made by app")


def test_workers_get_their_own_random_numbers_and_signals(start):
    app = '''
import random, signal
mine = lambda *a: None
for number in (signal.SIGUSR2, signal.SIGWINCH, signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, mine)
def application(environ, start_response):
    start_response("200 OK", [])
    signal.raise_signal(signal.SIGHUP)  # ignored
    kept = [signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)]
    free = signal.getsignal(signal.SIGUSR2) is mine and signal.getsignal(signal.SIGWINCH) == signal.SIG_DFL
    return [repr((random.random(), mine not in kept and free)).encode()]
'''
    bridge = start("app", files={"app.py": app})
    imported(bridge)
    answers = set()
    for lane in (0, 1):
        worker = bridge.start_worker(lane)
        answers.add(bridge.get().body)
        worker.retire()
        assert worker.wait() == 0
    assert len(answers) == 2
    assert all(answer.endswith(b"True)") for answer in answers)


def test_garbage_collection_is_on_in_workers_and_shared_objects_are_frozen(start):
    app = "import gc\n" + HELLO.replace("b'hello'", "repr((gc.isenabled(), gc.get_freeze_count() > 1000)).encode()")
    assert served(start("app", files={"app.py": app})) == "(True, True)"


def test_a_zygote_ends_with_the_master(start):
    bridge = start("app", files={"app.py": HELLO})
    imported(bridge)
    bridge.channel.ours.close()
    assert bridge.process.wait(5) == 0


def test_no_descriptors_pile_up_in_the_zygote(start):
    bridge = start("app", files={"app.py": HELLO})
    imported(bridge)
    folder = Path(f"/proc/{bridge.process.pid}/fd")
    before = len(list(folder.iterdir()))
    for _ in range(3):
        worker = bridge.start_worker()
        worker.kill()
        bridge.links[0].lane_died(0)
        worker.close()
        del bridge.workers[0]
    assert len(list(folder.iterdir())) == before


# ---- watched folders


def test_watched_folders(start):
    files = {"app.py": "import shop.views\n" + HELLO, "shop/__init__.py": "", "shop/views.py": "",
             "shop/templates/shop/page.html": "", "shop/static/x.js": "", "tools/run.py": "", "docs/readme.md": "",
             "node_modules/x/y.py": "", ".git/hook.py": "", ".venv/pyvenv.cfg": "", ".venv/lib/x.py": "",
             "env/pyvenv.cfg": "", "env/lib/x.py": "", "conda/conda-meta/history": "", "conda/lib/x.py": "",
             "venv/models.py": "", "media/upload.py": "", "shop/__pycache__/x.py": ""}
    bridge = start("app", files=files)
    imported(bridge)
    relative = {os.path.relpath(folder, bridge.root) for folder in bridge.channel.watch["folders"]}
    assert relative == {".", "shop", "shop/templates", "shop/templates/shop", "tools", "venv"}


def test_a_huge_tree_takes_several_messages(start):
    files = {f"package{number}/{'deep_' * 20}{number}/module.py": "" for number in range(700)}
    bridge = start("app", files={"app.py": HELLO, **files})
    imported(bridge)
    assert len(bridge.channel.watch["folders"]) == 701
    assert bridge.channel.watch["left_out"] == ""


def test_of_too_many_folders_those_of_modules_are_watched_and_one_that_is_not_is_named(start):
    files = {"z/deep/er/module.py": "", "app.py": "import cutwater.project\nimport z.deep.er.module\n"
             "cutwater.project._MAXIMUM_VISITED = 10\n" + HELLO, **{f"a{number}/module.py": "" for number in range(20)}}
    bridge = start("app", files=files)
    imported(bridge)
    watch = bridge.channel.watch
    assert f"{bridge.root}/z/deep/er" in watch["folders"] and len(watch["folders"]) < 13
    assert watch["left_out"].startswith(f"{bridge.root}/a")


def test_folders_of_templates(start):
    files = {"app.py": HELLO, "views/a.tpl": "", "views/b/c.txt": "", "shop/views/__init__.py": "", "templates-old/x.html": "",
             "shop/templates/a/b.txt": ""}
    bridge = start("app", files=files)
    imported(bridge)
    watch = {name: {os.path.relpath(folder, bridge.root) for folder in bridge.channel.watch[name]} for name in ("folders", "templates")}
    assert watch["folders"] == {".", "views", "views/b", "shop/views", "shop/templates", "shop/templates/a"}
    assert watch["templates"] == {"views"}


def test_of_too_many_pages_one_folder_is_named(start):
    files = {"app.py": "import cutwater.project\ncutwater.project._MAXIMUM_PAGES_READ = 5\n" + HELLO, **{f"a{number}/1.html": "x" for number in range(20)}}
    bridge = start("app", files=files)
    imported(bridge)
    assert bridge.channel.watch["folders"] == [str(bridge.root)] and bridge.channel.watch["left_out"] == f"{bridge.root}/a13"


def test_pages_in_a_folder_whose_name_is_no_text(start):
    make = "import os\nos.mkdir(b'caf\\xe9')\nfor name in ('module.py', 'page.html'):\n    open(b'caf\\xe9/' + name.encode(), 'w').close()\n"
    bridge = start("app", files={"app.py": make + HELLO})
    imported(bridge)
    assert (bridge.channel.watch["folders"], bridge.channel.watch["pages"]) == ([str(bridge.root)], [])


ATTRIBUTE = '<div tal:replace="structure body">'


def test_pages(start):
    """That may be templates: those of folders in which one has the signs of one, of folders below, and of those with code."""
    files = {"app.py": HELLO, "plain.html": "plain", "model.pt": "weights", "shop/views.py": "", "shop/page.html": "",
             "pages/home.html": "{% include 'partials/foot.html' %}", "pages/partials/foot.html": "plain", "pages/partials/style.css": "",
             "genshi/home.html": '<py:if test="x">', "jinja/home.html": "{# a {b} #}", "made/gen.py": "", "made/out/gen.py": "", "made/out/1.html": "x",
             "chameleon/home.pt": ATTRIBUTE, "chameleon/foot.pt": "plain", "late/home.html": "x" * 40_000 + "{{ title }}",
             "invoices/1.html": "Total: 42 by {#1}, see Copy: views.py:22 <style>@media print{#nav{x:y}}</style>", "reports/1.html": "<b>tal:</b>",
             "code/app.py": "", "code/index.html": "{{ a }}", "code/bills/1.html": "plain", "out/1.html": "{{ raw }}", "pages/upload/x/1.html": "{{ raw }}"}
    bridge = start("app", files=files)
    imported(bridge)
    watch = {name: {os.path.relpath(path, bridge.root) for path in bridge.channel.watch[name]} for name in ("folders", "pages")}
    assert watch["folders"] == {".", "shop", "pages", "pages/partials", "chameleon", "late", "genshi", "jinja", "made", "made/out", "code"}
    assert watch["pages"] == {"plain.html", "shop/page.html", "genshi", "jinja", "pages", "pages/partials", "chameleon", "late", "code"}


def test_a_page_beside_the_app_makes_no_templates_of_what_lies_below(start):
    bridge = start("app", files={"app.py": HELLO, "index.html": "{{ a }}", "bills/1.html": "plain"})
    imported(bridge)
    assert (bridge.channel.watch["folders"], bridge.channel.watch["pages"]) == ([str(bridge.root)], [f"{bridge.root}/"])


@pytest.mark.parametrize("files, changed", [
    ({"app.py": "import module\nopen('module.py', 'a').write('x = 2\\n')\n" + HELLO, "module.py": "x = 1\n"}, "module.py"),
    ({"my-app.py": "open('my-app.py', 'a').write('x = 2\\n')\n" + HELLO}, "my-app.py"),
    ({"app.py": "import time\nopen('module.py', 'w').write(f'x = {time.time()}\\n')\nimport module\n" + HELLO}, ""),
    ({"app.py": "open('other.py', 'w').write('x = 1\\n')\n" + HELLO}, ""),
])
def test_a_file_saved_after_it_was_imported(start, files, changed):
    """But none that the app writes and imports then, as it would with each import."""
    bridge = start(next(iter(files)), files=files)
    imported(bridge)
    assert bridge.channel.watch["changed"] == (str(bridge.root / changed) if changed else "")
