"""A small app, and what comes of loading it."""

WSGI = "def {name}(environ, start_response):\n    start_response('200 OK', [])\n    return [{body}]\n"
HELLO = WSGI.format(name="application", body="b'hello'")


def imported(bridge):
    return bridge.channel.expect("imported")


def failed(bridge):
    message = bridge.channel.expect("failed")
    assert bridge.process.wait(10) == message["exit_code"]
    return message


def served(bridge, target="/"):
    imported(bridge)
    bridge.start_worker()
    return bridge.get(target).body.decode()
