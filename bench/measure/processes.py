"""CPU time and memory of a server: all its processes and threads together."""

import os
from pathlib import Path


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            found += [int(child) for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def tree(pid):
    found = [pid]
    for parent in found:
        found += [child for child in children(parent) if child not in found]
    return found


def cpu_of_threads(pid):
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


def cpu_between(before, after):
    """Nanoseconds used from one cpu_of_threads() to the other."""
    return sum(used - before.get(thread, 0) for thread, used in after.items())


def pss(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"no Pss of {pid}")


def total_pss(pid):
    return sum(pss(process) for process in tree(pid))


def name(pid):
    return Path(f"/proc/{pid}/comm").read_text().strip()
