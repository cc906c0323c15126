"""Lifespans that go wrong: what the app, the log and the one who starts the server see of it."""

import signal

import pytest

pytestmark = pytest.mark.timeout(60)
INTERNAL = r"never retrieved|was destroyed|/lifespan\.py"


def end(server, code=0, asked=False):
    """`asked`: it has been told to stop already; a second time would be at once."""
    if not asked:
        server.signal(signal.SIGTERM)
    server.expected_exit = code
    assert server.wait_exit() == code
    assert server.log.count(INTERNAL) == 0, server.log.text
    return server.log.text


def refused(serve, mode, **options):
    server = serve("lifespans", environment={"MODE": mode}, ready=False, allow=["CW0543", r"CW052[18]", "Error"], **options)
    server.expected_exit = server.wait_exit()
    assert server.expected_exit == 3
    assert server.log.count(INTERNAL) == 0, server.log.text
    return server.log.text


@pytest.mark.parametrize("mode, said", [("raises", "app.py:18: KeyError: 'DATABASE_URL'"),
                                        ("knows none", "app.py:20: NotImplementedError: only http here")])
@pytest.mark.parametrize("workers, preload", [(1, "auto"), (3, "auto"), (1, False)])
def test_one_that_raises_is_told_once_and_done_without(serve, mode, said, workers, preload):
    server = serve("lifespans", environment={"MODE": mode}, workers=workers, preload=preload)
    assert server.get().text == "served"
    text = end(server)
    assert text.count("the app raised at lifespan.startup, and is served without startup and shutdown: " + said) == 1


def test_one_that_raises_and_must_not(serve):
    text = refused(serve, "raises", lifespan="on")
    assert "error[CW0543] web: lifespan startup failed: app.py:18: KeyError: 'DATABASE_URL'\n" in text


@pytest.mark.parametrize("mode", ["number", "word", "other", "shutdown", "response"])
def test_a_wrong_message_raises_where_it_is_sent(serve, mode):
    server = serve("lifespans", environment={"MODE": mode})
    assert server.get().text == "served"
    assert "RuntimeError: unexpected ASGI message " in end(server)
    assert "expected is one of type lifespan.startup.complete or lifespan.startup.failed" in refused(serve, mode, lifespan="on")


def test_the_reason_of_a_framework_is_its_exception(serve):
    """Which sends the whole traceback as its message."""
    text = refused(serve, "fails and raises")
    assert "error[CW0543] web: lifespan startup failed: app.py:25: ConnectionError: db.example refused\n" in text
    assert "\\n" not in text


def test_an_app_that_asks_to_end(serve):
    assert "lifespan startup failed: app.py:22: SystemExit: 7" in refused(serve, "exits")


def test_one_that_hangs(serve):
    server = serve("lifespans", environment={"MODE": "hangs"}, start_timeout="1s", ready=False, allow=["CW0317", "CW0523"])
    server.expected_exit = server.wait_exit()
    assert server.expected_exit == 3
    server.log.wait_for("fix: raise app.web.start_timeout, or do slow work after the import, and after lifespan.startup")


def test_one_that_ends_beside_requests_is_told(serve):
    server = serve("lifespans", environment={"MODE": "twice"}, allow=["CW0545", "Error"])
    server.log.wait_for(r"warning\[CW0545\] web: the app's lifespan ended while it serves, .*lifespan.startup is answered already")
    assert server.get().text == "served"
    end(server)


@pytest.mark.parametrize("mode, said", [
    ("shutdown fails", "lifespan shutdown failed: could not flush"),
    ("shutdown raises", "lifespan shutdown failed: app.py:37: ValueError: flush broke"),
    ("shutdown exits", "lifespan shutdown failed: app.py:39: SystemExit: 3"),
])
def test_a_shutdown_that_fails_is_told(serve, mode, said):
    server = serve("lifespans", environment={"MODE": mode}, allow=["CW0545", "Error"])
    assert f"warning[CW0545] web: {said}" in end(server)


def test_a_shutdown_has_its_grace(serve):
    server = serve("lifespans", environment={"MODE": "shutdown takes long"})
    server.signal(signal.SIGTERM)
    server.log.wait_for(r"web: worker \(pid \d+\) waits for the app to answer lifespan.shutdown")
    server.out.wait_for("flushed")
    end(server, asked=True)


def test_a_shutdown_that_hangs_does_not_last_longer(serve):
    server = serve("lifespans", environment={"MODE": "shutdown hangs"}, grace="2s", config='[shutdown]\ngrace = "2s"\n', allow=["CW0523"])
    end(server)


def test_tasks_of_the_app_are_cancelled_at_the_end(serve):
    """As asyncio.run() does: they can put away what they hold."""
    server = serve("lifespans", environment={"MODE": "task"})
    end(server)
    server.out.wait_for("put away")
