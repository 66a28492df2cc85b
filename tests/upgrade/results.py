"""What the upgrade test records, and when a row of its report is a failure: pure functions."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# Of a lost node, requests may fail until Kubernetes has noticed. But the replicas on the others answer: seconds without any good answer.
NODE_LOSS_OUTAGE = 15.0
# Without a request nothing was measured.
_FEWEST = 10


@dataclass(frozen=True)
class Request:
    """One request: over a connection that is kept or not, its start in Unix seconds, and what was wrong with its answer."""

    component: str
    kept: bool
    start: float
    seconds: float
    error: str

    @property
    def end(self) -> float:
        """When the answer was there, or the failure certain."""
        return self.start + self.seconds


@dataclass(frozen=True)
class Data:
    """What became of the events of a component's data paths. `scrapes_lost` may be `scrapes_allowed`."""

    lost: int = 0
    duplicated: int = 0
    scrapes_lost: int | None = None
    scrapes_allowed: int = 0


@dataclass(frozen=True)
class Row:
    """A component during an event.

    `replicas`: how many it has in the profile, 0 where they are not the stack's. Figures are None without a measurement.
    """

    profile: str
    component: str
    event: str
    status: str
    replicas: int = 0
    requests: int | None = None
    failed: int | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    longest_outage_ms: float | None = None
    lost: int | None = None
    duplicated: int | None = None
    scrapes_lost: int | None = None
    note: str = ""
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the row as the report has it."""
        found = dataclasses.asdict(self)
        if self.scrapes_lost is None:
            del found["scrapes_lost"]
        return found


@dataclass(frozen=True)
class Rules:
    """What is allowed in an event: `node_lost`, or a negative control, in which requests to `control` have to fail."""

    node_lost: bool = False
    control: str = ""


def percentile(values: Sequence[float], part: float) -> float:
    """Return the smallest value that at least this part of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(part * len(ordered)) - 1, 0)]


def longest_outage(requests: Iterable[Request]) -> float:
    """Return the longest time in seconds from one good answer to the next, of those with a failure between them.

    Without a good answer on one side it is counted from the start of the first failure, or to the end of the last.
    """
    longest, good, failed_since, last = 0.0, 0.0, 0.0, 0.0
    for request in sorted(requests, key=lambda request: request.end):
        if request.error:
            failed_since, last = failed_since or request.start, request.end
        else:
            if failed_since:
                longest = max(longest, request.end - (good or failed_since))
            good, failed_since = request.end, 0.0
    if failed_since:
        longest = max(longest, last - (good or failed_since))
    return longest


def reasons(requests: Iterable[Request], most: int = 3) -> str:
    """Return the most frequent errors, each with how often it came and over which kind of connection."""
    counted = Counter((request.error, request.kept) for request in requests if request.error)
    return "; ".join(f"{count}x {error} ({'kept' if kept else 'new'} connection)" for (error, kept), count in counted.most_common(most))


def measured(row: Row, requests: Sequence[Request]) -> Row:
    """Return the row with the figures of its requests; of the durations only those of good answers count."""
    good = [request.seconds for request in requests if not request.error]
    return dataclasses.replace(
        row,
        requests=len(requests),
        failed=len(requests) - len(good),
        p50_ms=round(percentile(good, 0.5) * 1000, 1) if good else None,
        p99_ms=round(percentile(good, 0.99) * 1000, 1) if good else None,
        longest_outage_ms=round(longest_outage(requests) * 1000),
        detail=reasons(requests),
    )


def judge(row: Row, data: Data | None, rules: Rules, problem: str = "") -> Row:
    """Return the row with its data and its status.

    `ok`, `failed`, `outage` (failures that are allowed: of a single replica, or of a lost node) or `control`: what a negative control had
    to show. `problem`: why the event did not end well.
    """
    if data is not None:
        row = dataclasses.replace(row, lost=data.lost, duplicated=data.duplicated, scrapes_lost=data.scrapes_lost)
    problems, status = [*([problem] if problem else []), *_problems(row, data, rules)], "ok"
    if (row.failed or row.lost) and not problems:
        status = "control" if rules.control else "outage"
    detail = "; ".join([*problems, *([row.detail] if row.detail else [])])
    return dataclasses.replace(row, status="failed" if problems else status, detail=detail)


def _problems(row: Row, data: Data | None, rules: Rules) -> Iterable[str]:
    if row.requests is not None and row.requests < _FEWEST:
        yield f"only {row.requests} requests: nothing was measured"
    if rules.control:
        # What else it breaks is what makes it unsafe.
        if rules.control == row.component and not row.failed:
            yield "negative control: no request failed, so the client does not see an outage"
        return
    if rules.node_lost:
        if row.replicas > 1 and (row.longest_outage_ms or 0) > NODE_LOSS_OUTAGE * 1000:
            yield f"no good answer for {(row.longest_outage_ms or 0) / 1000:.1f} s, expected: at most {NODE_LOSS_OUTAGE:.0f} s"
    elif row.failed and row.replicas != 1:
        yield f"{row.failed} requests failed, expected: none with {row.replicas} replicas"
    if data is not None and data.lost:
        yield f"{data.lost} lost, expected: none"
    if data is not None and (data.scrapes_lost or 0) > data.scrapes_allowed:
        yield f"{data.scrapes_lost} scrapes lost, expected: at most {data.scrapes_allowed}"


def not_tested(profile: str, component: str, event: str, reason: str) -> Row:
    """Return the row of what could not be tested here."""
    return Row(profile, component, event, "not tested", detail=reason)
