"""Counting what the stores hold against what was sent: pure functions, without a cluster.

A run is cut into windows, one per fault, without a gap between them: every event falls into exactly one of them.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.failover.results import LOST_PER_KILL, QUERIES, SCRAPE, STORES, Result, Run, UnexpectedDataError, Window, expected

# How much earlier than a whole interval a scrape may come, as a part of it: timers are late on a busy machine.
_JITTER = 0.02


def copies(run: Run, samples: Sequence[tuple[int, float]], where: str) -> Counter[int]:
    """Return how often each event is among `samples`: (Unix milliseconds, number). Raises UnexpectedDataError when one was never sent."""
    found: Counter[int] = Counter()
    for time, value in samples:
        number = int(value)
        if not 1 <= number <= run.last or number != value or time != run.time(number):
            raise UnexpectedDataError(f"{where} has the value {value:g} at {time / 1000:.3f}, which was never sent")
        found[number] += 1
    return found


def _by_window(windows: Sequence[Window], number: int) -> int:
    return max(bisect_right([window.first for window in windows], number) - 1, 0)


def events(path: str, run: Run, windows: Sequence[Window], stored: Mapping[int, int]) -> list[Result]:
    """Return the results of a path whose events the store holds one by one; `stored`: number -> copies.

    `stored` counts numbers that are there at least once and `duplicated` the copies beyond the first: sent = stored + lost.
    `longest_gap_seconds` is the longest time between two events that are stored, in the window of the first event missing between them.
    """
    sent, there, more = Counter[int](), Counter[int](), Counter[int]()
    gaps = [0] * len(windows)
    for number in range(1, run.last + 1):
        window = _by_window(windows, number)
        sent[window] += 1
        there[window] += stored.get(number, 0) > 0
        more[window] += max(stored.get(number, 0) - 1, 0)
    present = sorted(number for number, count in stored.items() if count > 0)
    for before, after in itertools.pairwise([0, *present, run.last + 1]):
        window = _by_window(windows, min(before + 1, run.last))
        gaps[window] = max(gaps[window], (after - before) * run.interval)
    return [
        Result(
            path=path,
            fault=window.fault,
            store=STORES[path],
            status="ok",
            sent=sent[index],
            stored=there[index],
            lost=sent[index] - there[index],
            duplicated=more[index],
            longest_gap_seconds=gaps[index] / 1000,
        )
        for index, window in enumerate(windows)
    ]


def scrapes_lost(gap: float, interval: float) -> int:
    """Return how many scrapes are missing between two samples: whole scrape intervals without one, beyond the one that is always there.

    Both replicas scrape once per interval, but at different moments of it. After an election two samples are therefore up to (not quite)
    two intervals apart although no scrape is missing, and that counts as none.
    """
    return max(math.floor(gap / interval + _JITTER) - 1, 0)


def scrapes(run: Run, windows: Sequence[Window], times: Sequence[int], interval: int, end: int) -> list[Result]:
    """Return the results of the scraped series: `times` of its samples, the scrape `interval` and the `end` of the run, in milliseconds.

    Here the events are scrapes. `duplicated`: samples less than half an interval after the one before. An election may bring one, a tracker
    that keeps both replicas one per interval. `sent` follows: sent = stored + lost - duplicated, the scrapes that were due.
    """
    there, lost, more = Counter[int](), Counter[int](), Counter[int]()
    gaps = [0] * len(windows)

    def window_at(time: int) -> int:
        return _by_window(windows, (time - run.start) // run.interval + 1)

    ordered = sorted(times)
    for time in ordered:
        there[window_at(time)] += 1
    # Nothing at all: then everything from the beginning is missing.
    for before, after in itertools.pairwise([*(ordered or [run.start]), end]):
        # The window in which the next scrape was due.
        window = window_at(min(before + interval, end))
        final = after == end
        if not final:
            gaps[window] = max(gaps[window], after - before)
            more[window_at(after)] += after - before < interval / 2
        lost[window] += scrapes_lost(after - before, interval)
    return [
        Result(
            path=SCRAPE,
            fault=window.fault,
            store=STORES[SCRAPE],
            status="ok",
            sent=there[index] - more[index] + lost[index],
            stored=there[index] - more[index],
            lost=lost[index],
            duplicated=more[index],
            longest_gap_seconds=gaps[index] / 1000,
            scrapes_lost=lost[index],
        )
        for index, window in enumerate(windows)
    ]


def queries(run: Run, windows: Sequence[Window], path: str, first: int, failed: Mapping[int, str]) -> list[Result]:
    """Return the results of the queries to one store, one for every second event; `failed`: number of the event -> reason.

    They count from the `first` that was answered with data, 0 when none was. `longest_outage_seconds` is the longest time in which none of
    those that were sent was answered, in the window of the first of them. `detail` has the first reason.
    """
    step = 2
    asked, wrong, longest = Counter[int](), Counter[int](), Counter[int]()
    reasons: dict[int, str] = {}
    row = 0
    for number in range(first or run.last + 1, run.last + 1, step):
        window = _by_window(windows, number)
        asked[window] += 1
        row = row + 1 if number in failed else 0
        if row:
            wrong[window] += 1
            reasons.setdefault(window, failed[number])
            began = _by_window(windows, number - (row - 1) * step)
            longest[began] = max(longest[began], row * step * run.interval)
    return [
        Result(
            path=path,
            fault=window.fault,
            store=QUERIES[path],
            status="ok",
            requests=asked[index],
            failed=wrong[index],
            longest_outage_seconds=longest[index] / 1000,
            detail=reasons.get(index, ""),
        )
        for index, window in enumerate(windows)
    ]


@dataclass(frozen=True)
class Cost:
    """What a fault took: `seconds_behind` from the last line written until Loki had all that it ever got, and Alloy's part of it."""

    seconds_behind: float
    cpu_seconds: float
    peak_memory: float


