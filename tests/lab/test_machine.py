"""A process of the lab is never mistaken for another one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.lab.machine import Process, process


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    # A program name that looks like the fields which follow it.
    program = tmp_path / "x) R (1 2"
    shutil.copy(Path("/bin/sleep").resolve(), program)
    child = subprocess.Popen([program, "60"])
    yield child
    child.kill()
    child.wait()


def test_a_running_process_is_alive(sleeper: subprocess.Popen[bytes]) -> None:
    running = process(sleeper.pid)
    assert running
    assert running.alive


def test_a_later_process_with_the_same_id_is_another_one(sleeper: subprocess.Popen[bytes]) -> None:
    running = process(sleeper.pid)
    assert running
    assert not Process(running.pid, running.started - 1).alive


def test_a_process_that_ended_is_not_alive_even_before_its_parent_looked(sleeper: subprocess.Popen[bytes]) -> None:
    running = process(sleeper.pid)
    assert running
    os.kill(sleeper.pid, 9)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{sleeper.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not running.alive


def test_no_process_has_an_id_that_does_not_exist() -> None:
    assert process(2**22 + 1) is None
