"""The report of the upgrade test: JSON for programs, a table for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.upgrade.results import Row


def merged(before: Sequence[dict[str, Any]], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows of a report with new ones in place of those of the same profile, event and component."""
    new = {(row.profile, row.event, row.component) for row in rows}
    return [row for row in before if (row["profile"], row["event"], row["component"]) not in new] + [row.to_dict() for row in rows]


def write(path: Path, rows: Sequence[Row]) -> None:
    """Put the rows into a report, completely or not at all; what other runs have measured stays in it."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(json.dumps(merged(before, rows), indent=2) + "\n", encoding="utf-8")
    draft.rename(path)


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
