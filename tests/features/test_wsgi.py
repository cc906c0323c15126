"""PEP 3333 from the application's side: input, output, errors, and every way to break the contract."""

import hashlib
import importlib.util
import io
import os
import signal
import time
from pathlib import Path

import pytest

from support import processes
from support.apps import APPS
from support.client import Closed, chunked
from support.processes import wait_until

pytestmark = [pytest.mark.wsgi, pytest.mark.timeout(60)]
specification = importlib.util.spec_from_file_location("input_app", APPS / "input" / "app.py")
input_app = importlib.util.module_from_spec(specification)
specification.loader.exec_module(input_app)
APP_ERRORS = [r"CW050[234]", r"Traceback", r"Error"]


@pytest.fixture(scope="module")
def validated(serve_module):
    return serve_module("validated")


@pytest.fixture(scope="module")
def reading(serve_module):
    return serve_module("input")


@pytest.fixture(scope="module")
def faults(serve_module):
    return serve_module("faults", allow=APP_ERRORS)


@pytest.fixture(scope="module", params=[False, True], ids=["", "validated"])
def kit(serve_module, request):
    """Also under wsgiref.validate, where file_wrapper's fast ways are not taken."""
    server = serve_module("kit", validated=request.param, allow=[r"CW0504", r"CW0503"])
    yield server
    assert "AssertionError" not in server.log.text, server.log.text


HOP_BY_HOP = ["connection", "te", "keepalive", "upgrade", "trailer", "proxy", "TE"]
HOP_BY_HOP_NAMES = {"connection", "transfer-encoding", "keep-alive", "upgrade", "trailer", "proxy-connection", "te"}


class TestValidated:
    """Under wsgiref.validate."""

    @pytest.mark.parametrize("path, answer", [
        ("/", b"GET 0"), ("/streamed", b"one two three"), ("/written", b"written returned"), ("/errors", b"fine"),
    ])
    def test_get(self, validated, path, answer):
        assert validated.get(path).body == answer

    def test_post(self, validated):
        assert validated.request("POST", "/", [("Content-Type", "text/plain")], b"12345").body == b"POST 5"

    def test_lines(self, validated):
        body = b"first line\nsecond\nthird\nlast without end"
        assert validated.request("POST", "/lines", body=body).body == b"[b'first line', [b'\\n'], [b'second\\n', b'third\\n', b'last without end']]"

    def test_exc_info_replaces_the_head(self, validated):
        response = validated.get("/replaced")
        assert (response.status, response.body) == (503, b"replaced")

    def test_304(self, validated):
        assert validated.get("/empty").status == 304


