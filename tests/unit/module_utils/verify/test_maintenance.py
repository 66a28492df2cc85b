"""When a compactor without success is a fault, and when it has only just been started."""

from __future__ import annotations

import pytest
from ansible_collections.observability.stack.plugins.module_utils.verify.counters import METRICS
from ansible_collections.observability.stack.plugins.module_utils.verify.maintenance import STARTED, TASK_METRICS, TASKS, neglected
from ansible_collections.observability.stack.plugins.module_utils.verify.stores import Labels

HOUR = 3600.0
NOW = 1_800_000_000.0
RETENTION, COMPACTION = TASKS["loki"]
_, CLEANUP, BLOCKS = TASKS["mimir"]
FAILURE: Labels = (("status", "failure"),)
Page = dict[tuple[str, str, Labels], float]


def page(age: float, **metrics: float) -> Page:
    """Return what a store shows that was started `age` hours ago; `metrics` are those of one task, see the cases."""
    return {("loki-0", STARTED, ()): NOW - age * HOUR, **{("loki-0", name, ()): value for name, value in metrics.items()}}


def failed(count: float, pod: str = "loki-0") -> Page:
    return {(pod, RETENTION.failures, FAILURE): count}


CASES: list[tuple[str, Page, str]] = [
    ("just started, not tried yet", page(0.1), ""),
    ("old, and never tried: switched off", page(100), ""),
    ("only failures", page(0.3, **{RETENTION.success: 0}) | failed(2), "has failed 2 times and never succeeded"),
    ("failed once, then succeeded", page(50, **{RETENTION.success: NOW - HOUR}) | failed(1), ""),
    ("succeeded, and then no more", page(50, **{RETENTION.success: NOW - 5 * HOUR}) | failed(30), "has not succeeded for 5 hours"),
    ("another pod does the work", page(50, **{RETENTION.success: 0}) | {("loki-1", RETENTION.success, ()): NOW}, ""),
    ("what did not fail is no failure", page(0.3) | {("loki-0", RETENTION.failures, (("status", "success"),)): 7}, ""),
]


@pytest.mark.parametrize(("shown", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_retention_that_does_not_succeed_is_a_fault(shown: Page, words: str) -> None:
    problems = neglected([RETENTION], shown, NOW)
    assert [words in problem and RETENTION.what in problem for problem in problems] == ([True] if words else []), problems


@pytest.mark.parametrize(("age", "count"), [(1, 0), (2.9, 0), (3.1, 1)])
def test_a_compaction_that_is_never_tried_is_a_fault_once_the_store_is_old_enough(age: float, count: int) -> None:
    assert len(neglected([COMPACTION], page(age), NOW)) == count


def test_a_run_that_ended_with_the_process_is_no_failure() -> None:
    compaction = TASKS["mimir"][0]
    for reason, count in (("shutdown", 0), ("error", 1)):
        shown = page(1) | {("mimir-0", compaction.failures, (("reason", reason),)): 1.0}
        assert len(neglected([compaction], shown, NOW)) == count


def test_blocks_that_cannot_be_deleted_are_a_fault_though_the_cleanup_succeeds() -> None:
    shown = page(1, **{CLEANUP.success: NOW, BLOCKS.success: 0, BLOCKS.failures: 4})
    assert len(neglected([CLEANUP, BLOCKS], shown, NOW)) == 1
    assert neglected([CLEANUP, BLOCKS], page(1, **{CLEANUP.success: NOW, BLOCKS.success: 9, BLOCKS.failures: 4}), NOW) == []


def test_every_metric_of_a_task_is_read() -> None:
    for component, tasks in TASKS.items():
        assert {STARTED, *(metric for task in tasks for metric in (task.success, task.failures))} == set(TASK_METRICS[component])
        assert set(TASK_METRICS[component]) <= METRICS
