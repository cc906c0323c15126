"""What the app's framework knows and the server should too: version, static files, templates, usual mistakes."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from typing import Any, Dict, List, NamedTuple, Optional

from cutwater import failure, loader, script_prefix, warm_up

# By module and name of a class: the framework's name and its distribution.
_FRAMEWORKS = (
    ("flask.app", "Flask", "Flask", "flask"),
    ("bottle", "Bottle", "Bottle", "bottle"),
    ("falcon.app", "App", "Falcon", "falcon"),
    ("pyramid.router", "Router", "Pyramid", "pyramid"),
    ("cherrypy._cptree", "Tree", "CherryPy", "cherrypy"),
    ("fastapi.applications", "FastAPI", "FastAPI", "fastapi"),
    ("starlette.applications", "Starlette", "Starlette", "starlette"),
    ("quart.app", "Quart", "Quart", "quart"),
    ("litestar.app", "Litestar", "Litestar", "litestar"),
    ("falcon.asgi.app", "App", "Falcon", "falcon"),
    ("tornado.web", "Application", "Tornado", "tornado"),
)
_WRAPPED_NAMES = ("__self__", "wsgi_app", "application", "app", "func", "__wrapped__")


class Probe(NamedTuple):
    framework: str  # "Django 5.2", or ""
    static: List[Dict[str, str]]
    templates: List[str]
    not_watched: List[str]
    notes: List[str]


def probe(loaded: loader.Loaded, root: str, prefix: str, reload: Optional[str]) -> Probe:
    """Raises BootFailure when a part of the app that the framework imports later is broken. `prefix`: what it lives below,
    or ""; `reload`: the command that makes the server look at the app anew, None where none runs."""
    try:
        if _is_django():
            with script_prefix.applied(prefix):
                return _probe_django(root, prefix, reload)
        application = _find(loaded.application)
        if application is not None and type(application).__mro__ and _is(application, "flask.app", "Flask"):
            return _probe_flask(application, prefix)
        return Probe(_name(application), [], [], [], [])
    except Exception as error:  # from the app's settings, views or URLs
        loader.fail_import(error, root)


def _is(value: Any, module: str, name: str) -> bool:
    return any(base.__module__ == module and base.__name__ == name for base in type(value).__mro__)


def _find(application: Any) -> Any:
    """The framework's own object, inside of middleware that keeps it under a usual name."""
    for _ in range(6):
        if any(_is(application, module, name) for module, name, _, _ in _FRAMEWORKS):
            return application
        for attribute in _WRAPPED_NAMES:
            inner = getattr(application, "__dict__", {}).get(attribute) or (
                getattr(application, "__self__", None) if attribute == "__self__" else None)
            if inner is not None and callable(inner):
                application = inner
                break
        else:
            return None
    return None


def _name(application: Any) -> str:
    for module, name, framework, distribution in _FRAMEWORKS:
        if application is not None and _is(application, module, name):
            return f"{framework} {_version(distribution)}".strip()
    return ""


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except Exception:  # not installed by name, or broken metadata: the version is only for display
        return ""


def _prefix(url: str) -> str:
    return "/" + url.strip("/") + "/" if url.strip("/") else "/"


# ---- Django


def _is_django() -> bool:
    if "django" not in sys.modules:
        return False
    conf = sys.modules.get("django.conf")
    return conf is not None and conf.settings.configured


def _probe_django(root: str, prefix: str, reload: Optional[str]) -> Probe:
    import django
    from django.conf import settings
    from django.urls import get_resolver

    _resolve_patterns(get_resolver())
    notes: List[str] = []
    if settings.DEBUG:
        notes.append("DEBUG = True: an error shows settings and code to whoever caused it")
    elif not settings.ALLOWED_HOSTS:
        notes.append("ALLOWED_HOSTS is empty and DEBUG is False: Django answers every request with 400")
    urls = _django_static_urls(settings, prefix)
    static = _django_static(settings, urls, root, reload, notes) if urls else []
    not_watched = [str(folder) for folder in (settings.STATIC_ROOT, settings.MEDIA_ROOT) if folder]
    return Probe(f"Django {django.get_version()}", static, _django_templates(settings), not_watched, notes)


def _resolve_patterns(resolver: Any) -> None:
    """Imports every included URLconf and with it the views, which Django would do at the first request."""
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            _resolve_patterns(pattern)


def _django_static_urls(settings: Any, prefix: str) -> List[str]:
    """Where the pages say the static files are, and where a web server in front asks for them that takes the prefix away."""
    url = script_prefix.written(settings, "STATIC_URL")
    if not isinstance(url, str) or "//" in url:
        return []  # on another host
    below = script_prefix.of(settings, prefix)
    return [_prefix(f"{below}/{url}"), _prefix(url)] if below.strip("/") and script_prefix.is_relative(url) else [_prefix(url)]


def _django_static(settings: Any, urls: List[str], root: str, reload: Optional[str], notes: List[str]) -> List[Dict[str, str]]:
    fix = "python manage.py collectstatic"
    # Folders are opened when a generation starts, with the rights of its app.
    and_reload = f", then: {reload}" if reload else ""
    if not settings.STATIC_ROOT:
        if "django.contrib.staticfiles" in settings.INSTALLED_APPS:
            notes.append(f"{urls[0]} is not served: STATIC_ROOT is not set; set it and run: {fix}{and_reload}")
        return []
    folder = os.path.join(root, str(settings.STATIC_ROOT))
    shown = failure.shown_path(folder, root)
    if not os.path.isdir(folder):
        notes.append(f"{urls[0]} is not served: STATIC_ROOT {shown} does not exist; run: {fix}{and_reload}")
        return []
    if not any(os.scandir(folder)):
        notes.append(f"STATIC_ROOT {shown} is empty; run: {fix}")
    return [{"prefix": url, "root": folder} for url in urls]


def _django_templates(settings: Any) -> List[str]:
    from django.apps import apps

    folders: List[str] = []
    for engine in settings.TEMPLATES:
        folders += [str(folder) for folder in engine.get("DIRS", [])]
    if apps.ready:
        for name in ("templates", "jinja2"):
            folders += [os.path.join(config.path, name) for config in apps.get_app_configs()]
    return folders


def warm_up_for_workers(prefix: str) -> None:
    if _is_django():
        with script_prefix.applied(prefix):
            warm_up.django(prefix)


def close_database_connections() -> None:
    """What a module opened while it was imported must not be shared by the workers."""
    if _is_django() and "django.db" in sys.modules:
        from django.db import connections

        connections.close_all()


# ---- Flask


def _probe_flask(application: Any, prefix: str) -> Probe:
    static: List[Dict[str, str]] = []
    folder = application.static_folder
    url = application.static_url_path
    if folder and isinstance(url, str) and os.path.isdir(folder) and _prefix(url) != "/":
        urls = [_prefix(f"{prefix}/{url.lstrip('/')}"), _prefix(url)] if prefix else [_prefix(url)]
        static += [{"prefix": url, "root": os.path.abspath(folder)} for url in urls]
    templates = [os.path.join(owner.root_path, owner.template_folder)
                 for owner in [application, *application.blueprints.values()] if owner.template_folder]
    notes = []
    if application.debug:
        notes.append("Flask's debug mode is on: an error shows code to whoever caused it")
    return Probe(_name(application), static, templates, [], notes)
