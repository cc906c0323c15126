"""Django puts the path that an app lives below before a relative STATIC_URL or MEDIA_URL when one is read first, and keeps
the outcome: who reads it before there is a request decides for all of them."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator

_NAMES = ("STATIC_URL", "MEDIA_URL")


def written(settings: Any, name: str) -> Any:
    """As it stands in the app's settings."""
    return getattr(settings._wrapped, name)


def is_relative(url: Any) -> bool:
    return isinstance(url, str) and not url.startswith(("http://", "https://", "/"))


def of(settings: Any, prefix: str) -> str:
    """What requests will say; "" when that is not known before one comes."""
    return prefix if settings.FORCE_SCRIPT_NAME is None else str(settings.FORCE_SCRIPT_NAME)


@contextlib.contextmanager
def applied(prefix: str) -> Iterator[None]:
    """As in a request to an app below `prefix`. Without one nothing is kept of what is read meanwhile."""
    from django.conf import settings
    from django.urls import clear_script_prefix, set_script_prefix

    prefix = of(settings, prefix)
    names = [name for name in _NAMES if is_relative(written(settings, name))]
    kept = {name: settings.__dict__.pop(name) for name in names if name in settings.__dict__}
    if prefix:
        set_script_prefix(prefix)
    try:
        yield
    finally:
        if prefix:
            clear_script_prefix()
        else:
            for name in names:
                settings.__dict__.pop(name, None)
            settings.__dict__.update(kept)
