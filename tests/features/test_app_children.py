"""Processes that an app forks itself, as multiprocessing does: they end by the signals that end any process."""

import pytest

pytestmark = pytest.mark.timeout(90)

WORK = """
import multiprocessing, os, signal, threading, time

forks = multiprocessing.get_context("fork")

def square(number):
    return number * number

def terminated():
    child = forks.Process(target=time.sleep, args=(30,))
    child.start()
    child.terminate()
    child.join(5)
    code = child.exitcode
    child.kill()
    child.join()
    return code

def ended_by(number):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"x")
        time.sleep(30)
        os._exit(0)
    os.read(reader, 1)
    os.kill(child, number)
    os.close(reader)
    os.close(writer)
    return -os.WTERMSIG(os.waitpid(child, 0)[1])

def pooled():
    with forks.Pool(2) as pool:
        return pool.map(square, range(5))

def blocked():
    return sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

def report(pools=8):
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    return repr((terminated(), [ended_by(number) for number in signals], [pooled() for _ in range(pools)][-1:], blocked()))
"""
ENDED = "(-15, [-15, -2, -1, -10], [[0, 1, 4, 9, 16]], [])"
NO_POOL = "(-15, [-15, -2, -1, -10], [], [])"  # it needs threads, and modules that are imported
WSGI = WORK + """
def application(environ, start_response):
    start_response("200 OK", [])
    return [report().encode()]
"""
ASGI = WORK + """
import asyncio

async def application(scope, receive, send):
    assert scope["type"] == "http"
    text = await asyncio.get_running_loop().run_in_executor(None, report) if scope["path"] == "/thread" else report()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})
"""
TORNADO = WORK + """
import tornado.web

class Page(tornado.web.RequestHandler):
    def get(self):
        self.write(report())

application = tornado.web.Application([("/.*", Page)])
"""


@pytest.mark.parametrize("code, settings", [(WSGI, {}), (WSGI, {"threads": 2}), (WSGI, {"preload": "false"}), (ASGI, {}), (TORNADO, {})],
                         ids=["wsgi", "threads", "alone", "asgi", "tornado"])
def test_children_end_by_what_ends_a_process(serve, folder, code, settings):
    place = folder / "app"
    place.mkdir()
    (place / "app.py").write_text(code)
    server = serve("app", **settings)
    for path in ("/", "/thread"):
        response = server.request("GET", path, timeout=60)
        assert response.text == ENDED, (path, response.text)
    assert server.is_healthy()


def test_children_of_greenlets(serve, folder):
    place = folder / "app"
    place.mkdir()
    (place / "app.py").write_text(WSGI.replace("report().", "report(pools=0)."))
    assert serve("app", loop="gevent").request("GET", "/", timeout=60).text == NO_POOL


def test_children_of_an_import_too_and_a_hook_of_the_app_has_the_last_word(serve, folder):
    place = folder / "app"
    place.mkdir()
    (place / "app.py").write_text(WORK + """
AT_IMPORT = report(pools=0)
os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGHUP, lambda *_: os._exit(7)))

def application(environ, start_response):
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(10)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    start_response("200 OK", [])
    return [f"{AT_IMPORT} {status}".encode()]
""")
    assert serve("app").get("/").text == NO_POOL + " 7"
