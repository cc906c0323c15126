"""Why what `target` names cannot be served, in words that say what to write instead."""

from __future__ import annotations

import inspect
import re
from types import ModuleType
from typing import Any, List, NoReturn, Optional, Tuple

from cutwater import classify, failure
from cutwater.failure import NO_SUCH_OBJECT, BootFailure

# What modules call their app: taken without being named.
OBJECT_NAMES = ("application", "app", "api", "wsgi_app", "wsgi")
_PROTOCOL_NAMES = {classify.WSGI: "WSGI", classify.ASGI: "ASGI", classify.ASGI2: "ASGI 2",
                   classify.TORNADO: "Tornado", classify.AIOHTTP: "aiohttp", classify.DASH: "Dash"}
_SERVED = ("WSGI", "ASGI", "Tornado")


def shown_module(module: ModuleType, root: str) -> str:
    file = getattr(module, "__file__", None)
    return failure.shown_path(file, root) if file else module.__name__


def _kind_name(value: Any) -> Optional[str]:
    """``WSGI`` for an object that is one by its class or its two arguments; modules and plain classes are none."""
    if isinstance(value, (type, ModuleType)) or not callable(value):
        return None
    return _PROTOCOL_NAMES.get(classify.classify(value) or "")


def applications(module: ModuleType) -> List[Tuple[str, str]]:
    """Names of the module's own objects that look like applications, with their kind."""
    found = []
    for name, value in list(vars(module).items()):
        if name.startswith("_"):
            continue
        imported = getattr(value, "__module__", None) not in (module.__name__, None)
        is_function = hasattr(value, "__code__")
        if is_function and imported and name not in OBJECT_NAMES:
            continue
        kind = _kind_name(value)
        if kind is not None:
            found.append((name, kind))
    return sorted(found, key=lambda one: _rank(module, one[0]))


def _rank(module: ModuleType, name: str) -> Tuple[int, int]:
    """By name first; of the others a function may be a helper that happens to take two arguments."""
    known = OBJECT_NAMES.index(name) if name in OBJECT_NAMES else len(OBJECT_NAMES)
    return known, int(hasattr(getattr(module, name), "__code__"))


def _definitions(module: ModuleType, subject: str = "it") -> Tuple[str, str]:
    """"it defines: site (WSGI)", and the name of the first that can be served or nothing."""
    found = applications(module)
    served = [name for name, kind in found if kind in _SERVED]
    if found:
        return f"{subject} defines: " + ", ".join(f"{name} ({kind})" for name, kind in found[:8]), served[0] if served else ""
    names = [n for n, v in vars(module).items() if not n.startswith("_") and not isinstance(v, ModuleType)]
    return (f"{subject} defines: " + ", ".join(names[:12]) if names else f"{subject} defines nothing"), ""


def _empty(module: ModuleType) -> Optional[str]:
    """A name of which an app is expected, and that was left at None."""
    return next((name for name in OBJECT_NAMES if name in vars(module) and vars(module)[name] is None), None)


def fail_no_object(module: ModuleType, wanted: str, root: str) -> NoReturn:
    defined, served = _definitions(module)
    lines = [f"{shown_module(module, root)} has no {wanted}; {defined}"]
    if not served and (empty := _empty(module)):
        lines = [f"{shown_module(module, root)}: {empty} is None, no app", f"fix: look where {empty} is assigned, and let it be the app"]
    if served:
        lines.append(f'fix: target = "{module.__name__}:{served}"')
    raise BootFailure("CW0310", "\n".join(lines), NO_SUCH_OBJECT)


def fail_no_application(module: ModuleType, expression: str, application: Any, root: str) -> NoReturn:
    """An object that is there, and that nobody could call for a request."""
    if expression.endswith(")"):
        is_what = "nothing (None)" if application is None else f"an object of {type(application).__name__}, which is no app"
        fix = "end the factory with `return app`"
        if inspect.iscoroutine(application):
            application.close()
            is_what = "a coroutine, as async functions do"
            fix = "write the factory without async; what it waits for belongs into lifespan.startup"
        text = f"{module.__name__}:{expression} returned {is_what}\nfix: {fix}"
        raise BootFailure("CW0310", text, NO_SUCH_OBJECT)
    what = "None" if application is None else f"{type(application).__name__}"
    defined, served = _definitions(module, shown_module(module, root))
    lines = [f"{module.__name__}:{expression} is {what}, no app; {defined}"]
    if served:
        lines.append(f'fix: target = "{module.__name__}:{served}"')
    elif application is None:
        lines = [f"{module.__name__}:{expression} is None, no app", f"fix: look where {shown_module(module, root)} assigns it, "
                 "and let it be the app"]
    raise BootFailure("CW0310", "\n".join(lines), NO_SUCH_OBJECT)


def fail_without_module(target: str) -> NoReturn:
    text = f'target = "{target}" names no module\nfix: target = "module:attr", or "auto" to have it looked for'
    raise BootFailure("CW0310", text, NO_SUCH_OBJECT)


