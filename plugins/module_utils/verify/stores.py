"""Reading back: Prometheus' query API (Mimir has the same), Loki's, and the counters that a component shows about itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..cluster import Answer, ClusterError, Query

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
    try:
        result: list[dict[str, object]] = answer.json()["data"]["result"]
    except (KeyError, TypeError, ClusterError) as error:
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
        for time, text, *_metadata in entry["values"]  # type: ignore[attr-defined]
    ]


@dataclass(frozen=True)
class Metrics:
    """A store of metrics: `name` for messages, and a function for requests to its `/api/v1`."""

    name: str
    ask: Ask

    def query(self, expression: str) -> list[Series]:
        """Return what an instant query gives now."""
        return series(self.ask("/api/v1/query", [("query", expression)]), self.name)


@dataclass(frozen=True)
class Logs:
    """A store of logs: `name` for messages, and a function for requests."""

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
