"""What was sent, what is stored, and what that says: pure functions, without a cluster.

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
from typing import Any

SCRAPE = "scrape"
PUSHED_METRICS = ("otlp-metrics-grpc", "otlp-metrics-http", "remote-write")
TAILED_LOGS = "stdout-logs"
OTLP_LOGS = "otlp-logs"
# Lines in the files of containers that have much to say (see log_faults).
LOG_FILES = "log-files"
# Lines that a killed Alloy may lose: it notes how far it has read before it hands on its last batch.
LOST_PER_KILL = 100
# Metrics in Mimir and in each Prometheus replica, logs in Loki.
STORES = {SCRAPE: "mimir", **dict.fromkeys(PUSHED_METRICS, "mimir"), TAILED_LOGS: "loki", OTLP_LOGS: "loki"}

# How much earlier than a whole interval a scrape may come, as a part of it: timers are late on a busy machine.
_JITTER = 0.02


class AccountError(Exception):
    """A store holds what nobody sent; the text is for people."""


@dataclass(frozen=True)
class Run:
    """The events of one generator: number 1 at `start`, one more after each `interval`, `last` is the last one. Unix milliseconds."""

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

    `elected_deaths`: how often the fault took away the Prometheus replica whose scrapes Mimir kept.
    """

    fault: str
    first: int
    elected_deaths: int = 0


