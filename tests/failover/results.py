"""What a failover run records, and when a result is a failure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

SCRAPE = "scrape"
PUSHED_METRICS = ("otlp-metrics-grpc", "otlp-metrics-http", "remote-write")
TAILED_LOGS = "stdout-logs"
OTLP_LOGS = "otlp-logs"
# Lines in the files of containers that write a lot (see log_faults).
LOG_FILES = "log-files"
# Lines that a killed Alloy may lose: it records how far it has read before it passes on its last batch.
LOST_PER_KILL = 100
# Metrics in Mimir and in each Prometheus replica, logs in Loki.
STORES = {SCRAPE: "mimir", **dict.fromkeys(PUSHED_METRICS, "mimir"), TAILED_LOGS: "loki", OTLP_LOGS: "loki"}
# Duplicates that an election may leave in the scraped series: one when the replica changes, one when it changes back.
_ELECTION_DUPLICATES = 2


class UnexpectedDataError(Exception):
    """A store holds what was never sent; the text is for people."""


@dataclass(frozen=True)
class Run:
    """The events of one generator: number 1 at `start`, one more after each `interval`, up to `last`. Unix milliseconds."""

    identifier: str
    start: int
    interval: int
    last: int

    def time(self, number: int) -> int:
        """Return when an event was due."""
        return self.start + (number - 1) * self.interval


@dataclass(frozen=True)
class Window:
    """The part of a run that belongs to one fault: from event `first` to the first one of the next window.

    `elected_deaths`: how often the fault ended the Prometheus replica whose scrapes Mimir kept.
    """

    fault: str
    first: int
    elected_deaths: int = 0


@dataclass(frozen=True)
class Result:
    """One row of the report: a path during a fault, as the store has it. Figures are None when the row was not tested."""

    path: str
    fault: str
    store: str
    status: str
    sent: int | None = None
    stored: int | None = None
    lost: int | None = None
    duplicated: int | None = None
    longest_gap_seconds: float | None = None
    scrapes_lost: int | None = None
    replicas_differ: int | None = None
    megabytes: float | None = None
    kills: int | None = None
    seconds_behind: float | None = None
    cpu_seconds_per_megabyte: float | None = None
    peak_memory_megabytes: float | None = None
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the row as the report has it: figures of some paths only where they mean something."""
        optional = (
            "scrapes_lost", "replicas_differ", "megabytes", "kills", "seconds_behind", "cpu_seconds_per_megabyte", "peak_memory_megabytes",
        )  # fmt: skip
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None or key not in optional}


def not_tested(path: str, fault: str, reason: str) -> Result:
    """Return the row of a path that could not be tested here."""
    return Result(path, fault, STORES.get(path, "loki"), "not tested", detail=reason)


def limits(path: str, elected_deaths: int) -> dict[str, tuple[str, int]]:
    """Return, for a path, the figures of a result that are limited: name in the result -> (text of the message, limit).

    Pushed metrics and OTLP logs: nothing lost, nothing duplicated, the same in every Prometheus replica. Tailed logs: nothing lost. Scraped
    series: at most one scrape lost for each time that the elected replica ended.
    """
    if path == SCRAPE:
        return {"scrapes_lost": ("scrapes lost", elected_deaths), "duplicated": ("duplicated", _ELECTION_DUPLICATES)}
    found = {"lost": ("lost", 0), "replicas_differ": ("not the same in every Prometheus replica", 0)}
    return found if path == TAILED_LOGS else {**found, "duplicated": ("duplicated", 0)}


def judge(result: Result, window: Window) -> Result:
    """Return the result with the limits that it exceeds: `status` is `failed` then, and `detail` says why."""
    problems = []
    for name, (text, limit) in limits(result.path, window.elected_deaths).items():
        figure = getattr(result, name)
        if figure is not None and figure > limit:
            problems.append(f"{figure} {text}, expected: {expected(limit)}")
    if result.sent == 0:
        problems.append("nothing was sent")
    return dataclasses.replace(result, status="failed", detail="; ".join(problems)) if problems else result


def expected(limit: int) -> str:
    """Return a limit in words."""
    return f"at most {limit}" if limit else "none"
