"""Runs at the same time, and runs that are killed: the objects are right afterwards."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine import lease
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND

from tests import playbooks
from tests.engine import ready
from tests.engine.faults import Asked, Proxy
from tests.engine.installations import Installation
from tests.engine.small import behind, content, drift, is_write
from tests.inventories import ROOT

LEASE = BY_KIND["Lease"]


def test_of_two_runs_at_the_same_time_the_second_waits_for_the_first(proxy: Proxy, expected: dict[str, Any], tmp_path: Path) -> None:
    stack = behind(proxy, "twice")
    first_waits, second_waits = threading.Event(), threading.Event()
    reads: list[float] = []

    def seen(asked: Asked, _status: int) -> None:
        # Nothing becomes ready, so the first run waits with the Lease; it reads it once in 10 s, and the second one each second.
        if asked.method == "PATCH" and "statefulsets/prometheus" in asked.path:
            first_waits.set()
        if first_waits.is_set() and asked.method == "GET" and asked.path.endswith(lease.NAME):
            reads.append(time.monotonic())
            if len(reads) > 2 and reads[-1] - reads[-3] < 5:
                second_waits.set()

    def play(name: str) -> tuple[int, str]:
        (tmp_path / name).mkdir()
        given = stack.inventory(observability_wait_timeout=300)
        return playbooks.run(tmp_path / name, ROOT / "playbooks/site.yml", "--skip-tags=verify", **given)

    proxy.seen = seen
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(play, "first")
        assert first_waits.wait(200)
        second = pool.submit(play, "second")
        assert second_waits.wait(200)
        with ready.workloads(stack.cluster):
            runs = [first.result(), second.result()]
    assert [code for code, _output in runs] == [0, 0], runs
    waiting = "waiting for another run on this stack: "
    assert waiting not in runs[0][1]
    assert any(f" on {os.uname().nodename}, process " in line for line in runs[1][1].splitlines() if waiting in line)
    assert content(stack) == expected
    assert stack.play().settled


def test_a_run_that_does_not_want_to_wait_names_the_holder_of_the_lease(
    stack_with_faults: tuple[Proxy, Installation], expected: dict[str, Any]
) -> None:
    _proxy, stack = stack_with_faults
    other = lease.RunLease(stack.cluster, stack.namespace, "ana on laptop, process 7", {})
    other.hold(0, print)
    drift(stack)
    before = stack.versions()
    run = stack.play(observability_wait_timeout=1)
    assert run.code != 0
    assert "another run changes this stack: ana on laptop, process 7, since " in run.output
    assert "it has not ended within 1 s (observability_wait_timeout)" in run.output
    assert stack.versions() == before
    other.release()
    run = stack.play()
    assert run.code == 0, run.output
    assert content(stack) == expected


def killed(stack: Installation, proxy: Proxy, number: int) -> None:
    """Run the playbook, and kill it with all of its processes as soon as the API server has done its write of that number."""
    done = threading.Event()
    writes = 0

    def seen(asked: Asked, _status: int) -> None:
        nonlocal writes
        writes += is_write(asked)
        if writes == number and not done.is_set():
            playbooks.kill(started)
            done.set()

    proxy.seen = seen
    with tempfile.TemporaryDirectory() as directory, ready.workloads(stack.cluster):
        started = playbooks.start(Path(directory), ROOT / "playbooks/site.yml", "--skip-tags=verify", **stack.inventory())
        started.communicate(timeout=300)
    proxy.seen = lambda _asked, _status: None
    assert done.is_set()
    assert started.returncode == -signal.SIGKILL


@pytest.mark.parametrize("number", [1, 2, 3, 5, 8, 11, 14, 17, 20, 23])
def test_after_a_run_that_was_killed_the_next_one_converges(proxy: Proxy, expected: dict[str, Any], number: int) -> None:
    stack = behind(proxy, f"killed-{number}")
    killed(stack, proxy, number)
    # Nobody waits in a test for the Lease to end; that it ends is tested below.
    stack.cluster.request("DELETE", LEASE.path(stack.namespace, lease.NAME))
    run = stack.play()
    assert run.code == 0, run.output
    assert content(stack) == expected


def test_the_lease_of_a_run_that_was_killed_ends(stack_with_faults: tuple[Proxy, Installation]) -> None:
    _proxy, stack = stack_with_faults
    dead, next_run = (lease.RunLease(stack.cluster, stack.namespace, holder, {}) for holder in ("dead", "next"))
    dead.hold(0, print)
    stack.cluster.object("PATCH", LEASE.path(stack.namespace, lease.NAME), body={"spec": {"leaseDurationSeconds": 2}})
    lines: list[str] = []
    with pytest.raises(ClusterError, match="another run changes this stack: dead, since "):
        next_run.hold(0, lines.append)
    start = time.monotonic()
    next_run.hold(30, lines.append)
    assert 2 <= time.monotonic() - start < 10
    assert "waiting for another run on this stack: dead" in lines[0]
    next_run.release()
