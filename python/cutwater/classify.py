"""Which interface an application object speaks: WSGI, ASGI, Tornado; decided once, when the app starts."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Optional

WSGI = "wsgi"
ASGI = "asgi"
ASGI2 = "asgi2"
TORNADO = "tornado"
AIOHTTP = "aiohttp"
DASH = "dash"
FACTORY = "factory"

# By module and name of a class, so that nothing is imported. Tornado first: its Application is callable with one
# argument. falcon.asgi.App derives from falcon.App.
_KNOWN_CLASSES = (
    ("tornado.web", "Application", TORNADO),
    ("tornado.httputil", "HTTPServerConnectionDelegate", TORNADO),
    ("tornado.wsgi", "WSGIContainer", TORNADO),
    ("aiohttp.web_app", "Application", AIOHTTP),
    ("dash.dash", "Dash", DASH),
    ("falcon.asgi.app", "App", ASGI),
    ("falcon.app", "App", WSGI),
    ("django.core.handlers.asgi", "ASGIHandler", ASGI),
    ("django.core.handlers.wsgi", "WSGIHandler", WSGI),
    ("quart.app", "Quart", ASGI),
    ("flask.app", "Flask", WSGI),
    ("starlette.applications", "Starlette", ASGI),
    ("litestar.app", "Litestar", ASGI),
    ("sanic.app", "Sanic", ASGI),
    ("blacksheep.server.application", "Application", ASGI),
    ("bottle", "Bottle", WSGI),
    ("pyramid.router", "Router", WSGI),
    ("cherrypy._cptree", "Tree", WSGI),
)


def classify(application: Any, depth: int = 8) -> Optional[str]:
    """One of the constants above, or None when it cannot be told."""
    for base in type(application).__mro__:
        for module, name, kind in _KNOWN_CLASSES:
            if base.__module__ == module and base.__name__ == name:
                return kind
    if not callable(application):
        return None
    inner = _unwrap(application)
    if _is_coroutine(inner):
        return ASGI
    return _by_arguments(inner) or _by_closure(inner, depth)


def takes(application: Any, count: int) -> bool:
    """Whether it can be called with so many plain arguments, as far as can be told. What it hides by __wrapped__ does not count."""
    if hasattr(application, "__signature__"):
        return True
    try:
        signature = inspect.signature(application, follow_wrapped=False)
    except (ValueError, TypeError):  # none that Python knows
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def names_arguments(application: Any) -> bool:
    """Whether it needs arguments, and has a name for each that it takes."""
    try:
        parameters = inspect.signature(application).parameters.values()
    except (ValueError, TypeError):
        return False
    named = all(p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)
    return named and any(p.default is p.empty for p in parameters)


def is_old_asgi(application: Any) -> bool:
    """ASGI 2, for who knows already that it is one of the two: a plain callable of the scope alone."""
    return not _is_coroutine(application) and takes(application, 1) and not takes(application, 3)


def misfit(application: Any, protocol: str) -> Optional[str]:
    """What is sure to fail at each request, in words that go on "the app ...", or None."""
    seems = classify(application)
    if protocol == WSGI:
        if _is_coroutine(application):
            return "is an async function, as ASGI apps are"
        if seems in (ASGI2, TORNADO) and not takes(application, 2):
            return f"is one of {'ASGI 2' if seems == ASGI2 else 'Tornado'}"
        return None if takes(application, 2) else "cannot be called with (environ, start_response)"
    if protocol == ASGI:
        if seems == TORNADO:
            return "is one of Tornado"
        return None if takes(application, 3) or is_old_asgi(application) else "cannot be called with (scope, receive, send)"
    if seems == TORNADO:
        return None
    if seems in (WSGI, ASGI):
        return f"is one of {seems.upper()}"
    return None if takes(application, 1) else "is no tornado.web.Application, and cannot be called with (request)"


def _unwrap(application: Any) -> Any:
    """What decorators and partial() hide, as far as a coroutine function is looked for."""
    for _ in range(32):
        if isinstance(application, functools.partial):
            return application if not _is_coroutine(application.func) else application.func
        wrapped = getattr(application, "__wrapped__", None)
        if wrapped is None or isinstance(application, type):
            return application
        application = wrapped
    return application


def _is_coroutine(application: Any) -> bool:
    if inspect.iscoroutinefunction(application):
        return True
    return not isinstance(application, type) and inspect.iscoroutinefunction(getattr(application, "__call__", None))


def _by_arguments(application: Any) -> Optional[str]:
    try:
        parameters = inspect.signature(application).parameters.values()
    except (ValueError, TypeError):
        return None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in positional if p.default is p.empty]
    if any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return WSGI if len(required) == 2 else None
    names = [p.name for p in positional]
    if names[:3] == ["scope", "receive", "send"]:
        return ASGI
    if names == ["scope"]:
        return ASGI2
    if len(required) == 2 or (len(positional) == 2 and len(required) < 2 and names[0].startswith("environ")):
        return WSGI
    return FACTORY if not required else None


def _by_closure(application: Any, depth: int) -> Optional[str]:
    """A wrapper that takes ``*args`` speaks what the one application it closes over speaks."""
    kinds = set()
    cells = getattr(application, "__closure__", None)
    for cell in cells if type(cells) is tuple else ():  # an object may have any attribute that it is asked for
        try:
            inner = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
        if callable(inner) and not isinstance(inner, type):
            kind = classify(inner, depth - 1) if depth > 0 else None
            if kind in (WSGI, ASGI):
                kinds.add(kind)
    return kinds.pop() if len(kinds) == 1 else None
