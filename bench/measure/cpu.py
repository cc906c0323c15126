"""CPU time of a server: all its processes and threads together."""

import os
from pathlib import Path

from support.processes import tree


def of_threads(pid):
    """Nanoseconds on a CPU of every live thread of `pid` and its descendants (first field of schedstat)."""
    times = {}
    for process in tree(pid):
        try:
            for task in os.listdir(f"/proc/{process}/task"):
                try:
                    times[process, task] = int(Path(f"/proc/{process}/task/{task}/schedstat").read_text().split()[0])
                except (FileNotFoundError, ProcessLookupError):
                    pass
        except (FileNotFoundError, ProcessLookupError):
            pass
    return times


def between(before, after):
    """Nanoseconds used from one of_threads() to the other."""
    return sum(used - before.get(thread, 0) for thread, used in after.items())


def prefer(session, nice=-19):
    """Gives a session (server or load) precedence over whatever else runs here, where the kernel and our rights allow it.

    Nice values count only inside a session where the kernel groups by session (autogroup): then the group has its own.
    """
    try:
        Path(f"/proc/{session}/autogroup").write_text(str(nice))
    except OSError:
        pass
