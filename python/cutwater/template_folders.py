"""Where the app's template engines look, as far as their objects lie open in the app's own modules."""

from __future__ import annotations

import contextlib
import os
import sys
from types import ModuleType
from typing import Any, Iterable, Iterator, List

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


def find(application: Any, root: str) -> List[str]:
    """The app's root itself is none of them: what the app writes there would be one."""
    below = os.path.realpath(root).rstrip(os.sep) + os.sep
    found: List[str] = []
    for owner in [application, *_values(below)]:
        with contextlib.suppress(Exception):  # objects of the app, whatever they do
            found += _folders(owner, _DEPTH)
    bottle = sys.modules.get("bottle")
    found += [folder for folder in getattr(bottle, "TEMPLATE_PATH", ()) if isinstance(folder, str)]
    return [folder for folder in dict.fromkeys(found) if os.path.realpath(folder).startswith(below)]


def _values(below: str) -> Iterator[Any]:
    for module in list(sys.modules.values()):
        if not issubclass(type(module), ModuleType):
            continue
        names = object.__getattribute__(module, "__dict__")
        file = names.get("__file__")
        if type(file) is str and os.path.realpath(file).startswith(below) and "site-packages" not in file:
            yield from list(names.values())


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