@dataclass(frozen=True)
class Account:
    """One line of the report: a path during a fault, as the store has it. Figures are None when the line was not tested."""

    path: str
    fault: str
    store: str
    status: str
    sent: int | None = None
    stored: int | None = None
    lost: int | None = None
    doubled: int | None = None
    longest_gap_seconds: float | None = None
    scrapes_lost: int | None = None
    replicas_differ: int | None = None
    megabytes: float | None = None
    kills: int | None = None
    seconds_behind: float | None = None
    cpu_seconds_per_megabyte: float | None = None
    peak_memory_megabytes: float | None = None
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the line as the report has it: figures of some paths only where they mean something."""
        optional = (
            "scrapes_lost", "replicas_differ", "megabytes", "kills", "seconds_behind", "cpu_seconds_per_megabyte", "peak_memory_megabytes",
        )  # fmt: skip
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None or key not in optional}


def not_tested(path: str, fault: str, reason: str) -> Account:
    """Return the line of what could not be tested here."""
    return Account(path, fault, STORES.get(path, "loki"), "not tested", detail=reason)


def copies(run: Run, samples: Sequence[tuple[int, float]], where: str) -> Counter[int]:
    """Return how often each event is among `samples`: (Unix milliseconds, number). Raises AccountError when one was never sent."""
    found: Counter[int] = Counter()
    for time, value in samples:
        number = int(value)
        if not 1 <= number <= run.last or number != value or time != run.time(number):
            raise AccountError(f"{where} has the value {value:g} at {time / 1000:.3f}, which was never sent")
        found[number] += 1
    return found


def _by_window(windows: Sequence[Window], number: int) -> int:
    return max(bisect_right([window.first for window in windows], number) - 1, 0)


def events(path: str, run: Run, windows: Sequence[Window], stored: Mapping[int, int]) -> list[Account]:
    """Return the account of a path whose events the store holds one by one; `stored`: number -> copies.

    `stored` counts numbers that are there at least once and `doubled` the copies beyond the first: sent = stored + lost.
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
        Account(
            path=path,
            fault=window.fault,
            store=STORES[path],
            status="ok",
            sent=sent[index],
            stored=there[index],
            lost=sent[index] - there[index],
            doubled=more[index],
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


def scrapes(run: Run, windows: Sequence[Window], times: Sequence[int], interval: int, end: int) -> list[Account]:
    """Return the account of the scraped series: `times` of its samples, the scrape `interval` and the `end` of the run, in milliseconds.

    Here the events are scrapes. `doubled`: samples less than half an interval after the one before, of which an election may bring one, and
    a tracker that keeps both replicas one per interval. `sent` follows: sent = stored + lost - doubled, the scrapes that were due.
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
        Account(
            path=SCRAPE,
            fault=window.fault,
            store=STORES[SCRAPE],
            status="ok",
            sent=there[index] - more[index] + lost[index],
            stored=there[index] - more[index],
            lost=lost[index],
            doubled=more[index],
            longest_gap_seconds=gaps[index] / 1000,
            scrapes_lost=lost[index],
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

    Raises AccountError for any other number.
    """
    found = bytearray(lines + 1)
    for number in numbers:
        if not 1 <= number <= lines:
            raise AccountError(f"{where} has a line with the number {number}, which was never written")
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


def log_lines(path: str, fault: str, stored: Mapping[str, Sequence[int]], length: int, kills: int, cost: Cost) -> Account:
    """Return the account, judged, of lines of `length` bytes that some pods have written; `stored`: pod -> see `copies_of_lines`.

    `doubled` counts copies that Loki shows beyond the first. Nothing may be lost, and with `kills` of Alloy at most LOST_PER_KILL for each.
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
        problems.append(f"{lost} lost, promised: {f'at most {limit}' if limit else 'none'} (missing: {shown})")
    if not sent:
        problems.append("nothing was sent")
    return Account(
        path=path,
        fault=fault,
        store="loki",
        status="failed" if problems else "ok",
        sent=sent,
        stored=there,
        lost=lost,
        doubled=total - there,
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


def with_differing(account: Account, count: int) -> Account:
    """Return the account with how many of its events the Prometheus replicas do not have alike."""
    return dataclasses.replace(account, replicas_differ=count)


def judge(account: Account, window: Window) -> Account:
    """Return the account with what it breaks of the promises: `status` is `failed` then, and `detail` says why.

    Pushed metrics and OTLP logs: nothing lost, nothing doubled, the same in every Prometheus replica. Tailed logs: nothing lost. Scraped
    series: at most one scrape lost per death of the elected replica.
    """
    broken = []

    def hold(name: str, figure: int | None, limit: int) -> None:
        if figure is not None and figure > limit:
            broken.append(f"{figure} {name}, promised: {f'at most {limit}' if limit else 'none'}")

    if account.path == SCRAPE:
        hold("scrapes lost", account.scrapes_lost, window.elected_deaths)
        # An election moves the moment of the interval, once there and, when the first one comes back, once more.
        hold("doubled", account.doubled, 2)
    else:
        hold("lost", account.lost, 0)
        hold("doubled", account.doubled, 0 if account.path != TAILED_LOGS else account.doubled or 0)
        hold("not the same in every Prometheus replica", account.replicas_differ, 0)
    if account.sent == 0:
        broken.append("nothing was sent")
    return dataclasses.replace(account, status="failed", detail="; ".join(broken)) if broken else account


def table(accounts: Sequence[Account]) -> str:
    """Return the report as a table for people; the paths and the faults that were not tested follow, one line per reason."""
    tested = [line for line in accounts if line.status != "not tested"]
    events = [line for line in tested if line.longest_gap_seconds is not None]
    files = [line for line in tested if line.longest_gap_seconds is None]
    tables = []
    if events or not files:
        head: tuple[str, ...] = ("fault", "path", "sent", "stored", "lost", "doubled", "longest gap", "", "")
        rows = [(line.fault, line.path, *_counts(line), f"{line.longest_gap_seconds:.1f} s", line.status, line.detail) for line in events]
        tables.append(_aligned(head, rows))
    if files:
        head = ("fault", "path", "sent", "stored", "lost", "doubled", "MB", "behind", "CPU s per 100 MB", "peak memory", "", "")
        rows = [(line.fault, line.path, *_counts(line), *_costs(line), line.status, line.detail) for line in files]
        tables.append(_aligned(head, rows))
    lines = [text for table in tables for text in (*table, "")][:-1]
    faults = {line.fault for line in tested}
    skipped: dict[str, dict[str, None]] = {}
    for line in accounts:
        if line.status == "not tested":
            skipped.setdefault(line.detail, {})[line.path if line.fault in faults else line.fault] = None
    lines += [f"not tested: {', '.join(names)} ({reason})" for reason, names in skipped.items()]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _counts(line: Account) -> tuple[str, ...]:
    return (str(line.sent), str(line.stored), str(line.lost), str(line.doubled))


def _costs(line: Account) -> tuple[str, ...]:
    cpu = 100 * (line.cpu_seconds_per_megabyte or 0)
    return (f"{line.megabytes:.0f}", f"{line.seconds_behind:.0f} s", f"{cpu:.1f}", f"{line.peak_memory_megabytes:.0f} MB")


def _aligned(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table: two columns of text, figures, and two columns of text again."""
    every = [head, *rows]
    widths = [max(len(row[column]) for row in every) for column in range(len(head))]
    figures = range(2, len(head) - 2)
    align = [str.rjust if column in figures else str.ljust for column in range(len(head))]
    return ["  ".join(place(cell, width) for place, cell, width in zip(align, row, widths, strict=True)) for row in every]