def fail_expression(module: ModuleType, expression: str) -> NoReturn:
    name = re.match(r"[A-Za-z_][\w.]*", expression.strip())
    example = f"{module.__name__}:{name[0] if name else 'app'}"
    is_called = name is not None and "(" in expression
    fix = f"target = \"{example}('x')\", with texts, numbers, lists and the like alone" if is_called else f'target = "{example}"'
    text = f'"{expression}" is no name and no call with plain arguments\nfix: {fix}'
    raise BootFailure("CW0310", text, NO_SUCH_OBJECT)


def fail_call(module: ModuleType, factory: Any, shown: str, error: TypeError) -> None:
    """Raises BootFailure if Python could not even begin the call, as its words for that do not say what to write."""
    if error.__traceback__ is None or error.__traceback__.tb_next is not None:
        return  # it is the factory's own
    name = shown.partition("(")[0]
    kind = _PROTOCOL_NAMES.get(classify.classify(factory) or "")
    if kind in _SERVED and shown.endswith("()"):
        text = f'{name} is itself the {kind} app and no factory\nfix: leave "()" away: target = "{module.__name__}:{name}"'
    else:
        text = (f"{shown} cannot be called: {error}\n"
                f'fix: write plain values for its arguments into target: "{module.__name__}:{name}(\'prod\')"; or give them defaults')
    raise BootFailure("CW0313", text) from error


def doubts(shown: str, application: Any, kind: str, protocol: str) -> List[str]:
    """`protocol` decides; but who wrote the wrong one should hear of it before each request fails."""
    if protocol in ("", "auto") or kind != protocol:
        return []
    seems = {classify.ASGI2: classify.ASGI}.get(classify.classify(application) or "", classify.classify(application))
    if seems == protocol or seems not in (classify.WSGI, classify.ASGI, classify.TORNADO):
        return []
    return [f'{shown} looks like {_PROTOCOL_NAMES[seems]}, but protocol = "{protocol}" is what counts']


def check(module: ModuleType, expression: str, application: Any, kind: str, asked: str) -> None:
    """Raises BootFailure for an app that no request could be answered by. `asked`: the setting, if there is one."""
    if kind not in (classify.WSGI, classify.ASGI, classify.TORNADO):
        return
    shown = f"{module.__name__}:{expression}"
    problem = classify.misfit(application, kind)
    if problem is None:
        return
    if not asked and kind == classify.ASGI:
        if inspect.iscoroutinefunction(application) and classify.takes(application, 0):
            raise BootFailure("CW0315", f"{shown} is an async function without parameters: neither an app nor a factory\n"
                                        "fix: write the factory without async; what it waits for belongs into lifespan.startup")
        fail_protocol(shown, None, application)
    if not asked:
        return
    seems = {classify.ASGI2: classify.ASGI}.get(classify.classify(application) or "", classify.classify(application))
    other = seems in (classify.WSGI, classify.ASGI, classify.TORNADO) and seems != kind
    fix = f'protocol = "{seems}", or remove it: it is found out' if other else "name the app itself in target"
    raise BootFailure("CW0322", f'{shown} {problem}; protocol = "{kind}" is for apps that speak {_PROTOCOL_NAMES[kind]}\nfix: {fix}')


def fail_protocol(shown: str, kind: Optional[str], application: Any) -> NoReturn:
    if kind == classify.DASH:
        raise BootFailure("CW0314", f'{shown} is a Dash app; its WSGI app is its server\nfix: target = "{shown}.server"')
    if kind == classify.AIOHTTP:
        raise BootFailure("CW0314", f"{shown} is an aiohttp app, which is neither WSGI nor ASGI: it cannot be served\n"
                                    "fix: let aiohttp serve it, on a port of its own, and pass requests to that by a route with proxy")
    if kind in _PROTOCOL_NAMES:
        name = _PROTOCOL_NAMES[kind]
        raise BootFailure("CW0314", f"{shown} is {'an' if name[0] == 'A' else 'a'} {name} app; "
                                    f"{name} is known, not in this version, which serves WSGI, ASGI and Tornado")
    if _is_factory_with_arguments(application):
        raise BootFailure("CW0315", f"{shown} looks like a factory that needs arguments: it takes {inspect.signature(application)}\n"
                                    f'fix: write plain values for them into target: "{shown}(\'prod\')", or give them defaults; '
                                    'if it is the app itself: protocol = "wsgi", "asgi" or "tornado"')
    raise BootFailure("CW0315", f"cannot tell WSGI from ASGI for {shown}{_takes(application)}\n"
                                'fix: protocol = "wsgi", "asgi" or "tornado"')


def _is_factory_with_arguments(application: Any) -> bool:
    """By its name, or since one argument is what no app of WSGI or ASGI takes."""
    if not inspect.isfunction(application) or inspect.iscoroutinefunction(application) or not classify.names_arguments(application):
        return False
    known = ("create", "make", "build", "get", "factory")
    return application.__name__.lower().startswith(known) or application.__name__.endswith("factory") or classify.takes(application, 1)


def _takes(application: Any) -> str:
    """What it is called with, for who must say what it is."""
    try:
        return f", which takes {inspect.signature(application)}: WSGI takes (environ, start_response), ASGI (scope, receive, send)"
    except (ValueError, TypeError):
        return ""
