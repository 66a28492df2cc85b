"""When an answer is a good one: pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

# How old the latest data in an answer may be: what waits in a queue while its receiver restarts arrives within that time.
STALE = 120.0


def wrong(expects: str, status: int, body: bytes, run: Mapping[str, Any], now: float) -> str:
    """Return what is wrong with an answer, '' when nothing is.

    `expects` is `login` (401), or what the body has to hold: `metrics` or `logs` of the run. Of the `run` the time of its `start` and the
    `interval` of its events are given, in seconds.
    """
    if expects == "login":
        return "" if status == 401 else f"HTTP {status}, not 401"
    if status != 200:
        return f"HTTP {status}: {_start(body)}"
    try:
        return _CONTENT[expects](json.loads(body), run, now)
    except (ValueError, LookupError, TypeError):
        return f"not an answer of a query API: {_start(body)}"


def _start(body: bytes) -> str:
    """Return the first words of a body, without the tags of HTML."""
    return " ".join(re.sub(r"<[^>]*>", " ", body[:300].decode(errors="replace")).split())[:80]


def _metrics(answer: Mapping[str, Any], run: Mapping[str, Any], now: float) -> str:
    found = answer["data"]["result"]
    if len(found) != 1:
        return f"{len(found)} series instead of one"
    number = float(found[0]["value"][1])
    age = now - (run["start"] + (number - 1) * run["interval"])
    return _stale(age)


def _logs(answer: Mapping[str, Any], _run: Mapping[str, Any], now: float) -> str:
    times = [int(time) for stream in answer["data"]["result"] for time, *_ in stream["values"]]
    return _stale(now - max(times) / 1e9) if times else "no lines"


def _stale(age: float) -> str:
    return f"the latest data is {age:.0f} s old" if age > STALE else ""


_CONTENT: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any], float], str]] = {"metrics": _metrics, "logs": _logs}
