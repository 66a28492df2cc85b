"""Reading back: Prometheus' query API (Mimir has the same), Loki's, and the counters that a component shows about itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .cluster import Answer, ClusterError, Query

# Asks a path of one store.
Ask = Callable[[str, Query], Answer]

_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)", re.MULTILINE)
_PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Series:
    """One series of an answer: its labels, and its samples as (Unix milliseconds, value)."""

    labels: Mapping[str, str]
    samples: tuple[tuple[int, float], ...]


def _data(answer: Answer, where: str) -> list[dict[str, object]]:
    if answer.status != 200:
        raise ClusterError(f"{where} does not answer a query: {answer.excerpt()}")
    body = answer.json()
    try:
        result: list[dict[str, object]] = body["data"]["result"]
    except (KeyError, TypeError) as error:
        raise ClusterError(f"{where} does not answer as a query API does: {answer.excerpt()}") from error
    return result


def series(answer: Answer, where: str) -> list[Series]:
    """Return the series in an answer of `/api/v1/query`, a vector or a matrix. Raises ClusterError, naming `where`, when it is none."""
    found = []
    for entry in _data(answer, where):
        values = entry["values"] if "values" in entry else [entry["value"]]
        samples = tuple((round(float(time) * 1000), float(value)) for time, value in values)  # type: ignore[attr-defined]
        found.append(Series(dict(entry["metric"]), samples))  # type: ignore[call-overload]
    return found


def lines(answer: Answer, where: str) -> list[str]:
    """Return the log lines in an answer of Loki's `/loki/api/v1/query_range`. Raises ClusterError, naming `where`, when it is none."""
    return [value[1] for entry in _data(answer, where) for value in entry["values"]]  # type: ignore[attr-defined]


def entries(answer: Answer, where: str, label: str) -> list[tuple[int, str, str]]:
    """Return such an answer's lines as (Unix nanoseconds, value of a label of the stream, line)."""
    return [
        (int(time), str(entry["stream"].get(label, "")), str(text))  # type: ignore[attr-defined]
        for entry in _data(answer, where)
        for time, text, *_ in entry["values"]  # type: ignore[attr-defined]
    ]


@dataclass(frozen=True)
class Metrics:
    """A store of metrics: `name` for messages, and how to ask its `/api/v1`."""

    name: str
    ask: Ask

    def query(self, expression: str) -> list[Series]:
        """Return what an instant query gives now."""
        return series(self.ask("/api/v1/query", [("query", expression)]), self.name)


@dataclass(frozen=True)
class Logs:
    """A store of logs: `name` for messages, and how to ask it."""

    name: str
    ask: Ask

    def query(self, expression: str, since: float, limit: int = 5000) -> list[str]:
        """Return the lines that match from a Unix time in seconds until now, oldest first."""
        query = [("query", expression), ("start", str(int(since * 1e9))), ("limit", str(limit)), ("direction", "forward")]
        return lines(self.ask("/loki/api/v1/query_range", query), self.name)


Labels = tuple[tuple[str, str], ...]


def exposition(text: str, wanted: Iterable[str]) -> dict[tuple[str, Labels], float]:
    """Return the samples of the wanted metrics on a page in the Prometheus text format: (name, sorted labels) -> value."""
    names = {variant for name in wanted for variant in (name, name.removesuffix("_total"))}
    found: dict[tuple[str, Labels], float] = {}
    for name, labels, value in _SAMPLE.findall(text):
        if name in names:
            found[name, tuple(sorted(_PAIR.findall(labels)))] = float(value)
    return found


@dataclass(frozen=True)
class Duty:
    """Something that a store's compactor does again and again, so that old data goes: which, and the metrics that tell whether it succeeds.

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
DUTIES: dict[str, tuple[Duty, ...]] = {
    "loki": (
        Duty(
            "retention",
            "loki_compactor_apply_retention_last_successful_run_timestamp_seconds",
            "loki_compactor_apply_retention_operation_total",
            ("status", "failure"),
            within=3,
            optional=True,
        ),
        Duty(
            "compaction",
            "loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds",
            "loki_boltdb_shipper_compact_tables_operation_total",
            ("status", "failure"),
            within=3,
        ),
    ),
    "mimir": (
        Duty(
            "compaction",
            "cortex_compactor_last_successful_run_timestamp_seconds",
            "cortex_compactor_runs_failed_total",
            ("reason", "error"),
            within=24,
        ),
        Duty(
            "cleanup",
            "cortex_compactor_block_cleanup_last_successful_run_timestamp_seconds",
            "cortex_compactor_block_cleanup_failed_total",
            within=6,
        ),
        Duty("deletion of blocks", "cortex_compactor_blocks_cleaned_total", "cortex_compactor_block_cleanup_failures_total"),
    ),
}
DUTY_METRICS = {
    component: (STARTED, *(metric for duty in duties for metric in (duty.success, duty.failures))) for component, duties in DUTIES.items()
}


def neglected(duties: Sequence[Duty], page: Mapping[tuple[str, str, Labels], float], now: float) -> list[str]:
    """Return a sentence for each duty that has only failed so far, or that has not succeeded for too long.

    `page` has the metrics of all pods of a store: (pod, name, labels) -> value; one pod does the work for all of them. A store that is
    younger than a duty's `within`, and has not failed in it, is no problem: it may not have had its turn.
    """

    def values(name: str, label: tuple[str, str] | None = None) -> list[float]:
        return [value for (_, metric, labels), value in page.items() if metric == name and (label is None or label in labels)]

    problems = []
    for duty in duties:
        success = max(values(duty.success), default=0.0)
        failures = sum(values(duty.failures, duty.failed))
        since = max(success, min(values(STARTED), default=now))
        if failures and not success:
            problems.append(f"its {duty.what} has failed {failures:.0f} times and never succeeded since it was started ({duty.failures})")
        elif duty.within and (success or not duty.optional) and now - since > duty.within * 3600:
            problems.append(f"its {duty.what} has not succeeded for {(now - since) / 3600:.0f} hours ({duty.success})")
    return problems