class TestInput:
    @pytest.mark.parametrize("size", [0, 1, 100, 70_000, 300_000])
    @pytest.mark.parametrize("framing", ["length", "chunked"])
    def test_every_way_of_reading_agrees_with_bytesio(self, reading, size, framing):
        data = b"".join(b"line %d %s\n" % (number, b"x" * (number % 97)) for number in range(size // 10 + 1))[:size]
        with reading.connect() as client:
            for number, plan in enumerate(input_app.PLANS):
                head = f"POST /?{number} HTTP/1.1\r\nHost: a\r\n".encode()
                if framing == "length":
                    client.send(head + f"Content-Length: {size}\r\n\r\n".encode() + data)
                else:
                    client.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(data[:7], data[7:]))
                assert client.read_response().text == input_app.digest(io.BytesIO(data), plan), plan


class TestOutput:
    @pytest.mark.parametrize("kind", ["iterator", "list", "one", "tuple"])
    def test_write_and_iterator_keep_their_order(self, faults, kind):
        assert faults.get("/write_then_iterate?" + kind).body == b"1234"

    def test_the_head_may_be_replaced_until_the_first_byte(self, faults):
        response = faults.get("/empty_pieces")
        assert (response.status, response.body) == (503, b"late")

    @pytest.mark.parametrize("path", ["raises_before", "raises_after_start", "never_starts", "returns_none", "returns_int",
                                      "yields_str", "starts_twice", "deep"])
    def test_500_before_the_first_byte(self, faults, path):
        with faults.connect() as client:
            response = client.request("GET", "/" + path)
            assert response.status == 500 and b"Traceback" not in response.body and b"app.py" not in response.body
        assert faults.is_healthy()

    def test_returning_text_is_refused(self, faults):
        assert faults.get("/returns_str").status == 500

    def test_the_traceback_is_in_the_log(self, faults):
        start = len(faults.log.lines)
        faults.get("/raises_before")
        faults.log.wait_for("ValueError: before start_response", start=start)

    @pytest.mark.parametrize("path", ["raises_mid_body", "raises_mid_body_with_length", "yields_str_mid_body", "exc_info_after_output"])
    def test_after_the_first_byte_the_response_is_cut_visibly(self, faults, path):
        with faults.connect() as client:
            client.send(f"GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n")
            with pytest.raises(Closed):
                client.read_response()
        assert faults.is_healthy()

    def test_exc_info_before_output_replaces(self, faults):
        response = faults.get("/exc_info_before_output")
        assert response.status == 503 and response.get("X-First") is None

    @pytest.mark.parametrize("status", ["OK", "20X%20OK", "2000%20OK", "200OK", "99%20Low", "100%20Continue", "none", "bytes", "int", "split", "nul"])
    def test_bad_status_lines(self, faults, status):
        start = len(faults.log.lines)
        response = faults.get("/status?" + status)
        assert response.status == 500 and response.get("X-Injected") is None
        faults.log.wait_for(r"error\[CW0502\] .*GET /status raised", start=start)

    @pytest.mark.parametrize("status", ["200%20OK", "404%20Not%20Found", "299%20Anything%20goes", "599%20Odd"])
    def test_good_status_lines(self, faults, status):
        response = faults.get("/status?" + status)
        assert response.status == int(status[:3]) and response.reason == status[6:].replace("%20", " ")

    @pytest.mark.parametrize("kind", ["tuple", "dict", "none", "pair_of_three", "bytes_name", "bytes_value", "int_value", "empty_name",
                                      "space_name", "colon_name", "ctl_name", "crlf", "lf", "nul", "wide", "wide_name"])
    def test_bad_headers(self, faults, kind):
        response = faults.get("/header?" + kind)
        assert response.status == 500 and response.get("X-Injected") is None
        assert faults.is_healthy()

    def test_latin_1_header(self, faults):
        assert faults.get("/header?latin").get("A") == "caf\u00e9"

    @pytest.mark.parametrize("kind", HOP_BY_HOP)
    def test_hop_by_hop_fields_are_refused(self, faults, kind):
        with faults.connect() as client:
            response = client.request("GET", "/hop_by_hop?" + kind)
            assert response.status == 500 and not HOP_BY_HOP_NAMES & {name.lower() for name, _ in response.headers}
            assert client.request("GET", "/").body == b"fine"

    def test_or_left_out_with_one_warning(self, serve):
        """hop_by_hop = "drop"."""
        server = serve("faults", hop_by_hop="drop", allow=[r"CW0508"])
        with server.connect() as client:
            for kind in HOP_BY_HOP * 2:
                response = client.request("GET", "/hop_by_hop?" + kind)
                assert (response.status, response.body, response.get("Content-Length")) == (200, b"body", "4")
                assert not HOP_BY_HOP_NAMES & {name.lower() for name, _ in response.headers}
        server.log.wait_for("GET /hop_by_hop set Connection, which belongs to the connection; it was left out")
        server.stop()  # whatever else was told is in the log then
        assert server.log.count("CW0508") == 1

    def test_length_too_small_cuts_the_rest_and_closes(self, faults):
        with faults.connect() as client:
            client.send("GET /length?4,10 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.read_response().body == b"xxxx"
            assert client.closed_by_server()

    @pytest.mark.parametrize("way", ["write", "iterator", "list"])
    def test_excess_after_an_exact_length_is_dropped_and_logged_once(self, faults, way):
        """The answer was complete: what comes late harms nobody, and the connection goes on."""
        start = len(faults.log.lines)
        with faults.connect() as client:
            client.send(f"GET /late_excess?{way} HTTP/1.1\r\nHost: a\r\n\r\n" + "GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
            assert [client.read_response().body for _ in range(3)] == [b"xxxx", b"fine", b"fine"]
        faults.log.wait_for("CW0503.*/late_excess", start=start)
        assert faults.get("/").status == 200
        said = [line for line in faults.log.lines[start:] if "/late_excess sent more than its Content-Length of 4 bytes" in line]
        assert len(said) == 1 and "connection closed" not in said[0]

    def test_length_too_large_is_seen_by_the_client(self, faults):
        with faults.connect() as client:
            client.send("GET /length?100,10 HTTP/1.1\r\nHost: a\r\n\r\n")
            with pytest.raises(Closed):
                client.read_response()

    def test_bad_lengths(self, faults):
        assert faults.get("/two_lengths").status == 500
        assert faults.get("/length?abc,3").status == 500
        assert faults.get("/length?-1,3").status == 500

    def test_no_length_on_204(self, faults):
        with faults.connect() as client:
            assert client.request("GET", "/length_on_204").get("Content-Length") is None
            assert client.request("GET", "/").status == 200

    @pytest.mark.parametrize("path", ["closes", "raises_mid_body", "close_raises", "length?4,10", "late_excess?iterator", "yields_str", "lazy_iterable"])
    def test_close_is_called_exactly_once(self, faults, path):
        marker = faults.folder / "closed.txt"
        marker.unlink(missing_ok=True)
        faults.raw(f"GET /{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        wait_until(marker.exists, 5, "close()")
        faults.get("/")
        assert marker.read_text() == "closed\n"

    @pytest.mark.parametrize("way", ["yielded", "written"])
    def test_each_block_is_with_the_client_before_the_next_is_asked_for(self, faults, way):
        """The application waits until the client has acknowledged the first one."""
        (faults.folder / "seen").unlink(missing_ok=True)
        with faults.connect() as client:
            client.send(f"GET /waits_until_seen?{way} HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.read_head().get("Transfer-Encoding") == "chunked"
            assert client.read_exactly(8) == b"3\r\none\r\n"
            (faults.folder / "seen").touch()
            assert client.read_chunks() == (b"two", [])

    def test_nothing_is_sent_before_the_first_block_that_is_not_empty(self, faults):
        (faults.folder / "seen").unlink(missing_ok=True)
        with faults.connect() as client:
            client.send("GET /waits_until_seen?empty HTTP/1.1\r\nHost: a\r\n\r\n")
            client.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.fill()
            client.socket.settimeout(10)
            (faults.folder / "seen").touch()
            assert client.read_response().body == b"two"

    def test_close_at_shutdown(self, serve):
        """TERM in the middle of a response: it is finished, and closed once."""
        server = serve("faults")
        with server.connect() as client:
            client.send("GET /waits_until_seen?yielded HTTP/1.1\r\nHost: a\r\n\r\n")
            client.read_head()
            client.read_exactly(8)
            server.signal(signal.SIGTERM)
            server.log.wait_for("(?i)terminat|stopping|shutting down|SIGTERM")
            (server.folder / "seen").touch()
            assert client.read_chunks() == (b"two", [])
            assert client.closed_by_server()
        assert server.wait_exit() == 0
        assert (server.folder / "closed.txt").read_text() == "closed\n"

    def test_close_for_head(self, faults):
        marker = faults.folder / "closed.txt"
        marker.unlink(missing_ok=True)
        assert faults.request("HEAD", "/closes").body == b""
        wait_until(marker.exists, 5, "close()")

    def test_head_of_a_left_out_body_has_no_length(self, faults):
        """An application that leaves the body of a HEAD away has not said how long that of a GET is."""
        with faults.connect() as client:
            assert client.request("HEAD", "/head_without_body").get("Content-Length") is None
            assert client.request("GET", "/head_without_body").get("Content-Length") == "4"

    @pytest.mark.parametrize("path, status, body", [("lazy_start", 201, b"lazy"), ("bytes_subclass", 200, b"subclass"), ("lazy_iterable", 200, b"ab")])
    def test_what_else_may_be_returned(self, faults, path, status, body):
        with faults.connect() as client:
            response = client.request("GET", "/" + path)
            assert (response.status, response.body) == (status, body)
            assert client.request("GET", "/").body == b"fine"

    def test_a_changed_environ_changes_no_other(self, faults):
        with faults.connect() as client:
            assert [client.request("GET", "/environ_changes").body for _ in range(3)] == [b"fresh"] * 3

    def test_close_raising_is_logged_only(self, faults):
        assert faults.get("/close_raises").body == b"fine"
        faults.log.wait_for("close went wrong")

    def test_slow_close_does_not_delay_the_answer(self, faults):
        with faults.connect() as client:
            client.socket.settimeout(0.25)
            assert client.request("GET", "/slow_close").body == b"body"

    def test_file_wrapper_without_a_file(self, faults):
        assert faults.get("/file_without_fileno").body == b"from memory" * 1000

    @pytest.mark.parametrize("kind", ["gzip", "own_read", "line_read", "buffered", "shell"])
    def test_file_wrapper_gives_what_read_gives(self, faults, kind):
        """A descriptor alone does not say what reading the object would give."""
        text = b"".join(b"line %d\n" % number for number in range(20_000))
        expected = {"own_read": text.upper(), "line_read": text[len(b"line 0\n"):], "buffered": text[10:]}.get(kind, text)
        assert faults.get("/file_of?" + kind).body == expected

    def test_file_wrapper_whose_read_fails(self, faults):
        with faults.connect() as client:
            client.send("GET /file_of?broken HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.read_head().status == 200
            with pytest.raises(Closed):
                client.read_chunks()
        assert faults.is_healthy()

    def test_file_wrapper_of_a_closed_file(self, faults):
        with faults.connect() as client:
            assert client.request("GET", "/file_closed").status == 500
            assert client.request("GET", "/").body == b"fine"

    def test_file_wrapper_of_a_text_file(self, faults):
        """It gives str where bytes are due."""
        assert faults.get("/file_of_text").status == 500

    def test_kept_input_is_dead(self, faults):
        with faults.connect() as client:
            client.request("POST", "/input_kept", body=b"secret")
            assert b"secret" not in client.request("POST", "/input_kept", body=b"other").body

    def test_kept_start_response_is_dead(self, faults):
        with faults.connect() as client:
            client.request("GET", "/start_response_kept")
            response = client.request("GET", "/start_response_kept")
            assert response.get("X-Stale") is None and response.text != "accepted"


class TestKit:
    def test_close_when_the_client_leaves(self, kit, folder):
        marker = folder / "marker"
        with kit.connect() as client:
            client.send(f"GET /endless?marker={marker} HTTP/1.1\r\nHost: a\r\n\r\n")
            client.read_exactly(500_000)
            client.reset()
        wait_until(lambda: marker.exists() and marker.read_text(), 10, "close()")
        assert marker.read_text().count("closed") == 1
        assert kit.is_healthy()

    def test_an_endless_body_of_a_head_holds_no_worker(self, kit, folder):
        """Nobody gets it, so nobody can leave: asking for it ends by itself."""
        marker = folder / "marker"
        with kit.connect() as client:
            client.send(f"HEAD /endless?marker={marker} HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.read_head().status == 200
            assert client.request("GET", "/next").text == "kit /next"
        assert marker.read_text().count("closed") == 1

    def test_back_pressure_stops_the_application(self, kit, folder):
        """A client that does not read stops the iterator: nothing piles up."""
        marker = folder / "marker"
        with kit.connect(receive_buffer=4096) as client:
            client.send(f"GET /endless?marker={marker} HTTP/1.1\r\nHost: a\r\n\r\n")
            client.read_exactly(1000)
            client.socket.settimeout(1)
            time.sleep(1)
            client.reset()
        wait_until(lambda: marker.exists() and marker.read_text(), 10, "close()")
        assert int(marker.read_text().split()[-1]) * 65536 < 32 << 20

    @pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
    def test_bodiless_statuses(self, kit, status):
        with kit.connect() as client:
            target = "/no_content?body=1&s=" + status.replace(" ", "%20")
            assert client.request("GET", target).status == int(status[:3])
            assert client.request("GET", "/").status == 200

    def test_a_reset_content_is_empty(self, serve):
        """RFC 9110 section 15.3.6: no content, and said so."""
        server = serve("kit", workers=1, allow=[r"CW0504"])
        with server.connect() as client:
            answer = client.request("GET", "/no_content?body=1&s=205%20Reset%20Content")
            assert (answer.status, answer.body, answer.all("Content-Length")) == (205, b"", ["0"])
            assert client.request("GET", "/").status == 200

    def test_a_body_where_none_is_allowed_is_told_once(self, serve):
        server = serve("kit", workers=1, allow=[r"CW0504"])
        for status in ("204%20No%20Content", "304%20Not%20Modified", "204%20No%20Content"):
            assert server.get("/no_content?body=1&s=" + status).body == b""
        assert server.request("HEAD", "/").status == 200
        server.log.wait_for(r"HEAD / gave a body to HEAD; it was dropped, as all further ones will be")
        server.log.wait_for(r"warning\[CW0504\] .*GET /no_content gave a body where none is allowed \(status 204\)")
        server.stop()  # whatever else was told is in the log then
        assert server.log.count(r"warning\[CW0504") == 1

    def test_cookies_stay_apart(self, kit):
        assert kit.get("/cookies").all("Set-Cookie") == ["a=1", "b=2; Path=/"]

    def test_many_response_headers(self, kit):
        response = kit.get("/headers?count=100&size=100")
        assert len([1 for name, _ in response.headers if name.startswith("X-Header-")]) == 100

    def test_errors_and_prints_reach_the_log(self, kit):
        kit.get("/log?text=marker42")
        kit.log.wait_for("errors marker42")
        kit.log.wait_for("written marker42")

    @pytest.mark.parametrize("size", [10, 65536, 5_000_000])
    def test_file_wrapper(self, kit, folder, size):
        path = folder / "data.bin"
        path.write_bytes(os.urandom(size))
        data = path.read_bytes()
        with kit.connect() as client:
            assert client.request("GET", f"/file?path={path}").body == data
            assert client.request("GET", f"/file?path={path}&offset=7").body == data[7:]
            assert client.request("GET", "/").status == 200
        assert kit.get(f"/file?path={path}&offset=2&length=5").body == data[2:7]

    @pytest.mark.parametrize("path", ["/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"])
    def test_file_wrapper_of_what_the_kernel_makes_up(self, kit, path):
        """Its size is said to be 0, or a page."""
        assert kit.get(f"/file?path={path}").body == Path(path).read_bytes()

    def test_file_wrapper_shorter_than_its_length(self, kit, folder):
        path = folder / "data.bin"
        path.write_bytes(b"x" * 100)
        with kit.connect() as client:
            client.send(f"GET /file?path={path}&length=200 HTTP/1.1\r\nHost: a\r\n\r\n")
            with pytest.raises(Closed):
                client.read_response()
        assert kit.is_healthy()

    def test_file_wrapper_over_a_pipe(self, kit, folder):
        import threading

        path = folder / "fifo"
        os.mkfifo(path, 0o666)
        threading.Thread(target=lambda: path.write_bytes(b"from a pipe"), daemon=True).start()
        response = kit.get(f"/file?path={path}")
        assert (response.status, response.body) == (200, b"from a pipe")

    def test_head_runs_the_application(self, kit):
        response = kit.request("HEAD", "/environ")
        assert response.status == 200 and int(response.get("Content-Length")) > 100

    def test_spooled_upload(self, kit):
        data = os.urandom(3_000_000)
        response = kit.request("POST", "/digest", body=data)
        assert response.text == f"{len(data)} {hashlib.sha256(data).hexdigest()}"
