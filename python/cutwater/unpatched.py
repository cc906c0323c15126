"""What gevent and eventlet replace in the standard library, as it was before: our own channel, pipes and forks must not wait in a hub.

Imported before any app is.
"""

from __future__ import annotations

from os import fork, read, waitpid, write
from socket import socket
from time import sleep

__all__ = ["fork", "read", "sleep", "socket", "waitpid", "write"]
