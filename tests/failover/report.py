"""The report of a failover run: JSON for programs, a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.failover.results import Result
from tools import reports


def path(directory: Path, profile: str) -> Path:
    """Return the report of a profile; each has its own."""
    return directory / ("failover.json" if profile == "single" else f"failover-{profile}.json")


def write(path: Path, profile: str, results: Sequence[Result]) -> None:
    """Write the results as a JSON list, completely or not at all."""
    reports.write(path, [{"profile": profile, **result.to_dict()} for result in results])


def table(results: Sequence[Result]) -> str:
    """Return the results as a table; the paths and the faults that were not tested follow, one line per reason."""
    tested = [row for row in results if row.status != "not tested"]
    kinds = {kind: [row for row in tested if _kind(row) == kind] for kind in ("events", "queries", "uploads", "files")}
    tables = []
    if kinds["events"] or not tested:
        head: tuple[str, ...] = ("fault", "path", "sent", "stored", "lost", "duplicated", "longest gap", "", "")
        rows = [(row.fault, row.path, *_counts(row), f"{row.longest_gap_seconds:.1f} s", row.status, row.detail) for row in kinds["events"]]
        tables.append(_aligned(head, rows))
    if kinds["queries"]:
        head = ("fault", "path", "requests", "failed", "longest outage", "", "")
        rows = [
            (row.fault, row.path, str(row.requests), str(row.failed), f"{row.longest_outage_seconds:.1f} s", row.status, row.detail)
            for row in kinds["queries"]
        ]
        tables.append(_aligned(head, rows))
    if kinds["uploads"]:
        head = ("fault", "path", "waiting", "uploaded", "lost", "duplicated", "behind", "", "")
        rows = [(row.fault, row.path, *_counts(row), f"{row.seconds_behind:.0f} s", row.status, row.detail) for row in kinds["uploads"]]
        tables.append(_aligned(head, rows))
    if kinds["files"]:
        head = ("fault", "path", "sent", "stored", "lost", "duplicated", "MB", "behind", "CPU s per 100 MB", "peak memory", "", "")
        rows = [(row.fault, row.path, *_counts(row), *_costs(row), row.status, row.detail) for row in kinds["files"]]
        tables.append(_aligned(head, rows))
    lines = [text for table in tables for text in (*table, "")][:-1]
    faults = {row.fault for row in tested}
    skipped: dict[str, dict[str, None]] = {}
    for row in results:
        if row.status == "not tested":
            skipped.setdefault(row.detail, {})[row.path if row.fault in faults else row.fault] = None
    lines += [f"not tested: {', '.join(names)} ({reason})" for reason, names in skipped.items()]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def summary(results: Sequence[Result]) -> str:
    """Return how many results passed, failed and were not tested."""
    failed = sum(row.status == "failed" for row in results)
    tested = sum(row.status != "not tested" for row in results)
    return f"{tested - failed} passed, {failed} failed, {len(results) - tested} not tested"


def _kind(row: Result) -> str:
    """Return in which table a row is, by the figures that it has."""
    if row.longest_gap_seconds is not None:
        return "events"
    if row.requests is not None:
        return "queries"
    return "uploads" if row.megabytes is None else "files"


def _counts(row: Result) -> tuple[str, ...]:
    return (str(row.sent), str(row.stored), str(row.lost), str(row.duplicated))


def _costs(row: Result) -> tuple[str, ...]:
    cpu = 100 * (row.cpu_seconds_per_megabyte or 0)
    return (f"{row.megabytes:.0f}", f"{row.seconds_behind:.0f} s", f"{cpu:.1f}", f"{row.peak_memory_megabytes:.0f} MB")


def _aligned(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table: two columns of text, figures, and two columns of text again."""
    every = [head, *rows]
    widths = [max(len(row[column]) for row in every) for column in range(len(head))]
    figures = range(2, len(head) - 2)
    align = [str.rjust if column in figures else str.ljust for column in range(len(head))]
    return ["  ".join(place(cell, width) for place, cell, width in zip(align, row, widths, strict=True)) for row in every]
