"""Counts every event on every path while faults happen: python -m tests.failover.

Needs a running stack. Prints what it does and the table, writes the report, and ends with 1 when a result exceeds its limit.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.stack.addressing import pod_names
from ansible_collections.observability.stack.plugins.module_utils.stack.model import InventoryError

from tests import inventories
from tests.failover import counting, log_faults, report
from tests.failover.faults import FAULTS, OURS, REPOSITORY, Environment, Fault
from tests.failover.generator import NAMESPACE, Generator, choose_node
from tests.failover.log_faults import LOG_FAULTS, LogFault
from tests.failover.results import PUSHED_METRICS, SCRAPE, STORES, TAILED_LOGS, Result, Run, UnexpectedDataError, Window, judge, not_tested
from tests.failover.stores import Stores

VARIABLES = [REPOSITORY / "inventories/local/group_vars/observability.yml", REPOSITORY / "build/provider.yml"]
# What is still on its way after the last event arrives as long as the stores' figures change now and then.
_SETTLED_AFTER = 60.0
_PATIENCE = 900.0
_DESCRIPTIONS = {fault.name: fault.description for fault in FAULTS} | {fault.name: fault.description for fault in LOG_FAULTS}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.failover",
        description=(__doc__ or "").strip(),
        epilog="faults: " + "; ".join(f"{name}: {what}" for name, what in _DESCRIPTIONS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = list(_DESCRIPTIONS)
    parser.add_argument("--only", action="append", choices=names, metavar="FAULT", help="only this fault; may be repeated")
    parser.add_argument("--path", action="append", choices=list(STORES), metavar="PATH", help="only this path; may be repeated")
    parser.add_argument("--interval", default="200ms", help="time between two events of a path, as Go writes it (default: %(default)s)")
    parser.add_argument("--quiet", type=float, default=25, metavar="SECONDS", help="before a fault and after it (default: %(default)g)")
    parser.add_argument(
        "--outage", type=float, default=60, metavar="SECONDS", help="how long the stores are unavailable (default: %(default)g)"
    )
    parser.add_argument("--variables", type=Path, nargs="+", default=VARIABLES, metavar="FILE", help="the inventory's variables")
    parser.add_argument("--report", type=Path, default=REPOSITORY / "build/reports/failover.json", metavar="FILE")
    return parser


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


@dataclass(frozen=True)
class Measurement:
    """A run that has ended: its events, and its windows."""

    run: Run
    windows: tuple[Window, ...]


def _measure(generator: Generator, environment: Environment, chosen: Sequence[Fault], quiet: float) -> Measurement:
    """Let the faults happen, each in a window of its own, and stop the generator."""
    windows: list[Window] = []
    environment.wait_until_ready()
    for fault in chosen:
        # The first window begins with the first event, each other one where the one before ends.
        first = generator.number() if windows else 1
        time.sleep(quiet)
        _say(f"{fault.name}: {fault.description}")
        began = time.monotonic()
        deaths = fault.run(environment)
        environment.wait_until_ready()
        _say(f"  everything is ready again after {time.monotonic() - began:.0f} s")
        time.sleep(quiet)
        windows.append(Window(fault.name, first, deaths))
    _say("no more events; waiting until the last ones are delivered")
    generator.stop(_PATIENCE)
    return Measurement(generator.run(), tuple(windows))


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
    by_fault = {window.fault: window for window in windows}
    return [judge(line, by_fault[line.fault]) for line in found]


def _settled(stores: Stores, measured: Measurement, paths: Sequence[str]) -> list[Result]:
    """Read again and again until nothing has failed, or nothing has changed for a minute; return the last reading."""
    began = changed = time.monotonic()
    latest = _read(stores, measured, paths)
    while any(line.status == "failed" for line in latest) and time.monotonic() < min(changed + _SETTLED_AFTER, began + _PATIENCE):
        time.sleep(5)
        reading = _read(stores, measured, paths)
        if reading != latest:
            latest, changed = reading, time.monotonic()
    return latest


def _run(options: argparse.Namespace) -> bool:
    """Run, report, and return whether every result is within its limits."""
    variables: dict[str, Any] = {}
    for path in options.variables:
        variables |= yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    stack = inventories.stack(**variables)
    kubeconfig, context = variables.get("observability_kubeconfig", ""), variables.get("observability_context", "")
    # Never guessed from the name of a context: the nodes of somebody's own cluster are left alone.
    provider = variables.get("cluster_provider", "existing")
    cluster = Cluster(kubeconfig, context, stack.namespace)
    node = choose_node([node["metadata"]["name"] for node in cluster.nodes()], cluster.pods(OURS))
    absent = variables.get("verify_absent") or {}
    environment = Environment(cluster, stack, provider, absent, node, options.outage, _say)

    wanted = options.only or list(_DESCRIPTIONS)
    lines = []
    if any(fault.name in wanted for fault in FAULTS):
        lines += _events(options, environment, Cluster(kubeconfig, context, NAMESPACE), wanted)
    # A path chosen for the events says nothing about files.
    if any(fault.name in wanted for fault in LOG_FAULTS) and not options.path:
        stores = Stores(Cluster(kubeconfig, context, stack.namespace, timeout=120), stack)
        lines += _files(
            environment, stores, Cluster(kubeconfig, context, NAMESPACE), [fault for fault in LOG_FAULTS if fault.name in wanted]
        )
    report.write(options.report, lines)
    print(report.table(lines), end="")
    print(f"{report.summary(lines)}; report: {options.report}")
    return not any(line.status == "failed" for line in lines)


def _events(options: argparse.Namespace, environment: Environment, cluster: Cluster, names: Sequence[str]) -> list[Result]:
    """Count the events on every path while the faults with these names happen. `cluster` is seen in the generator's namespace."""
    stack, absent = environment.stack, environment.absent
    asked = options.path or list(STORES)
    untestable = {TAILED_LOGS: absent.get("alloy", "alloy is switched off")} if not stack.has("alloy") else {}
    paths = [path for path in asked if path not in untestable]
    wanted = [fault for fault in FAULTS if fault.name in names]
    reasons = {fault.name: reason for fault in wanted if (reason := fault.untestable(environment))}
    chosen = [fault for fault in wanted if fault.name not in reasons]
    generator = Generator(cluster, stack)
    try:
        _say(f"generator on {environment.generator_node}: one event per {options.interval} on {', '.join(paths)}")
        generator.start(environment.generator_node, paths, options.interval)
        measured = _measure(generator, environment, chosen, options.quiet)
        lines = _settled(Stores(environment.cluster, stack), measured, paths)
    finally:
        generator.remove()
    lines += [not_tested(path, fault.name, untestable[path]) for path in asked if path in untestable for fault in chosen]
    lines += [not_tested(path, name, reason) for name, reason in reasons.items() for path in asked]
    order = [fault.name for fault in FAULTS]
    lines.sort(key=lambda line: (order.index(line.fault), asked.index(line.path)))
    return lines


def _files(environment: Environment, stores: Stores, cluster: Cluster, chosen: Sequence[LogFault]) -> list[Result]:
    """Count the lines of log files while these faults happen, one after the other. `cluster` is seen in the writers' namespace."""
    lines = []
    for fault in chosen:
        reason = fault.untestable(environment)
        for load in fault.loads:
            if reason:
                lines.append(not_tested(log_faults.path(load), fault.name, reason))
            else:
                lines.append(log_faults.measure(environment, stores, cluster, fault, load))
    return lines


def main() -> int:
    """Run; return 0 when every result is within its limits, 1 when one is not, 2 when nothing could be measured."""
    options = _parser().parse_args()
    # SIGTERM removes what the run has made, as an interrupt does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return 0 if _run(options) else 1
    except (ClusterError, UnexpectedDataError, InventoryError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
