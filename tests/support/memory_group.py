"""A control group with a memory limit, where the machine lets us make one: whoever in it grows beyond is killed by the kernel."""

import os
from pathlib import Path

from .processes import wait_until


class MemoryGroup:
    """Versions 1 and 2 of control groups; None from create() where neither can be had."""

    def __init__(self, folder):
        self.folder = folder

    @classmethod
    def create(cls, limit):
        for parent, limit_file in filter(None, (version_1(), version_2())):
            folder = parent / f"cutwater-test-{os.getpid()}"
            try:
                folder.mkdir()
                (folder / limit_file).write_text(str(limit))
            except OSError:
                if folder.exists():
                    folder.rmdir()
                continue
            return cls(folder)
        return None

    def add(self, pid):
        (self.folder / "cgroup.procs").write_text(str(pid))

    def remove(self):
        wait_until(lambda: not (self.folder / "cgroup.procs").read_text().split(), 10, "the group to be empty")
        self.folder.rmdir()


def own_group(controllers):
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, listed, path = line.split(":", 2)
        if listed.split(",") == controllers:
            return path.lstrip("/")
    return None


def mount_of(kind, option):
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, found, options, *_ = line.split()
        if found == kind and (not option or option in options.split(",")):
            return Path(place)
    return None


def version_1():
    mount, group = mount_of("cgroup", "memory"), own_group(["memory"])
    return (mount / group, "memory.limit_in_bytes") if mount and group is not None else None


def version_2():
    """Beside our own group: one with processes in it can have no group with a limit below."""
    mount, group = mount_of("cgroup2", ""), own_group([""])
    if not mount or group is None:
        return None
    parent = (mount / group).parent if group else mount
    allowed = (parent / "cgroup.subtree_control").read_text().split() if parent.is_relative_to(mount) else ()
    return (parent, "memory.max") if "memory" in allowed else None
