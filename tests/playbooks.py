"""Runs of ansible-playbook, as people meet them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.inventories import ROOT


def start(
    directory: Path, playbook: Path, *arguments: str, environment: Mapping[str, str] | None = None, **variables: Any
) -> subprocess.Popen[str]:
    """Start a playbook on one cluster with these variables, written to `directory`, and further arguments, as a group of processes."""
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = directory / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"observability": {"hosts": {"north": host}, "vars": variables}}))
    return _started(playbook, inventory, *arguments, environment=environment)


def run(
    directory: Path, playbook: Path, *arguments: str, environment: Mapping[str, str] | None = None, **variables: Any
) -> tuple[int, str]:
    """Run a playbook like `start`, to its end; return code and output."""
    return _ended(start(directory, playbook, *arguments, environment=environment, **variables))


def execute(playbook: Path, inventory: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a playbook on an inventory; return code and output."""
    return _ended(_started(playbook, inventory, *arguments, environment=environment))


def kill(started: subprocess.Popen[str]) -> None:
    """Kill a run at once, with its workers, which have sessions of their own and would go on with their task."""
    for pid in [started.pid, *_descendants(started.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        children = [int(child) for path in Path("/proc", str(pid), "task").glob("*/children") for child in path.read_text().split()]
        return [each for child in children for each in (child, *_descendants(child))]
    return []


def _started(playbook: Path, inventory: Path, *arguments: str, environment: Mapping[str, str] | None) -> subprocess.Popen[str]:
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return subprocess.Popen(
        # Nothing of it outlives the tests, also when they are killed.
        ["setpriv", "--pdeathsig=KILL", program, str(playbook), f"--inventory={inventory}", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "KUBECONFIG": "/nonexistent",
            "COLUMNS": "500",
            **(environment or {}),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _ended(started: subprocess.Popen[str]) -> tuple[int, str]:
    with started:
        try:
            output, _nothing = started.communicate(timeout=300)
        finally:
            if started.poll() is None:
                os.killpg(started.pid, signal.SIGKILL)
    assert "Traceback" not in output
    return started.returncode, output