def copies_of_lines(lines: int, numbers: Iterable[int], where: str) -> bytearray:
    """Return how often each of the lines 1 to `lines` is among `numbers`; 255 stands for more.

    Raises UnexpectedDataError for any other number.
    """
    found = bytearray(lines + 1)
    for number in numbers:
        if not 1 <= number <= lines:
            raise UnexpectedDataError(f"{where} has a line with the number {number}, which was never written")
        found[number] = min(found[number] + 1, 255)
    return found


def gaps(copies: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and the last number of each run of lines that are missing, of lines 1 to len(copies) - 1."""
    found: list[tuple[int, int]] = []
    for number in range(1, len(copies)):
        if copies[number]:
            continue
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


# How many gaps the detail names.
_GAPS = 3


def log_lines(path: str, fault: str, stored: Mapping[str, Sequence[int]], length: int, kills: int, cost: Cost) -> Result:
    """Return the result, with its status, of lines of `length` bytes that some pods have written; `stored`: pod -> see `copies_of_lines`.

    `duplicated` counts the copies in Loki beyond the first. Nothing may be lost; with `kills` of Alloy, at most LOST_PER_KILL for each.
    """
    sent = sum(len(copies) - 1 for copies in stored.values())
    there = sum(1 for copies in stored.values() for count in copies[1:] if count)
    total = sum(sum(copies[1:]) for copies in stored.values())
    missing = [f"{pod} {first}-{last}" for pod, copies in stored.items() for first, last in gaps(copies)]
    megabytes = sent * length / 1e6
    limit = LOST_PER_KILL * kills
    lost = sent - there
    problems = []
    if lost > limit:
        shown = ", ".join(missing[:_GAPS]) + (f" and {len(missing) - _GAPS} more" if len(missing) > _GAPS else "")
        problems.append(f"{lost} lost, expected: {expected(limit)} (missing: {shown})")
    if not sent:
        problems.append("nothing was sent")
    return Result(
        path=path,
        fault=fault,
        store="loki",
        status="failed" if problems else "ok",
        sent=sent,
        stored=there,
        lost=lost,
        duplicated=total - there,
        megabytes=round(megabytes, 1),
        kills=kills or None,
        seconds_behind=round(cost.seconds_behind, 1),
        cpu_seconds_per_megabyte=round(cost.cpu_seconds / max(megabytes, 1e-9), 4),
        peak_memory_megabytes=round(cost.peak_memory / 1e6),
        detail="; ".join(problems),
    )


def replicas_differ(windows: Sequence[Window], replicas: Sequence[Mapping[int, int]]) -> list[int]:
    """Return, per window, how many events are not in every Prometheus replica equally often."""
    differ = [0] * len(windows)
    for number in set().union(*replicas):
        differ[_by_window(windows, number)] += len({replica.get(number, 0) for replica in replicas}) > 1
    return differ


def with_differing(result: Result, count: int) -> Result:
    """Return the result with how many of its events the Prometheus replicas do not have alike."""
    return dataclasses.replace(result, replicas_differ=count)
