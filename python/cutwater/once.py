"""What is said once, whichever of several workers it is that finds it out."""

from __future__ import annotations

import os

from cutwater import unpatched


class Once:
    """True for the first who asks, of all workers that are forked from what made it."""

    def __init__(self) -> None:
        self._token, writer = os.pipe2(os.O_CLOEXEC)
        os.write(writer, b"1")
        os.close(writer)

    def __call__(self) -> bool:
        try:
            return unpatched.read(self._token, 1) != b""
        except OSError:  # the app has closed what is not its own
            return False


without_lifespan = Once()  # here, as lifespan.py is imported by the workers
