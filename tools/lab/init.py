"""The first process of a machine of the lab: what systemd is on a real one.

It is started in new namespaces (mount, process, host name, network) with the machine's directory as its only argument.
`machine.json` there says which directories the machine has of its own, which kernel settings, and which services it
runs; a service that ends is started again. When this process is killed, the kernel ends the whole machine.

Only the standard library, imported at once: a directory that Python was loaded from may be covered by the machine's own.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


def start(command: list[str], log: str, directory: int) -> int:
    """Start a service with its output appended to `log` in the opened `directory`; return its process id."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644, dir_fd=directory)
    try:
        return os.posix_spawn(
            "/bin/sh",
            # Through a shell, a program that is missing is a line in its log and tried again, and not the machine's end.
            ["sh", "-c", 'exec "$@"', "sh", *command],
            {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
            file_actions=[(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)],
            setsid=True,
            setsigdef=[signal.SIGPIPE],
        )
    finally:
        os.close(output)


def main() -> None:
    """Turn the namespaces into the machine that machine.json describes, then run its services for ever."""
    directory = Path(sys.argv[1])
    machine = json.loads((directory / "machine.json").read_text())
    logs = os.open(directory / "logs", os.O_RDONLY | os.O_DIRECTORY)
    socket.sethostname(machine["name"])
    for source, target in machine["mounts"]:
        subprocess.run(["mount", "--rbind", source, target], check=True)
    # Volumes are mounted by the kubelet and have to appear in containers that run already.
    subprocess.run(["mount", "--make-rshared", "/"], check=True)
    for path, value in machine["sysctls"].items():
        Path("/proc/sys", path).write_text(value)
    running = {start(command, f"{name}.log", logs): name for name, command in machine["services"].items()}
    while True:
        pid, _ = os.waitpid(-1, 0)
        if name := running.pop(pid, None):
            time.sleep(1)
            running[start(machine["services"][name], f"{name}.log", logs)] = name


if __name__ == "__main__":
    main()
