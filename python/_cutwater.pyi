"""The extension module `_cutwater` (src/python): the worker's side of the link between front and workers."""

from typing import Any, Callable, Iterator, Optional, Protocol, Sequence, TextIO, Tuple
from _typeshed.wsgi import WSGIApplication

version: str
limited_api: int  # 1: the build for every version from 3.9 on

class Host(Protocol):
    """What the loop asks of Python. Strings hold bytes as latin-1."""

    def control(self) -> Optional[str]: ...
    def ending(self, reason: str) -> None: ...
    def exception(self, method: str, path: str, what: str, error: BaseException) -> None: ...
    def problem(self, code: str, method: str, path: str, text: str) -> None: ...
    def plain_file(self, file: Any) -> Optional[Tuple[int, int]]: ...
    def start_thread(self, run: Callable[[], None], number: int) -> bool: ...
    def join_threads(self) -> None: ...
    def leave_child(self, error: Optional[BaseException]) -> None: ...

class FileWrapper:
    """wsgi.file_wrapper of PEP 3333."""

    filelike: Any
    blksize: int
    def __init__(self, filelike: Any, blksize: int = 8192) -> None: ...
    def __iter__(self) -> Iterator[bytes]: ...
    def __next__(self) -> bytes: ...
    def close(self) -> None: ...

def serve_wsgi(
    application: WSGIApplication,
    host: Host,
    errors: TextIO,
    *,
    segment: int,
    lane: int,
    wake: int,
    front_wakes: Sequence[int],
    front_alarms: Sequence[int],
    lane_sockets: Sequence[int],
    control: int,
    signals: int,
    drop_hop_by_hop: bool,
    threads: int = 1,
    switch_interval: float = 0.005,
) -> str:
    """Serves requests until it shall end, and says why: "retired", "system_exit", or what Host.control() returned.

    `drop_hop_by_hop`: a response field that belongs to the connection is left out, with a problem said once, instead of refused.

    `threads`: how many run requests at most; with more than one, all but the caller's, by Host.start_thread().
    `switch_interval`: what sys.getswitchinterval() says.

    Takes over `segment`, `wake`, `front_wakes`, `front_alarms` and `lane_sockets`; `control` and `signals` are only watched.
    """

class GreenletTeam:
    """A WSGI worker beside the hub of a library of greenlets; all of it is for the hub's thread."""

    wake_descriptor: int
    lane_sockets: Sequence[int]
    active: int
    def turn(self) -> None: ...
    def tick(self) -> None: ...
    def look_at_sockets(self) -> Sequence[int]: ...
    def forked(self) -> None: ...
    def stop(self, reason: str, /) -> None: ...

def greenlet_team(
    application: WSGIApplication,
    host: Host,
    errors: TextIO,
    *,
    hub: Any,
    to_hub: Callable[[], Any],
    current: Callable[[], Any],
    new_greenlet: Callable[[Callable[[], None]], Any],
    call_soon: Callable[[Callable[[], None]], Any],
    call_later: Callable[[float, Callable[[], None]], Any],
    drained: Callable[[str], None],
    detached: Callable[[], None],
    drop_hop_by_hop: bool,
    concurrency: int,
    workers: int,
    segment: int,
    lane: int,
    wake: int,
    front_wakes: Sequence[int],
    front_alarms: Sequence[int],
    lane_sockets: Sequence[int],
) -> GreenletTeam:
    """src/python/greenlet_team.h says what each of these is for. Descriptors are taken over as by serve_wsgi()."""

def set_process_name(name: str, /) -> None: ...
def end_with_parent(channel: int, milliseconds: int, /) -> None: ...
def exit_within(milliseconds: int, status: int, /) -> None: ...
