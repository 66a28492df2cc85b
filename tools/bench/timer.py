"""Runs one command and prints as JSON what it has cost: a program of its own, which imports next to nothing.

`timer.py LOG COMMAND …`: the output of the command goes to the file LOG.
"""

import json
import os
import sys
import time


def main() -> None:
    """Run the command, wait for it, and print exit code, wall and CPU seconds, and the memory of the largest process in KiB."""
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    start = time.monotonic()
    pid = os.posix_spawnp(
        sys.argv[2], sys.argv[2:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
    )
    # What `wait4` says includes every process that the command itself has waited for.
    _pid, status, usage = os.wait4(pid, 0)
    wall = time.monotonic() - start
    cpu = usage.ru_utime + usage.ru_stime
    print(json.dumps({"code": os.waitstatus_to_exitcode(status), "wall": wall, "cpu": cpu, "memory": usage.ru_maxrss}))


if __name__ == "__main__":
    main()
