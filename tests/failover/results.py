"""What a failover run records, and when a result is a failure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
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
# Answers of the stores to queries during the faults, over connections that are kept and over new ones; and what the stores had to keep
# while their object storage was unavailable.
QUERIES = {f"{store}-queries-{connections}": store for store in ("mimir", "prometheus", "loki") for connections in ("kept", "new")}
UPLOADS = {"mimir": "blocks", "loki": "chunks"}
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

    `elected_deaths`: how often the fault ended the Prometheus replica whose scrapes Mimir kept. `outage`: for how many seconds queries may
    fail; 0 for none of them, None for any time.
    """

    fault: str
    first: int
    elected_deaths: int = 0
    outage: float | None = None


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
    requests: int | None = None
    failed: int | None = None
    longest_outage_seconds: float | None = None
    megabytes: float | None = None
    kills: int | None = None
    seconds_behind: float | None = None
    cpu_seconds_per_megabyte: float | None = None
    peak_memory_megabytes: float | None = None
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the row as the report has it: figures of some paths only where they mean something."""
        optional = (
            "scrapes_lost", "replicas_differ", "requests", "failed", "longest_outage_seconds",
            "megabytes", "kills", "seconds_behind", "cpu_seconds_per_megabyte", "peak_memory_megabytes",
        )  # fmt: skip
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None or key not in optional}


@dataclass(frozen=True)
class Effects:
    """What a fault did: how often the elected Prometheus replica ended, and rows of the report that only this fault has."""

    elected_deaths: int = 0
    rows: tuple[Result, ...] = ()


def not_tested(path: str, fault: str, reason: str) -> Result:
    """Return the row of a path that could not be tested here."""
    return Result(path, fault, STORES.get(path, "loki"), "not tested", detail=reason)


def _queries(result: Result, outage: float | None) -> Iterator[str]:
    """Give what is wrong with the answers to queries; `outage` as in a Window."""
    if not result.requests:
        yield "no query was answered"
    elif outage == 0 and result.failed:
        yield f"{result.failed} failed, expected: none"
    elif outage is not None and (result.longest_outage_seconds or 0) > outage:
        yield f"no answer for {result.longest_outage_seconds:.1f} s, expected: at most {outage:g} s"


def limits(path: str, elected_deaths: int) -> dict[str, tuple[str, int]]:
    """Return, for a path, the figures of a result that are limited: name in the result -> (text of the message, limit).

    Pushed metrics and OTLP logs: nothing lost, nothing duplicated, the same in every Prometheus replica. Tailed logs: nothing lost. Scraped
    series: at most one scrape lost for each time that the elected replica ended. Blocks and chunks: all uploaded.
    """
    if path == SCRAPE:
        return {"scrapes_lost": ("scrapes lost", elected_deaths), "duplicated": ("duplicated", _ELECTION_DUPLICATES)}
    if path in UPLOADS.values():
        return {"lost": ("not uploaded", 0)}
    found = {"lost": ("lost", 0), "replicas_differ": ("not the same in every Prometheus replica", 0)}
    return found if path == TAILED_LOGS else {**found, "duplicated": ("duplicated", 0)}


def judge(result: Result, window: Window) -> Result:
    """Return the result with the limits that it exceeds: `status` is `failed` then, and `detail` says why."""
    problems = list(_queries(result, window.outage) if result.path in QUERIES else _counts(result, window.elected_deaths))
    # Of a failed query the reason is there already.
    detail = "; ".join([*problems, *filter(None, [result.detail])])
    return dataclasses.replace(result, status="failed" if problems else result.status, detail=detail)


def _counts(result: Result, elected_deaths: int) -> Iterator[str]:
    for name, (text, limit) in limits(result.path, elected_deaths).items():
        figure = getattr(result, name)
        if figure is not None and figure > limit:
            yield f"{figure} {text}, expected: {expected(limit)}"
    if result.sent == 0:
        yield "nothing was sent"


def expected(limit: int) -> str:
    """Return a limit in words."""
    return f"at most {limit}" if limit else "none"
