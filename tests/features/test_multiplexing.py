"""Several requests at once on one FastCGI connection: Cutwater behind Cutwater, which can do that; a program on libfcgi and
php-fpm, which say that they cannot."""

import hashlib
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import gateway_peers as gateways
from support.peers import Relay
from support.processes import wait_until
from test_gateway_clients import gateway, peer, pool, route  # noqa: F401 (a fixture)
from test_php import php, site  # noqa: F401 (fixtures)

pytestmark = pytest.mark.timeout(120)


def records(streams):
    return [record for stream in streams for record in gateways.records_of(stream)[0]]


def count(streams, kind):
    return sum(1 for record in records(streams) if record[0] == kind)


class Chain:
    """A client's server, a relay that counts, and the server that answers."""

    def __init__(self, serve, peer, workers=1, more="", allow=(), **settings):  # noqa: F811
        self.inner = serve("kit", workers=workers, listen={"addr": "127.0.0.1:0", "protocol": "fastcgi"}, fronts=1, **settings)
        self.relay = peer(Relay, self.inner.address)
        config = route("fastcgi", "api", more=more, before=pool(self.relay, keepalive=8))
        self.server = gateway(serve, config, allow=allow)

    def connect(self):
        return self.server.connect(timeout=30)

    def get(self, target):
        with self.connect() as client:
            return client.request("GET", target)

    def warm_up(self):
        """The first connection is kept, and shared from now on."""
        assert self.get("/pid").status == 200
        wait_until(lambda: count(self.relay.answered(), gateways.GET_VALUES_RESULT) == 1)
        return self


@pytest.fixture
def chain(serve, peer):  # noqa: F811
    return lambda **settings: Chain(serve, peer, **settings)


def test_slow_requests_at_once_on_one_connection(chain):
    chain = chain(workers=8).warm_up()
    with ThreadPoolExecutor(8) as at_once:
        answers = list(at_once.map(chain.get, [f"/sleep?s=1&n={number}" for number in range(8)]))
    assert [answer.text for answer in answers] == ["slept"] * 8
    assert chain.relay.accepted == 1
    begun = {identity for kind, identity, _ in records(chain.relay.asked()) if kind == gateways.BEGIN}
    assert begun == set(range(1, 9))  # all of them had begun before the first had ended
    assert count(chain.relay.asked(), gateways.GET_VALUES) == 1


def test_answers_meet_their_requests(chain):
    """Bodies of many sizes both ways, many times."""
    chain = chain(workers=2).warm_up()

    def converse(number):
        with chain.connect() as client:
            for turn in range(15):
                body = os.urandom((number * 7919 + turn * 104729) % 150_000)
                answer = client.request("POST", "/digest", body=body)
                assert answer.text == f"{len(body)} {hashlib.sha256(body).hexdigest()}"
                size = (number * 3571 + turn * 50_021) % 400_000
                assert len(client.request("GET", f"/big?n={size}").body) == size

    with ThreadPoolExecutor(12) as at_once:
        list(at_once.map(converse, range(12)))
    asked = records(chain.relay.asked())
    assert sum(1 for kind, _, _ in asked if kind == gateways.BEGIN) == 361
    # Uploads are alone on theirs: twelve at most are at work at once, and eight are kept when they rest.
    assert chain.relay.accepted < 361 / 2
    assert not any(kind == gateways.ABORT for kind, _, _ in asked)


