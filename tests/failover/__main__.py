"""Counts every event on every path while faults happen: python -m tests.failover.

Needs a running stack. Prints what it does and the table, writes the report, and ends with 1 when a result exceeds its limit.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.stack.model import InventoryError

from tests import inventories
from tests.failover import log_faults, report, session
from tests.failover.environment import OURS, REPOSITORY, Environment
from tests.failover.faults import FAULTS, Fault
from tests.failover.generator import NAMESPACE, Generator, choose_node
from tests.failover.log_faults import LOG_FAULTS, LogFault
from tests.failover.results import QUERIES, STORES, TAILED_LOGS, UPLOADS, Result, UnexpectedDataError, not_tested
from tests.failover.stores import Stores

VARIABLES = [REPOSITORY / "inventories/local/group_vars/observability.yml", REPOSITORY / "build/provider.yml"]
# By profile: seconds before and after a fault, and seconds without stores, or in `ha` without the object storage.
_QUIET = {"single": 25.0, "ha": 15.0}
_OUTAGE = {"single": 60.0, "ha": 600.0}


def _faults(profile: str) -> list[Fault | LogFault]:
    """Return the faults of a profile. What becomes of log files on a node does not depend on it."""
    return [*FAULTS[profile], *(LOG_FAULTS if profile == "single" else ())]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.failover",
        description=(__doc__ or "").strip(),
        epilog="\n".join(
            f"faults in the profile {profile}: " + "; ".join(f"{fault.name}: {fault.description}" for fault in _faults(profile))
            for profile in FAULTS
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = list(dict.fromkeys(fault.name for profile in FAULTS for fault in _faults(profile)))
    parser.add_argument("--only", action="append", choices=names, metavar="FAULT", help="only this fault; may be repeated")
    parser.add_argument("--path", action="append", choices=list(STORES), metavar="PATH", help="only this path; may be repeated")
    parser.add_argument("--interval", default="200ms", help="time between two events of a path, as Go writes it (default: %(default)s)")
    parser.add_argument(
        "--quiet",
        type=float,
        metavar="SECONDS",
        help=f"before a fault and after it (default: {_QUIET['single']:g}, in ha {_QUIET['ha']:g})",
    )
    parser.add_argument(
        "--outage",
        type=float,
        metavar="SECONDS",
        help=f"how long the stores are unavailable (default: {_OUTAGE['single']:g}), in ha their object storage ({_OUTAGE['ha']:g})",
    )
    parser.add_argument("--variables", type=Path, nargs="+", default=VARIABLES, metavar="FILE", help="the inventory's variables")
    parser.add_argument("--report", type=Path, metavar="FILE", help="default: build/reports/failover.json, in ha failover-ha.json")
    return parser


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


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
    outage = _OUTAGE[stack.profile] if options.outage is None else options.outage
    environment = Environment(cluster, stack, provider, absent, node, outage, _say)

    possible = _faults(stack.profile)
    wanted = options.only or [fault.name for fault in possible]
    if unknown := set(wanted) - {fault.name for fault in possible}:
        raise ClusterError(f"{', '.join(sorted(unknown))}: no fault of the profile {stack.profile}")
    lines = []
    if events := [fault for fault in FAULTS[stack.profile] if fault.name in wanted]:
        lines += _events(options, environment, Cluster(kubeconfig, context, NAMESPACE), events)
    # A path chosen for the events says nothing about files.
    if any(fault in LOG_FAULTS for fault in possible if fault.name in wanted) and not options.path:
        stores = Stores(Cluster(kubeconfig, context, stack.namespace, timeout=120), stack)
        lines += _files(
            environment, stores, Cluster(kubeconfig, context, NAMESPACE), [fault for fault in LOG_FAULTS if fault.name in wanted]
        )
    path = options.report or report.path(REPOSITORY / "build/reports", stack.profile)
    report.write(path, stack.profile, lines)
    print(report.table(lines), end="")
    print(f"profile {stack.profile}: {report.summary(lines)}; report: {path}")
    return not any(line.status == "failed" for line in lines)


def _events(options: argparse.Namespace, environment: Environment, cluster: Cluster, wanted: Sequence[Fault]) -> list[Result]:
    """Count the events on every path while these faults happen. `cluster` is seen in the generator's namespace."""
    stack, absent = environment.stack, environment.absent
    asked = options.path or list(STORES)
    untestable = {TAILED_LOGS: absent.get("alloy", "alloy is switched off")} if not stack.has("alloy") else {}
    paths = [path for path in asked if path not in untestable]
    reasons = {fault.name: reason for fault in wanted if (reason := fault.untestable(environment))}
    chosen = [fault for fault in wanted if fault.name not in reasons]
    pace = session.Pace(options.interval, _QUIET[stack.profile] if options.quiet is None else options.quiet)
    lines = []
    for node, faults in session.places(chosen, environment.nodes(), environment.generator_node):
        _say(f"generator on {node}: one event per {options.interval} on {', '.join(paths)}")
        place = replace(environment, generator_node=node)
        lines += session.results(place, Generator(cluster, stack), faults, paths, pace)
    lines += [not_tested(path, fault.name, untestable[path]) for path in asked if path in untestable for fault in chosen]
    lines += [not_tested(path, name, reason) for name, reason in reasons.items() for path in asked]
    faults_in_order = [fault.name for fault in wanted]
    rows_in_order = [*asked, *QUERIES, *UPLOADS.values()]
    lines.sort(key=lambda line: (faults_in_order.index(line.fault), rows_in_order.index(line.path)))
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
