"""What Django would do at the first request of every worker, done once before they are forked.

Shared by all of them it costs memory once, and the first visitor after a reload does not wait for it. Only what
reads code and templates: nothing here opens a connection, and what is broken says so at the request that needs it.
"""

from __future__ import annotations

import os
import sysconfig
import time
from typing import Any, Iterator

from cutwater import script_prefix

_TEMPLATES = 200
_SECONDS = 0.3


def django(prefix: str) -> None:
    for step in (_urls, _database_compilers, lambda: _stores(prefix), _templates):
        try:
            step()
        except Exception:  # the request that needs it tells its story better
            pass


def _urls() -> None:
    from django.urls import get_resolver

    get_resolver().reverse_dict  # the index of `reverse()` and {% url %}


def _database_compilers() -> None:
    from django.db import connections

    for alias in connections:
        if connections.settings[alias]["ENGINE"].startswith("django.db.backends."):
            connections[alias].ops.compiler("SQLCompiler")


def _stores(prefix: str) -> None:
    from django.conf import settings
    from django.utils import formats
    from django.utils.module_loading import import_string

    formats.get_format("DECIMAL_SEPARATOR")
    installed = settings.INSTALLED_APPS
    if "django.contrib.sessions" in installed:
        import_string(settings.SESSION_SERIALIZER)
    if "django.contrib.messages" in installed:
        import_string(settings.MESSAGE_STORAGE)
    # It keeps STATIC_URL, which for some only the first request decides.
    is_known = script_prefix.of(settings, prefix) or not script_prefix.is_relative(script_prefix.written(settings, "STATIC_URL"))
    if "django.contrib.staticfiles" in installed and is_known:
        from django.contrib.staticfiles import storage

        if settings.STORAGES["staticfiles"]["BACKEND"].startswith("django."):
            storage.staticfiles_storage.url  # reads the manifest, if there is one


def _templates() -> None:
    from django.template import engines

    deadline = time.monotonic() + _SECONDS
    for backend in engines.all():
        engine = getattr(backend, "engine", None)
        if type(backend).__module__ != "django.template.backends.django" or engine is None:
            continue
        engine.template_context_processors
        for loader in engine.template_loaders:
            if type(loader).__module__ == "django.template.loaders.cached":  # without it every request compiles anew
                for name in _own_templates(loader):
                    if time.monotonic() > deadline:
                        return
                    _compile(backend, name)


def _compile(backend: Any, name: str) -> None:
    try:
        backend.get_template(name)
    except Exception:  # a draft, or no template at all
        pass


def _own_templates(cached: Any) -> Iterator[str]:
    """The names of the site's templates; those of installed packages are many, and most are never shown."""
    packages = tuple({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    left = _TEMPLATES
    for loader in cached.loaders:
        for folder in map(str, getattr(loader, "get_dirs", list)()):
            if folder.startswith(packages):
                continue
            for place, _, names in os.walk(folder):
                for name in sorted(names):
                    if left == 0:
                        return
                    left -= 1
                    yield os.path.relpath(os.path.join(place, name), folder)