def test_an_upload_and_a_download_at_the_same_time(chain):
    chain = chain(workers=2, more=", buffer = false").warm_up()
    body = os.urandom(20 << 20)
    with ThreadPoolExecutor(2) as at_once, chain.connect() as client:
        download = at_once.submit(chain.get, "/big?n=30000000")
        client.send(f"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:1000])
        client.send(body[1000:])
        assert client.read_response().text == f"{len(body)} {hashlib.sha256(body).hexdigest()}"
        assert len(download.result(60).body) == 30_000_000
    assert chain.relay.accepted == 2  # an upload is alone on its own


def test_a_slow_upload_holds_up_nobody(chain):
    chain = chain(workers=1, more=", buffer = false").warm_up()
    with chain.connect() as slow:
        slow.send(b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + b"x" * 200_000)
        wait_until(lambda: count(chain.relay.asked(), gateways.BEGIN) == 2)
        for _ in range(5):
            assert chain.get("/pid").status == 200
        slow.send(b"x" * 100_000)
        assert slow.read_response().text.startswith("300000 ")
    assert chain.relay.accepted == 2  # the upload has one of its own


@pytest.mark.parametrize("target", ["/big?n=40000000", "/stream?count=200&size=65536"])
def test_a_slow_client_holds_up_nobody(chain, target):
    """Its answer is spooled, so that the connection is read on."""
    chain = chain(workers=2).warm_up()
    with chain.server.connect(timeout=30, receive_buffer=4096) as slow:
        slow.send(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        wait_until(lambda: count(chain.relay.answered(), gateways.STDOUT) > 100)
        for _ in range(10):
            assert chain.get("/pid").status == 200
        assert chain.relay.accepted <= 2  # one with much on its way is left alone
        assert len(slow.read_response().body) in (40_000_000, 200 * 65536)


def test_a_client_that_leaves_ends_its_request_alone(chain, folder):
    chain = chain(workers=3).warm_up()
    marker = folder / "closed"
    marker.touch()
    marker.chmod(0o666)
    with ThreadPoolExecutor(1) as at_once:
        other = at_once.submit(chain.get, "/sleep?s=2")
        wait_until(lambda: count(chain.relay.asked(), gateways.BEGIN) == 2)
        with chain.connect() as leaves:
            leaves.send(f"GET /endless?marker={marker} HTTP/1.1\r\nHost: a\r\n\r\n")
            leaves.read_exactly(1000)
            leaves.reset()
        wait_until(marker.read_text, 15, "the answer to be closed")
        assert other.result(20).text == "slept"
    assert count(chain.relay.asked(), gateways.ABORT) == 1
    wait_until(lambda: count(chain.relay.answered(), gateways.END) == 3)
    assert chain.get("/pid").status == 200
    assert chain.relay.accepted == 1


def test_an_answer_that_breaks_off_costs_no_other(chain, folder):
    """Its client sees that at once, and the connection takes others at once."""
    (folder / "short").write_bytes(b"x" * 100_000)
    chain = chain(workers=3, allow=[r"\[CW0604\]"]).warm_up()
    chain.inner.allow.append(r"\[CW05")
    with ThreadPoolExecutor(1) as at_once:
        other = at_once.submit(chain.get, "/sleep?s=3")
        wait_until(lambda: count(chain.relay.asked(), gateways.BEGIN) == 2)
        with chain.connect() as client:
            client.send(f"GET /file?path={folder}/short&length=200000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert len(client.read_to_end()) < 110_000
        assert chain.get("/pid").status == 200
        assert not other.done()
        assert other.result(20).text == "slept"
    assert chain.relay.accepted == 1
    ends = [content for kind, _, content in records(chain.relay.answered()) if kind == gateways.END]
    assert [content[:5] for content in ends].count(b"\0\0\0\1\0") == 1 and len(ends) == 4


def test_the_server_is_killed(chain, serve):
    """What it was running is lost; the server that comes in its place is asked anew."""
    chain = chain(workers=4, allow=[r"\[CW060[2347]\]"]).warm_up()
    with ThreadPoolExecutor(4) as at_once:
        running = [at_once.submit(chain.get, "/sleep?s=60") for _ in range(3)]
        half = at_once.submit(chain.get, "/stream?count=2&pause=60")
        wait_until(lambda: count(chain.relay.asked(), gateways.BEGIN) == 5)
        wait_until(lambda: b"a" * 1024 in chain.relay.answered()[0])
        chain.inner.kill()
        assert [answer.result(30).status for answer in running] == [502] * 3
        with pytest.raises(Exception, match="(?i)clos|end|reset|short"):
            half.result(30)
    address = "%s:%d" % chain.inner.address
    again = serve("kit", listen={"addr": address, "protocol": "fastcgi"}, fronts=1)
    before = chain.relay.accepted
    wait_until(lambda: chain.get("/pid").status == 200, 20)
    with ThreadPoolExecutor(8) as at_once:
        assert {answer.status for answer in at_once.map(chain.get, ["/pid"] * 40)} == {200}
    assert chain.relay.accepted > before
    assert again.process.poll() is None


def test_the_server_stops_and_another_takes_its_place(chain, serve):
    """A connection without requests is no hindrance to its end."""
    chain = chain(workers=1).warm_up()
    chain.inner.check_leaks = False  # the connection to it is the relay's
    chain.inner.stop()
    again = serve("kit", listen={"addr": "%s:%d" % chain.inner.address, "protocol": "fastcgi"}, fronts=1)
    assert chain.get("/pid").status == 200
    assert again.process.poll() is None


def asked_once(relay):
    assert count(relay.asked(), gateways.GET_VALUES) == 1
    wait_until(lambda: count(relay.answered(), gateways.GET_VALUES_RESULT) == 1)
    results = [content for kind, _, content in records(relay.answered()) if kind == gateways.GET_VALUES_RESULT]
    assert b"FCGI_MPXS_CONNS0" in results[0]


def test_libfcgi_says_no_once(serve, peer, folder):  # noqa: F811
    behind = peer(gateways.libfcgi, folder)
    relay = peer(Relay, behind.url.removeprefix("unix:"))
    server = gateway(serve, route("fastcgi", "api", before=pool(relay, keepalive=4)), allow=[r"\[CW0608\]"])
    for number in range(20):
        assert server.get(f"/{number}").text == f"role RESPONDER path /{number} user - body 0\n"
        wait_until(lambda: count(relay.answered(), gateways.GET_VALUES_RESULT) == 1)
    asked_once(relay)
    assert relay.accepted <= 2


def test_php_fpm_says_no_once(serve, peer, folder, php):  # noqa: F811
    php()  # starts php-fpm; it is asked by way of the relay
    relay = peer(Relay, str(folder / "fpm" / "php.sock"))
    site_folder = folder / "site"
    config = route("fastcgi", "api", more=f', root = "{site_folder}"', before=pool(relay, keepalive=2))
    server = gateway(serve, config)
    for _ in range(20):
        assert server.get("/").text == "index of /index.php\n"
        wait_until(lambda: count(relay.answered(), gateways.GET_VALUES_RESULT) == 1)
    asked_once(relay)
    with ThreadPoolExecutor(6) as at_once:
        assert {answer.text for answer in at_once.map(server.get, ["/"] * 30)} == {"index of /index.php\n"}
    assert count(relay.asked(), gateways.GET_VALUES) == 1


def test_without_keepalive_nobody_is_asked(serve, peer):  # noqa: F811
    inner = serve("kit", listen={"addr": "127.0.0.1:0", "protocol": "fastcgi"}, fronts=1)
    relay = peer(Relay, inner.address)
    server = gateway(serve, route("fastcgi", "api", before=pool(relay, keepalive=0)))
    for _ in range(3):
        assert server.get("/pid").status == 200
    assert relay.accepted == 3
    assert count(relay.asked(), gateways.GET_VALUES) == 0


def test_an_end_by_signal_lets_what_runs_finish(chain):
    chain = chain(workers=2).warm_up()
    chain.inner.check_leaks = False
    with ThreadPoolExecutor(1) as at_once:
        running = at_once.submit(chain.get, "/sleep?s=2")
        wait_until(lambda: count(chain.relay.asked(), gateways.BEGIN) == 2)
        chain.inner.signal(signal.SIGTERM)
        assert running.result(20).text == "slept"
    chain.inner.finished = True
    assert chain.inner.wait_exit() == 0


def test_more_at_once_than_one_connection_takes(chain):
    chain = chain(workers=4).warm_up()
    started = threading.Barrier(40)

    def ask(number):
        started.wait(20)
        return chain.get(f"/sleep?s=0.3&n={number}").text

    with ThreadPoolExecutor(40) as at_once:
        assert set(at_once.map(ask, range(40))) == {"slept"}
    assert chain.relay.accepted >= 3
    begun = [[identity for kind, identity, _ in gateways.records_of(stream)[0] if kind == gateways.BEGIN]
             for stream in chain.relay.asked()]
    shared = [identities for identities in begun if len(identities) > 1]
    assert 3 <= len(shared) <= 5 and max(map(max, shared)) == 16
