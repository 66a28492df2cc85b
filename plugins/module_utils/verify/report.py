"""The report of the verification as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_RESULTS = {"ok": "ok", "failed": "FAILED", "not tested": "not tested"}


def verify_table(rows: Sequence[Mapping[str, Any]], versions: Mapping[str, str] | None = None) -> list[str]:
    """Return the report as lines of aligned text: connection, result, seconds, and below each what was sent, read back, and the detail.

    `versions` are the components that run in another version than versions.yml names, each with that version: a line each at the end.
    """
    header = ("connection", "result", "seconds")
    cells = [(str(row["connection"]), _RESULTS[row["status"]], "" if row["seconds"] is None else f"{row['seconds']:.1f}") for row in rows]
    widths = [max(len(line[column]) for line in (header, *cells)) for column in range(3)]
    lines = [f"{header[0]:{widths[0]}}  {header[1]:{widths[1]}}  {header[2]:>{widths[2]}}  what was sent -> where it was read back"]
    for row, (connection, result, seconds) in zip(rows, cells, strict=True):
        detail = row["detail"] if row["status"] != "ok" else " -> ".join(text for text in (row["sent"], row["read_back"]) if text)
        lines.append(f"{connection:{widths[0]}}  {result:{widths[1]}}  {seconds:>{widths[2]}}  {detail}")
    return lines + [f"not the version of versions.yml: {component} is {version}" for component, version in sorted((versions or {}).items())]
