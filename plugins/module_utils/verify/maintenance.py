"""What the compactors of the stores do again and again so that old data goes, and the metrics that show whether they succeed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .stores import Labels


@dataclass(frozen=True)
class Task:
    """Something that a store's compactor does again and again, so that old data goes: which, and the metrics that show whether it succeeds.

    `success`: the Unix time of its last success or, without `within`, how often it succeeded; 0 until it did. `failures`: how often it
    failed, counted over the series with the label in `failed` where that is given. `within`: after how many hours without a success
    something is wrong, even if nothing was counted as a failure. `optional`: the inventory may switch it off, and then it is never tried.
    """

    what: str
    success: str
    failures: str
    failed: tuple[str, str] | None = None
    within: float | None = None
    optional: bool = False


STARTED = "process_start_time_seconds"
# The times are those of the alerts that Loki's and Mimir's authors publish (loki-mixin, mimir-mixin).
TASKS: dict[str, tuple[Task, ...]] = {
    "loki": (
        Task(
            "retention",
            "loki_compactor_apply_retention_last_successful_run_timestamp_seconds",
            "loki_compactor_apply_retention_operation_total",
            ("status", "failure"),
            within=3,
            optional=True,
        ),
        Task(
            "compaction",
            "loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds",
            "loki_boltdb_shipper_compact_tables_operation_total",
            ("status", "failure"),
            within=3,
        ),
    ),
    "mimir": (
        Task(
            "compaction",
            "cortex_compactor_last_successful_run_timestamp_seconds",
            "cortex_compactor_runs_failed_total",
            ("reason", "error"),
            within=24,
        ),
        Task(
            "cleanup",
            "cortex_compactor_block_cleanup_last_successful_run_timestamp_seconds",
            "cortex_compactor_block_cleanup_failed_total",
            within=6,
        ),
        Task("deletion of blocks", "cortex_compactor_blocks_cleaned_total", "cortex_compactor_block_cleanup_failures_total"),
    ),
}
TASK_METRICS = {
    component: (STARTED, *(metric for task in tasks for metric in (task.success, task.failures))) for component, tasks in TASKS.items()
}


def neglected(tasks: Sequence[Task], page: Mapping[tuple[str, str, Labels], float], now: float) -> list[str]:
    """Return a sentence for each task that has only failed so far, or that has not succeeded for too long.

    `page` has the metrics of all pods of a store: (pod, name, labels) -> value; one pod does the work for all of them. A store that is
    younger than a task's `within`, and has not failed in it, is no problem: it may not have had its turn.
    """

    def values(name: str, label: tuple[str, str] | None = None) -> list[float]:
        return [value for (_pod, metric, labels), value in page.items() if metric == name and (label is None or label in labels)]

    problems = []
    for task in tasks:
        success = max(values(task.success), default=0.0)
        failures = sum(values(task.failures, task.failed))
        since = max(success, min(values(STARTED), default=now))
        if failures and not success:
            problems.append(f"its {task.what} has failed {failures:.0f} times and never succeeded since it was started ({task.failures})")
        elif task.within and (success or not task.optional) and now - since > task.within * 3600:
            problems.append(f"its {task.what} has not succeeded for {(now - since) / 3600:.0f} hours ({task.success})")
    return problems
