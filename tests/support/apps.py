"""Tiny applications: copied into a folder of their own, with a configuration beside them."""

import json
import shutil
import time
from pathlib import Path

APPS = Path(__file__).resolve().parent.parent / "features" / "apps"


def toml_value(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml_value(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def copy(app, place):
    shutil.copytree(APPS / app, place, ignore=shutil.ignore_patterns("__pycache__"))


VALIDATED = """\
from wsgiref.validate import InputWrapper, validator

import {module}

read = InputWrapper.read
InputWrapper.read = lambda self, *size: read(self, *(size or (-1,)))  # frameworks call read() as of any file
application = validator({module}.{attribute})
"""


def put_under_validation(place, target):
    """A module beside the application that wraps it in wsgiref's validator, which raises at any breach by either side."""
    module, _, attribute = target.partition(":")
    (place / "under_validation.py").write_text(VALIDATED.format(module=module, attribute=attribute))
    return "under_validation:application"


def write_config(place, settings, listens, config="", fronts=None):
    lines = [f"fronts = {fronts}"] if fronts else []
    tables, plain = split_config(config)
    lines += plain
    for listen in listens:
        values = {"addr": listen} if isinstance(listen, str) else listen
        lines += ["[[listen]]", *(f"{key} = {toml_value(value)}" for key, value in values.items())]
    lines += ["[app.web]", *(f"{key} = {toml_value(value)}" for key, value in settings.items())]
    (place / "cutwater.toml").write_text("\n".join([*lines, *tables]) + "\n")


def split_config(text):
    """Keys before the first table must come before ours, tables after."""
    lines = text.strip().splitlines()
    first = next((number for number, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    return lines[first:], lines[:first]


def start_slow(server, seconds):
    """A request that runs for `seconds`, begun."""
    client = server.connect(timeout=60)
    name = f"{client.socket.fileno()}-{time.monotonic_ns()}"
    client.send(f"GET /sleep?s={seconds}&say={name} HTTP/1.1\r\nHost: a\r\n\r\n")
    server.out.wait_for(f"sleeps {name}$")
    return client
