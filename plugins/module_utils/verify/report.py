"""The report of the verification as lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_RESULTS = {"ok": "ok", "failed": "FAILED", "not tested": "not tested"}
_HEADER = ("connection", "result", "depth", "seconds")
# What is shown in a cell where there is nothing to say.
_NOTHING = "-"

Row = Mapping[str, Any]


def summary(rows: Sequence[Row]) -> dict[str, int]:
    """Return how many rows ended how."""
    statuses = [row["status"] for row in rows]
    return {status: statuses.count(status) for status in _RESULTS}


def shown(rows: Sequence[Row], depth: str, versions: Mapping[str, str]) -> list[str]:
    """Return what a run prints: the table (of the failed rows only, when there are some), and how many ended how.

    `versions` are the components that run in another version than versions.yml names, each with that version: a line each at the end.
    """
    counts = summary(rows)
    said = [row for row in rows if row["status"] == "failed"] or rows
    others = [f"not the version of versions.yml: {component} is {version}" for component, version in sorted(versions.items())]
    return [*table(said), f"{in_words(counts)}, verify_depth: {depth}", *others]


def in_words(counts: Mapping[str, int]) -> str:
    """Return a summary as text: "30 ok, 1 failed, 2 not tested"."""
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def table(rows: Sequence[Row]) -> list[str]:
    """Return rows as aligned text below a header: connection, result, depth, seconds; what was sent and read back, or the reason."""
    cells = [
        (
            str(row["connection"]),
            _RESULTS[row["status"]],
            row["depth"] or _NOTHING,
            _NOTHING if row["seconds"] is None else f"{row['seconds']:.1f}",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (_HEADER, *cells)) for column in range(len(_HEADER))]
    texts = ["what was sent -> where it was read back", *(_text(row) for row in rows)]
    return [
        "  ".join((*(f"{cell:{width}}" for cell, width in zip(line[:-1], widths, strict=False)), f"{line[-1]:>{widths[-1]}}", text))
        for line, text in zip((_HEADER, *cells), texts, strict=True)
    ]


def _text(row: Row) -> str:
    """Return what a row says: for one that is ok the way, for another one the reason."""
    return str(row["detail"]) if row["status"] != "ok" else " -> ".join(text for text in (row["sent"], row["read_back"]) if text)
