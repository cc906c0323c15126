"""Entry of every interpreter that the master starts, in the app's root:

    <python> -c "import os, sys; sys.path.insert(0, os.environ['CUTWATER_LIBRARY']); from cutwater import main; main.run()"

CUTWATER_CONTROL_FD is the channel to the master, CUTWATER_LIBRARY the folder that holds this package and `_cutwater`;
both are gone from os.environ and sys.path before the app is imported. docs/processes.md has the conversation.
"""

from __future__ import annotations

import sys

# Of -c without -P: a json.py in the app's root must not be taken for the one that we import.
sys.path[:] = [entry for entry in sys.path if entry]

import os
import platform

from cutwater.channel import Channel, ChannelClosed
from cutwater.failure import BOOT_FAILED


def run() -> None:
    """Never returns."""
    channel = Channel(int(os.environ.pop("CUTWATER_CONTROL_FD")))
    library = os.environ.pop("CUTWATER_LIBRARY")
    python = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    try:
        from cutwater import boot
    except (ImportError, SystemError) as error:  # the latter of a free-threaded Python that tries the abi3 build
        _refuse(channel, "CW0316", f"{python} cannot load Cutwater's extension: {error}\n{_extension_fix()}")
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        _refuse(channel, "CW0321", f"{python} runs without its GIL, as {_who_took_the_gil()} asks for; Cutwater's extension needs "
                                   "it: what workers share with the fronts is guarded by it\n"
                                   "fix: take that away, then the GIL is turned on when the extension is imported; for more "
                                   "processors set workers")
    sys.path[:] = [entry for entry in sys.path if entry != library]
    boot.run(channel)


def _who_took_the_gil() -> str:
    return "PYTHON_GIL=0 in the server's environment" if os.environ.get("PYTHON_GIL") == "0" else "-X gil=0 of its command"


def _extension_fix() -> str:
    if platform.python_implementation() != "CPython":
        return "fix: make the environment with CPython 3.9 or newer, or set python"
    import sysconfig  # slow to import

    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return (f"fix: a free-threaded Python needs an extension of its own: build Cutwater with -D CUTWATER_PYTHONS={sys.executable}; "
                "or make the environment with an ordinary build of Python")
    return "fix: install Cutwater anew (from its sources: ./run), or set python to another interpreter"


def _refuse(channel: Channel, code: str, text: str) -> None:
    try:
        channel.receive()  # what to start: left unread it would reset the channel, and what we say would be lost
    except ChannelClosed:
        pass
    channel.send("failed", exit_code=BOOT_FAILED, code=code, text=text)
    os._exit(BOOT_FAILED)
