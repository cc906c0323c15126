"""What messages say: the time that was set."""

import signal

import pytest

pytestmark = pytest.mark.timeout(90)


class TestDurations:
    """As many seconds as were set, not whole ones, nor thousandths."""

    def test_of_a_stop_and_a_queue(self, serve):
        server = serve("kit", workers=1, queue_timeout="500ms", config='[shutdown]\ngrace = "1500ms"\n', allow=["CW0511", "CW0523"])
        with server.connect() as runs:
            runs.send("GET /sleep?s=2&say=runs HTTP/1.1\r\nHost: a\r\n\r\n")
            server.out.wait_for("sleeps runs")
            assert server.get("/").status == 503
            server.log.wait_for(r"CW0511.*waited queue_timeout = 0.5 s for a worker", 5)
            server.check_leaks = False
            server.signal(signal.SIGTERM)
            server.log.wait_for(r"SIGTERM: what runs is finished, for at most 1.5 s", 5)
            assert server.wait_exit(10) == 0

    def test_of_a_start(self, serve):
        server = serve("kit", start_timeout="1500ms", allow=["CW0317", "keeps serving"])
        server.check_leaks = False
        code = server.folder / "app.py"
        code.write_text("import time\ntime.sleep(60)\n" + code.read_text())
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"not ready within start_timeout = 1.5 s: gave up", 10)
