"""One generator: its events and queries while faults happen, and what the stores have of them afterwards."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.observability.stack.plugins.module_utils.stack.addressing import pod_names

from tests.failover import counting
from tests.failover.environment import Environment
from tests.failover.faults import Fault
from tests.failover.generator import Generator
from tests.failover.results import PUSHED_METRICS, QUERIES, SCRAPE, Result, Run, Window, judge
from tests.failover.stores import Stores

# What is still on its way after the last event arrives as long as the stores' figures change now and then.
_SETTLED_AFTER = 60.0
_PATIENCE = 900.0


def places(faults: Sequence[Fault], nodes: Sequence[str], usual: str) -> list[tuple[str, list[Fault]]]:
    """Return where the generator runs for which faults: on its usual node, and on another one when that is lost."""
    lost = [fault for fault in faults if fault.node and nodes[fault.node - 1] == usual]
    elsewhere = next((node for node in nodes if node != usual), usual)
    found = [(usual, [fault for fault in faults if fault not in lost]), (elsewhere, lost)]
    return [(node, chosen) for node, chosen in found if chosen]


@dataclass(frozen=True)
class Pace:
    """The time between two events of a path, as Go writes it, and the seconds before a fault and after it."""

    interval: str
    quiet: float


@dataclass(frozen=True)
class Measurement:
    """A run that has ended: its events, its windows, the account of the queries, and the rows that only one fault has."""

    run: Run
    windows: tuple[Window, ...]
    queries: Mapping[str, tuple[int, dict[int, str]]]
    rows: tuple[Result, ...]


def results(environment: Environment, generator: Generator, faults: Sequence[Fault], paths: Sequence[str], pace: Pace) -> list[Result]:
    """Count the events of one generator on these paths while these faults happen; return the results, each with its status."""
    try:
        generator.start(environment.generator_node, paths, pace.interval)
        measured = _measure(generator, environment, faults, pace.quiet)
        return [*_settled(Stores(environment.cluster, environment.stack), measured, paths), *measured.rows]
    finally:
        generator.remove()


def _measure(generator: Generator, environment: Environment, chosen: Sequence[Fault], quiet: float) -> Measurement:
    """Let the faults happen, each in a window of its own, and stop the generator."""
    windows: list[Window] = []
    rows: list[Result] = []
    environment.wait_until_ready()
    for fault in chosen:
        # The first window begins with the first event, each other one where the one before ends.
        first = generator.number() if windows else 1
        time.sleep(quiet)
        environment.say(f"{fault.name}: {fault.description}")
        began = time.monotonic()
        effects = fault.run(environment)
        environment.wait_until_ready()
        environment.say(f"  everything is ready again after {time.monotonic() - began:.0f} s")
        time.sleep(quiet)
        windows.append(Window(fault.name, first, effects.elected_deaths, fault.outage))
        rows += effects.rows
    environment.say("no more events; waiting until the last ones are delivered")
    generator.stop(_PATIENCE)
    return Measurement(generator.run(), tuple(windows), generator.queries(), tuple(rows))


def _read(stores: Stores, measured: Measurement, paths: Sequence[str]) -> list[Result]:
    """Return the results of every path, as the stores are now."""
    run, windows = measured.run, measured.windows
    seconds = int(time.time() - run.start / 1000) + 60
    found: list[Result] = []
    for path in paths:
        if path == SCRAPE:
            interval = stores.stack.scrape_interval * 1000
            times = [when for when, _ in stores.samples("mimir", path, run, seconds)]
            # What came after the last event belongs to no window.
            found += counting.scrapes(run, windows, [when for when in times if when <= run.time(run.last)], interval, run.time(run.last))
        elif path in PUSHED_METRICS:
            lines = counting.events(path, run, windows, stores.numbers("mimir", path, run, seconds))
            replicas = [stores.numbers(replica, path, run, seconds) for replica in pod_names(stores.stack, "prometheus")]
            differ = counting.replicas_differ(windows, replicas)
            found += [counting.with_differing(line, count) for line, count in zip(lines, differ, strict=True)]
        else:
            found += counting.events(path, run, windows, stores.log_numbers(path, run, seconds))
    for path, (begun, failed) in measured.queries.items():
        found += counting.queries(run, windows, path, begun, failed)
    by_fault = {window.fault: window for window in windows}
    return [judge(line, by_fault[line.fault]) for line in found]


def _settled(stores: Stores, measured: Measurement, paths: Sequence[str]) -> list[Result]:
    """Read again and again until nothing is missing, or nothing has changed for a minute; return the last reading."""
    began = changed = time.monotonic()
    latest = _read(stores, measured, paths)
    while any(line.status == "failed" and line.path not in QUERIES for line in latest) and time.monotonic() < min(
        changed + _SETTLED_AFTER, began + _PATIENCE
    ):
        time.sleep(5)
        reading = _read(stores, measured, paths)
        if reading != latest:
            latest, changed = reading, time.monotonic()
    return latest
