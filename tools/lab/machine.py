"""A machine of the lab: a process tree in namespaces of its own, started, stopped and watched from the host."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tools.lab import cgroups, network

INIT = Path(__file__).with_name("init.py")


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for another: its id and when it started (clock ticks since boot)."""

    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; a later one with the same id does not count."""
        return process(self.pid) == self


def process(pid: int, proc: Path = Path("/proc")) -> Process | None:
    """Return the running process with this id, or None when there is none or only its remains."""
    try:
        # The program's name, in parentheses, may itself contain spaces and parentheses.
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else Process(pid, int(fields[19]))


@dataclass(frozen=True)
class Machine:
    """A machine by its address, its directory on the host and what runs on it.

    `mounts` are pairs (directory of the host, directory of the machine), `sysctls` kernel settings inside its namespaces,
    `services` the command of each program by its name.
    """

    address: network.Address
    directory: Path
    services: dict[str, list[str]]
    mounts: list[tuple[str, str]] = field(default_factory=list)
    sysctls: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the machine's name, which is its host name too."""
        return self.address.name

    @property
    def logs(self) -> Path:
        """Return the directory with one log per service."""
        return self.directory / "logs"

    @property
    def running(self) -> bool:
        """Whether the machine's first process runs."""
        try:
            record = json.loads((self.directory / "process.json").read_text())
        except (OSError, ValueError):
            return False
        return Process(record["pid"], record["started"]).alive

    def start(self) -> None:
        """Start the machine; its network namespace has to be there, and nothing of an earlier run."""
        self.logs.mkdir(parents=True, exist_ok=True)
        description = {"name": self.name, "mounts": self.mounts, "sysctls": self.sysctls, "services": self.services}
        (self.directory / "machine.json").write_text(json.dumps(description, indent=2))
        group = cgroups.create(self.name)
        command = [
            # Joining the group comes first: from then on nothing of the machine can escape `stop`.
            "sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group),
            "nsenter", f"--net=/run/netns/{self.address.namespace}",
            "unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc",
            sys.executable, "-I", str(INIT), str(self.directory),
        ]  # fmt: skip
        with (self.logs / "init.log").open("ab") as log:
            pid = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/").pid
        started = process(pid)
        (self.directory / "process.json").write_text(json.dumps({"pid": pid, "started": started.started if started else 0}))

    def stop(self) -> None:
        """Kill everything that runs on the machine, at once, as a power cut does."""
        cgroups.kill(self.name)
        (self.directory / "process.json").unlink(missing_ok=True)
