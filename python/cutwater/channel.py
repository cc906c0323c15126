"""One end of a SOCK_SEQPACKET pair to the master: one JSON object a message, descriptors beside it."""

from __future__ import annotations

import array
import errno
import json
import os
import socket
from typing import Any, Dict, List, Optional, Tuple

from cutwater import unpatched

MAXIMUM_MESSAGE = 64 * 1024
MAXIMUM_DESCRIPTORS = 253  # the kernel's SCM_MAX_FD; a worker gets three for each of at most 64 fronts, and three more

# For how long a message that may be lost waits for the master: so much more than it needs that only a stopped one is
# too late, and so little that a loop may stand still for it.
_OFFERS = 20
_OFFER_INTERVAL = 0.001

Message = Tuple[Dict[str, Any], List[int]]


class ChannelClosed(Exception):
    """The master is gone, or it sent what is no message."""


class Channel:
    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._socket = unpatched.socket(fileno=descriptor)
        self._socket.setblocking(True)
        self._identity = _identity_of(descriptor)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, kind: str, **fields: Any) -> bool:
        """False when the master is gone: the next receive() will say so."""
        message = json.dumps({"type": kind, **fields}).encode()
        try:
            self._socket.send(message)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def offer(self, kind: str, *, patient: bool = True, **fields: Any) -> bool:
        """Sends a message that may be lost. False when the master does not take it in time, or at once; OSError when it cannot be
        reached, one reason being that the app has closed our descriptor, whose number may be another file's by now."""
        if _identity_of(self._socket.fileno()) != self._identity:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        message = json.dumps({"type": kind, **fields}, ensure_ascii=False).encode("utf-8", "replace")
        for _ in range(_OFFERS if patient else 1):
            try:
                self._socket.send(message, socket.MSG_DONTWAIT)
                return True
            except BlockingIOError:
                if patient:
                    unpatched.sleep(_OFFER_INTERVAL)
        return False

    def receive(self) -> Message:
        """Waits for the next message. Its descriptors come all, or, when this process has no room for them, not at all."""
        message = self._receive(0)
        assert message is not None
        return message

    def receive_waiting(self) -> Optional[Message]:
        """The message that has come already, or None."""
        return self._receive(socket.MSG_DONTWAIT)

    def _receive(self, flags: int) -> Optional[Message]:
        room = socket.CMSG_LEN(MAXIMUM_DESCRIPTORS * array.array("i").itemsize)
        try:
            data, ancillary, cut, _ = self._socket.recvmsg(MAXIMUM_MESSAGE, room, flags | socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return None
        except OSError as error:
            raise ChannelClosed(str(error)) from error
        descriptors = _descriptors(ancillary)
        if cut & socket.MSG_CTRUNC:  # too many are open here; a part of them is worse than none
            for descriptor in descriptors:
                os.close(descriptor)
            descriptors = []
        if not data:
            raise ChannelClosed("the master is gone")
        try:
            message = json.loads(data)
            kind = message["type"]
        except (ValueError, TypeError, KeyError) as error:
            raise ChannelClosed(f"not a message: {error}") from error
        if not isinstance(kind, str):
            raise ChannelClosed("a message without a type")
        return message, descriptors


def _identity_of(descriptor: int) -> Tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _descriptors(ancillary: List[Tuple[int, int, bytes]]) -> List[int]:
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)
