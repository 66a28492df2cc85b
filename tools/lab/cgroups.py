"""The lab's control groups: one per machine, in every hierarchy that is mounted (version 1, version 2 or both).

Every process of a machine, its containers' too, is in the machine's group. So a machine can be killed at once and
completely, whatever is still known about it, and nothing that is not the lab's can ever be hit.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tools.lab import network

ROOT = network.NAME
MOUNT = Path("/sys/fs/cgroup")


def _hierarchies() -> list[Path]:
    """Return the mounted hierarchies: the only one of version 2, or all of version 1 (and one of version 2 beside them)."""
    if (MOUNT / "cgroup.controllers").exists():
        return [MOUNT]
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(mount[1]) for mount in mounts if mount[2] in ("cgroup", "cgroup2")]


def _tracking() -> Path:
    """Return the hierarchy whose membership says which processes belong to a machine."""
    hierarchies = _hierarchies()
    return next((path for path in hierarchies if path.name == "pids"), hierarchies[0])


def create(machine: str) -> Path:
    """Make the group of a machine in every hierarchy; return the file that a process of the machine writes its id to."""
    for hierarchy in _hierarchies():
        for group in (hierarchy / ROOT, hierarchy / ROOT / machine):
            group.mkdir(exist_ok=True)
            parent = group.parent
            for name in ("cpuset.cpus", "cpuset.mems"):
                if hierarchy != MOUNT and (group / name).exists():
                    (group / name).write_text((parent / name).read_text())
            if hierarchy == MOUNT:
                controllers = (parent / "cgroup.controllers").read_text().split()
                (parent / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))
        if hierarchy == MOUNT:
            controllers = (hierarchy / ROOT / machine / "cgroup.controllers").read_text().split()
            (hierarchy / ROOT / machine / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))
    system = _tracking() / ROOT / machine / "system"
    system.mkdir(exist_ok=True)
    return system / "cgroup.procs"


def processes(machine: str = "") -> list[int]:
    """Return the ids of all processes of a machine, or of the whole lab."""
    found: list[int] = []
    for directory, _, _ in os.walk(_tracking() / ROOT / machine):
        try:
            found += [int(line) for line in Path(directory, "cgroup.procs").read_text().split()]
        except OSError:
            continue  # the group was removed in the meantime
    return found


def kill(machine: str = "", seconds: float = 20) -> None:
    """Kill every process of a machine, or of the whole lab, and remove the groups.

    Raises TimeoutError, with the ids that are left, when some do not go within that time.
    """
    deadline = time.monotonic() + seconds
    while left := processes(machine):
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes of {machine or 'the lab'} that cannot be killed: {left}")
        time.sleep(0.05)
    for hierarchy in _hierarchies():
        for directory, _, _ in os.walk(hierarchy / ROOT / machine, topdown=False):
            _remove(Path(directory), deadline)


def _remove(group: Path, deadline: float) -> None:
    """Remove one empty group; its last process may need a moment to be gone."""
    while True:
        try:
            return group.rmdir()
        except FileNotFoundError:
            return None
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
