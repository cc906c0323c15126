"""What /proc says about a process and its descendants."""

import ctypes
import os
import re
import subprocess
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    """Whatever a server leaves behind becomes our child, where stray_children() sees it."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stat_fields(pid):
    """Fields of /proc/PID/stat from the state on (index 0), or None when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def name(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def state(pid):
    fields = stat_fields(pid)
    return fields[0] if fields else None


def alive(pid):
    return state(pid) not in (None, "Z", "X")


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            found += [int(child) for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def tree(pid):
    """`pid` and all its descendants."""
    found = [pid]
    for parent in found:
        found += [child for child in children(parent) if child not in found]
    return found


def descriptors(pid):
    """What each open descriptor of `pid` points to; None when we may not look (or it is gone)."""
    found = {}
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            try:
                found[int(number)] = os.readlink(f"/proc/{pid}/fd/{number}")
            except FileNotFoundError:
                pass
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return None
    return found


def socket_inode(local_port, peer_port):
    """Of the connected TCP socket of IPv4 with these ports: in descriptors() it is "socket:[<inode>]"."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if (fields[1][-4:], fields[2][-4:]) == (f"{local_port:04X}", f"{peer_port:04X}"):
            return int(fields[9])
    raise LookupError((local_port, peer_port))


def processor_seconds(pid):
    """User and system time so far."""
    fields = stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid, what="Rss"):
    """Rss or Pss of `pid` in bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(what)


def peak_memory(pid):
    """The most Rss that `pid` ever had, in bytes."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


LIMIT = """
import resource, sys
pid, which, soft = map(int, sys.argv[1:])
before, hard = resource.prlimit(pid, which)
resource.prlimit(pid, which, (soft, hard))
print(before)
"""


def limit(pid, which, soft):
    """Sets a soft limit of another process and returns the one before. Only its own user may, even where we are root."""
    status = Path(f"/proc/{pid}/status").read_text()
    user, group = (int(re.search(rf"^{name}:\t(\d+)", status, re.M)[1]) for name in ("Uid", "Gid"))
    ids = {"user": user, "group": group, "extra_groups": []} if os.getuid() == 0 else {}
    command = [sys.executable, "-c", LIMIT, str(pid), str(which), str(soft)]
    return int(subprocess.run(command, **ids, cwd="/", capture_output=True, text=True, check=True).stdout)


def count_of(user):
    """The processes of a user (its number) on this machine."""
    count = 0
    for entry in Path("/proc").iterdir():
        try:
            count += entry.name.isdigit() and entry.stat().st_uid == user
        except OSError:
            pass
    return count


def wait_until(condition, seconds=10.0, what="the condition"):
    """Polls `condition` until it is true and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.01)


_ours = set()


def adopt(pid):
    """`pid` is a child of the tests themselves (a browser driver, a load generator), no left-over."""
    _ours.add(pid)


def stray_children():
    """Processes that fell to us because the server that made them is gone. Zombies among them are reaped."""
    strays = []
    for pid in children(os.getpid()):
        if pid in _ours:
            continue
        if state(pid) == "Z":
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
        else:
            strays.append(pid)
    return strays
