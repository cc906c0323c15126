# -*- coding: utf-8 -*-
"""What an interpreter too old for everything else here tells the master, and its end. Python 2.6 and newer can read this
file: it is all that such a one imports (see ``channel`` and ``main`` for the conversation).
"""

import sys

sys.path[:] = [entry for entry in sys.path if entry]  # as in ``main``

import json
import os
import platform

_BOOT_FAILED = 3


def refuse():
    channel = int(os.environ["CUTWATER_CONTROL_FD"])
    os.read(channel, 65536)  # what to start: left unread it would reset the channel, and what we say would be lost
    text = ("%s %s (%s) is too old: Cutwater serves apps on CPython 3.9 and newer\n"
            "fix: make the environment with a newer Python, or set python")
    text %= (platform.python_implementation(), platform.python_version(), sys.executable)
    message = {"type": "failed", "exit_code": _BOOT_FAILED, "code": "CW0204", "text": text, "watch": []}
    os.write(channel, json.dumps(message).encode("ascii"))
    os._exit(_BOOT_FAILED)
