"""The reports of the upgrade test: JSON for programs, tables for people and for the documentation.

What somebody does on purpose, and what nobody does, are reports of their own: in the first one no request of a component with several
replicas may fail.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue

from tests.upgrade.results import Row
from tools import reports

CHANGES, FAULTS = "upgrade.json", "upgrade-faults.json"
# Events of the second report.
_FAULTS = ("node-loss-*", "control")
BEGIN, END = "<!-- measured: make upgrade-test, then python -m tests.upgrade --page -->\n", "<!-- end of the measurements -->"


def is_fault(event: str) -> bool:
    """Whether an event is none that somebody wants."""
    return any(fnmatch.fnmatch(event, pattern) for pattern in _FAULTS)


def merged(before: Sequence[dict[str, Any]], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows of a report with new ones in place of those of the same profile, event and component."""
    new = {(row.profile, row.event, row.component) for row in rows}
    return [row for row in before if (row["profile"], row["event"], row["component"]) not in new] + [row.to_dict() for row in rows]


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a report; none without it."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return found


def write(directory: Path, rows: Sequence[Row]) -> None:
    """Put the rows into their reports, each completely or not at all; what other runs have measured stays in it."""
    for name in (CHANGES, FAULTS):
        mine = [row for row in rows if is_fault(row.event) == (name == FAULTS)]
        reports.write(directory / name, merged(read(directory / name), mine))


_HEAD = ("profile", "event", "component", "requests", "failed", "p50", "p99", "longest outage", "lost", "duplicated", "", "")


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table; what was not tested follows, one line per reason."""
    cells = [_HEAD, *(_cells(row) for row in rows if row.status != "not tested")]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    align = [str.ljust] * 3 + [str.rjust] * 7 + [str.ljust] * 2
    lines = ["  ".join(place(cell, width) for place, cell, width in zip(align, line, widths, strict=True)).rstrip() for line in cells]
    skipped: dict[str, list[str]] = {}
    for row in rows:
        if row.status == "not tested":
            skipped.setdefault(row.detail, []).append(f"{row.event} of {row.component}" if row.component else row.event)
    lines += [f"not tested: {', '.join(names)} ({reason})" for reason, names in skipped.items()]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    def number(value: float | None, unit: str = "") -> str:
        return "" if value is None else f"{value:g}{unit}"

    return (
        row.profile, row.event, row.component, number(row.requests), number(row.failed),
        number(row.p50_ms, " ms"), number(row.p99_ms, " ms"),
        "" if row.longest_outage_ms is None else f"{row.longest_outage_ms / 1000:.1f} s",
        number(row.lost), number(row.duplicated), row.status, row.detail,
    )  # fmt: skip


def summary(rows: Sequence[Row]) -> str:
    """Return how many requests there were, and how many rows passed, failed and were not tested."""
    failed = sum(row.status == "failed" for row in rows)
    tested = sum(row.status != "not tested" for row in rows)
    requests = sum(row.requests or 0 for row in rows)
    return f"{requests} requests; {tested - failed} passed, {failed} failed, {len(rows) - tested} not tested"


def figures(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the rows of reports as a table in Markdown, with one line for each profile and event."""
    events: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["requests"] is not None or row["lost"] is not None:
            events.setdefault((row["profile"], row["event"]), []).append(row)
    heads = (
        "Profile",
        "Event",
        "Requests",
        "Failed, of several replicas",
        "Longest time without a good answer",
        "99 of 100 within",
        "Lost",
        "Duplicated",
    )
    lines = [heads, *((f"`{profile}`", f"`{event}`", *_figures(found)) for (profile, event), found in events.items())]
    text = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([text[0], "|---" * len(heads) + "|", *text[1:], ""])


def _figures(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the cells of one event: sums over its components, the outage of each that had one, the slowest."""
    yield str(_sum(rows, "requests"))
    yield str(_sum((row for row in rows if row["replicas"] > 1), "failed"))
    yield ", ".join(f"{catalogue.title(row['component'])} {row['longest_outage_ms'] / 1000:.1f} s" for row in rows if row["failed"])
    yield f"{max((row['p99_ms'] or 0 for row in rows), default=0) / 1000:.2f} s"
    yield str(_sum(rows, "lost"))
    yield str(_sum(rows, "duplicated"))


def _sum(rows: Iterable[Mapping[str, Any]], name: str) -> int:
    return sum(row[name] or 0 for row in rows)
