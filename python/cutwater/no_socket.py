"""Apps and libraries that look for the client's socket in the environ, for WebSockets: there is none, and what to do instead."""

from __future__ import annotations

import sys
from typing import List, Optional

from cutwater import messages
from cutwater.once import Once

# What servers that give the socket away call it. The environ must be a dict (PEP 3333), which cannot tell who looks.
_KEYS = ("wsgi.websocket", "werkzeug.socket", "gunicorn.socket", "eventlet.input")
_SIMPLE_WEBSOCKET = "Cannot obtain socket from WSGI environment."
_LIBRARIES = {"geventwebsocket": "gevent-websocket", "eventlet.websocket": "eventlet.websocket",
              "simple_websocket": "simple-websocket", "flask_sock": "flask-sock", "flask_sockets": "flask-sockets"}
_FIX = ("fix: serve WebSockets by an ASGI or Tornado app beside it, [app.NAME] with a prefix of its own; or run this program by "
        "itself behind a proxy route, through which WebSockets go")

_first = Once()


def tell(app: str, error: BaseException) -> None:
    """The app has raised; if that was for want of a socket the log says so, once."""
    key = _missing(error)
    if key is None or not _first():
        return
    messages.emit("warning", "CW0518", [
        f"{app}: it looks for {key} in the environ, where some servers put the client's socket, for WebSockets; there is none, "
        "as the front has all sockets", _FIX])


def notes() -> List[str]:
    """For the log, after the import."""
    used = next((name for module, name in _LIBRARIES.items() if module in sys.modules), None)
    if used is None:
        return []
    return [f"the app has imported {used}, whose WebSockets do not work here: they need the client's socket in the environ, and "
            f"the front has all sockets; {_FIX}"]


def _missing(error: BaseException) -> Optional[str]:
    if isinstance(error, KeyError) and len(error.args) == 1 and error.args[0] in _KEYS:
        return f'"{error.args[0]}"'
    if isinstance(error, RuntimeError) and error.args == (_SIMPLE_WEBSOCKET,):
        return "a socket"
    return None
