"""Requests of applications that run several at once (features/apps/threaded, features/apps/greenlets): begun together, seen to have begun."""


def begin(server, target, said=None, **options):
    """A request that the application has begun: it says so in the log."""
    start = len(server.log.lines)
    client = server.connect(timeout=40, **options)
    client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
    if said:
        server.log.wait_for(said, start=start)
    return client


def waiting(server, name="go"):
    """Until the test makes a file of that name in the application's folder."""
    return begin(server, f"/waits?name={name}", f"the application waits for {name} in")


def together(server, targets):
    """Asked at once, each on a connection of its own; the answers in order."""
    clients = [begin(server, target) for target in targets]
    answers = [client.read_response() for client in clients]
    for client in clients:
        client.close()
    return answers


def begin_stream(server, name, blocks):
    """For a reader that can be slow: little fits its socket."""
    return begin(server, f"/streams?name={name}&blocks={blocks}", f"the application streams {name}", receive_buffer=16384)
