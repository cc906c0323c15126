"""anyio over receive() and send(): cancel scopes, task groups, threads, shields."""

import pytest

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def server(serve_module, request):
    return serve_module("anyio_app", loop=request.param, on_disconnect="cancel")


@pytest.mark.parametrize("path, text", [
    ("/deadline", "False 4"), ("/group", " ".join(map(str, range(20))) + " listener"), ("/sibling", "2 LookupError"),
])
def test_scopes_and_groups(server, path, text):
    for _ in range(3):
        assert server.get(path).text == text


def test_threads_have_the_context_of_their_request(server):
    clients = [server.connect() for _ in range(10)]
    for number, client in enumerate(clients):
        client.send(f"GET /thread?user{number} HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [client.read_response().text for client in clients] == [f"user{number} user{number}" for number in range(10)]
    for client in clients:
        client.close()


def test_what_is_shielded_is_finished(server):
    with server.connect() as client:
        client.send("GET /shield HTTP/1.1\r\nHost: x\r\n\r\n")
        server.out.wait_for("begun")
        client.reset()
    server.out.wait_for("finished")
    assert server.get("/deadline").status == 200
