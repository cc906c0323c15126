"""Where the app's template engines look: those that are there after the import, and those that its functions will make."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from types import CodeType, FunctionType, ModuleType
from typing import Any, Dict, Iterable, Iterator, List, Set

# By module and name of a class: the attribute with its folders, or with an object that has some.
_PLACES = (
    ("jinja2.environment", "Environment", "loader"),
    ("jinja2.loaders", "FileSystemLoader", "searchpath"),
    ("jinja2.loaders", "PackageLoader", "_template_root"),
    ("jinja2.loaders", "ChoiceLoader", "loaders"),
    ("jinja2.loaders", "PrefixLoader", "mapping"),
    ("starlette.templating", "Jinja2Templates", "env"),
    ("mako.lookup", "TemplateLookup", "directories"),
    ("chameleon.loader", "TemplateLoader", "search_path"),
    ("genshi.template.loader", "TemplateLoader", "search_path"),
    ("tornado.template", "Loader", "root"),
    ("litestar.app", "Litestar", "template_engine"),
    ("litestar.contrib.jinja", "JinjaTemplateEngine", "engine"),
    ("litestar.plugins.jinja", "JinjaTemplateEngine", "engine"),
)
_DEPTH = 5
# Classes that are given their folder: a function that names one, and a folder, will make an engine for that.
_GIVEN_FOLDERS = {"FileSystemLoader", "PackageLoader", "Jinja2Templates", "TemplateLookup", "TemplateLoader"}


def find(application: Any, root: str) -> List[str]:
    """The app's root itself is none of them: what the app writes there would be one."""
    below = os.path.realpath(root).rstrip(os.sep) + os.sep
    found: List[str] = []
    for owner in [application, *_engines(), *_values(below)]:
        with contextlib.suppress(Exception):  # objects of the app, whatever they do
            found += _folders(owner, _DEPTH)
    found += _named_in_functions(below)
    bottle = sys.modules.get("bottle")
    found += [folder for folder in getattr(bottle, "TEMPLATE_PATH", ()) if isinstance(folder, str)]
    return [folder for folder in dict.fromkeys(found) if os.path.realpath(folder).startswith(below)]


def _engines() -> Iterator[Any]:
    """Whoever holds them: the state of an application, a class, a closure. Objects are asked for their type alone."""
    classes = {vars(sys.modules[module]).get(name) for module, name, _ in _PLACES if module in sys.modules} - {None}
    if not classes:
        return
    is_engine: Dict[type, bool] = {}
    for candidate in gc.get_objects():
        kind = type(candidate)
        known = is_engine.get(kind)
        if known is None:
            known = is_engine[kind] = not classes.isdisjoint(kind.__mro__)
        if known:
            yield candidate


def _modules(below: str) -> Iterator[Dict[str, Any]]:
    for module in list(sys.modules.values()):
        if not issubclass(type(module), ModuleType):
            continue
        names = object.__getattribute__(module, "__dict__")
        file = names.get("__file__")
        if type(file) is str and os.path.realpath(file).startswith(below) and "site-packages" not in file:
            yield names


def _values(below: str) -> Iterator[Any]:
    for names in _modules(below):
        yield from list(names.values())


def _named_in_functions(below: str) -> List[str]:
    """In what was not called yet, such as a cached function: relative to the root or to the module's folder."""
    found: List[str] = []
    seen: Set[int] = set()
    for names in _modules(below):
        for value in list(names.values()):
            for code in _codes(value, _DEPTH, seen):
                if not _GIVEN_FOLDERS.isdisjoint(code.co_names):
                    texts = [text for text in code.co_consts if type(text) is str and 0 < len(text) < 256 and "\0" not in text]
                    found += [os.path.join(base, text) for text in texts for base in (below, os.path.dirname(names["__file__"]))]
    return [folder for folder in found if os.path.isdir(folder)]


def _codes(value: Any, depth: int, seen: Set[int]) -> Iterator[CodeType]:
    kind = type(value)
    if depth == 0 or id(value) in seen:
        return
    if kind is CodeType:
        yield value
        parts: Iterable[Any] = value.co_consts
    elif kind is FunctionType:
        seen.add(id(value))
        parts = [value.__code__, value.__dict__.get("__wrapped__")]
    elif kind in (staticmethod, classmethod):
        parts = [value.__func__]
    elif kind is property:
        parts = [value.fget]
    elif issubclass(kind, type):
        seen.add(id(value))
        parts = list(type.__getattribute__(value, "__dict__").values())
    elif (kind.__module__, kind.__name__) in (("functools", "_lru_cache_wrapper"), ("functools", "cached_property")):
        parts = [getattr(value, "__wrapped__", None) or getattr(value, "func", None)]
    else:
        return
    for part in parts:
        yield from _codes(part, depth - 1, seen)


def _folders(owner: Any, depth: int) -> Iterable[str]:
    """Asks the type alone: isinstance() reads __class__, at which lazy objects are made, and with them connections."""
    kind = type(owner)
    if issubclass(kind, (str, os.PathLike)):
        return [os.fspath(owner)] if depth < _DEPTH else []
    if depth == 0:
        return []
    if depth < _DEPTH and issubclass(kind, (list, tuple)):
        return [folder for part in owner for folder in _folders(part, depth - 1)]
    if depth < _DEPTH and issubclass(kind, dict):
        return _folders(list(owner.values()), depth)
    classes = {(base.__module__, base.__name__) for base in kind.__mro__}
    for module, name, attribute in _PLACES:
        if (module, name) in classes:
            return _folders(getattr(owner, attribute), depth - 1)
    if ("tornado.web", "Application") in classes:
        return _folders(owner.settings.get("template_path"), depth - 1)
    if not classes.isdisjoint({("flask.app", "Flask"), ("quart.app", "Quart")}):
        parts = [owner, *owner.blueprints.values()]
        return [os.path.join(part.root_path, part.template_folder) for part in parts if part.template_folder] + [
            folder for part in parts for folder in _folders(vars(part).get("jinja_loader"), depth - 1)]
    if ("pyramid.router", "Router") in classes:
        return _of_pyramid(owner)
    return []


def _of_pyramid(router: Any) -> List[str]:
    """What the views of the app name as their renderers: "templates/home.pt", "shop:pages/home.jinja2"."""
    from pyramid.path import AssetResolver

    folders = []
    for entry in router.registry.introspector.get_category("templates") or ():
        introspectable = entry["introspectable"]
        name = introspectable["name"] or ""
        if "." in os.path.basename(name):
            package = getattr(introspectable["renderer"], "package", None)
            folders.append(os.path.dirname(AssetResolver(package).resolve(name).abspath()))
    return folders
