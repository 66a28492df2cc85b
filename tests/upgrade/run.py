"""One profile from its installation to its removal, with the events between them."""

from __future__ import annotations

import dataclasses
import fnmatch
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.verify.ingress_client import split_address

from tests import inventories
from tests.failover.environment import REPOSITORY, Environment
from tests.failover.generator import NAMESPACE, Generator, choose_node
from tests.failover.results import STORES, TAILED_LOGS, Window
from tests.failover.stores import Stores
from tests.failover.waiting import wait
from tests.upgrade import database
from tests.upgrade.accounting import Accounts
from tests.upgrade.events import RELEASE, VARIABLES, Bed, Event, events, second_tags
from tests.upgrade.results import Request, Row, judge, measured, not_tested
from tests.upgrade.site import Site, checkout
from tests.upgrade.targets import plan
from tests.upgrade.watching import Client, Sent

PROFILES = ("single", "ha")
# The components of the rows, in the order of a request's way.
COMPONENTS = ("ingress", "grafana", "prometheus", "mimir", "loki", "otel_collector", "alloy")
# Time between two events of a path.
_EVENT_INTERVAL = "250ms"
# Until data of the run can be queried everywhere.
_PATIENCE = 180.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What was asked for.

    `wanted`: patterns of names of events; `previous`: revision of the previous release; `provider`: file with the variables of the cluster.
    """

    profile: str
    wanted: tuple[str, ...]
    previous: str
    quiet: float
    provider: Path
    keep: bool

    def asked(self, event: Event) -> bool:
        """Whether an event was asked for."""
        return any(fnmatch.fnmatch(event.name, pattern) for pattern in self.wanted)


def run(options: Options, say: Say, write: Callable[[Sequence[Row]], None]) -> list[Row]:
    """Install, let the events happen, verify, and remove, also after an error; return the rows.

    `write` takes those of each group of events when they are complete.
    """
    profile = inventories.load(f"tests/upgrade/profiles/{options.profile}.yml")
    given = yaml.safe_load(options.provider.read_text(encoding="utf-8"))
    provider = given.get("cluster_provider", "existing")
    site = Site([options.provider], REPOSITORY / "build/upgrade" / options.profile, {**profile, **database.variables(provider, profile)})
    variables = {**inventories.load(VARIABLES), **given, **site.variables}
    stack = inventories.stack(**variables)
    cluster = Cluster(variables["observability_kubeconfig"], variables["observability_context"], stack.namespace, timeout=60)
    bed = Bed(Environment(cluster, stack, provider, given.get("verify_absent") or {}, "", 0, say), site, options.profile)
    known = list(events(bed.environment.nodes()))
    asked = [event for event in known if options.asked(event)]
    if not asked:
        raise ClusterError(f"no event is named {' or '.join(options.wanted)}; there are {', '.join(event.name for event in known)}")
    try:
        database.prepare(cluster, variables)
        _install(bed, options, asked)
        rows = _measure(bed, options, variables, asked, write)
        say("site.yml once more, with the verification of every connection")
        site.run("end", verify=True)
    finally:
        if not options.keep:
            say("removing the stack")
            site.run("remove", playbook="playbooks/remove.yml", extra=("-e", "remove_data=true"))
            database.remove(cluster, variables)
    return rows


def _install(bed: Bed, options: Options, asked: Sequence[Event]) -> None:
    """Put the stack on the cluster: that of the previous release where the first event is its upgrade."""
    if RELEASE not in asked or RELEASE.untestable(bed):
        bed.environment.say("installing the stack")
        bed.site.run("install")
        return
    bed.environment.say(f"installing the previous release ({options.previous})")
    with tempfile.TemporaryDirectory() as directory:
        release = checkout(options.previous, Path(directory))
        try:
            bed.site.run("previous", checkout=release)
        except ClusterError as error:
            # It verifies in the same play, when data has just begun to flow: what it counts then may not add up yet.
            bed.environment.say(f"once more: {str(error).splitlines()[0]}")
            bed.site.run("previous", checkout=release)


def _measure(
    bed: Bed, options: Options, variables: dict[str, Any], asked: Sequence[Event], write: Callable[[Sequence[Row]], None]
) -> list[Row]:
    """Let the events happen that are possible here; return all rows."""
    reasons = {event.name: reason for event in asked if (reason := event.untestable(bed))}
    possible = [event for event in asked if event.name not in reasons]
    if any(event.second_images for event in possible):
        second_tags()
    rows = [not_tested(options.profile, "", name, reason) for name, reason in reasons.items()]
    write(rows)
    for group in grouped(possible):
        found = _Group(bed, options, variables, bed.environment.nodes()).measure(group)
        write(found)
        rows += found
    return rows


def grouped(chosen: Sequence[Event]) -> list[list[Event]]:
    """Return the events in groups with a generator each: no node of a group's events is the generator's."""
    first = [event for event in chosen if not event.lost_node]
    lost = [event for event in chosen if event.lost_node]
    # Any two nodes leave the third one.
    groups = [first] if first else []
    return [*groups, *([event] for event in lost)]


@dataclass(frozen=True)
class _Group:
    """Events while one generator runs."""

    bed: Bed
    options: Options
    variables: dict[str, Any]
    nodes: Sequence[str]

    def measure(self, group: Sequence[Event]) -> list[Row]:
        """Let the events happen, count, and return the rows."""
        environment, stack = self.bed.environment, self.bed.environment.stack
        environment.wait_until_ready()
        candidates = [node for node in self.nodes if node not in {event.lost_node for event in group}]
        node = choose_node(candidates, environment.pods())
        bed = dataclasses.replace(self.bed, environment=dataclasses.replace(environment, generator_node=node))
        paths = [path for path in STORES if path != TAILED_LOGS or stack.has("alloy")]
        access = (self.variables["observability_kubeconfig"], self.variables["observability_context"])
        generator = Generator(Cluster(*access, NAMESPACE, timeout=60), stack)
        try:
            bed.environment.say(f"generator on {node}, one event per {_EVENT_INTERVAL} on {', '.join(paths)}")
            generator.start(node, paths, _EVENT_INTERVAL, asks=False)
            client_plan = plan(environment.cluster, stack, generator.run(), self._entry(node))
            self._answered(client_plan)
            sent = Sent(generator)
            sent.requests()
            windows: list[Window] = []
            ended: list[int] = []
            figures: list[list[Row]] = []
            problems: list[str] = []
            for event in group:
                windows.append(Window(event.name, generator.number() if windows else 1))
                before = self._prometheus()
                requests, problem = self._during(bed, event, client_plan, sent)
                problems.append(problem)
                ended.append(len(before - self._prometheus()))
                figures.append(self._rows(event, requests))
            generator.stop(_PATIENCE * 3)
            accounts = Accounts(Stores(environment.cluster, stack), generator.run(), windows, ended, paths)
            accounts.settle()
        finally:
            generator.remove()
        return [
            judge(row, accounts.of(row.component, number), event.rules, problems[number]) if row.status != "not tested" else row
            for number, (event, rows) in enumerate(zip(group, figures, strict=True))
            for row in rows
        ]

    def _entry(self, node: str) -> str:
        """Return the address of the ingress on a node that no event takes, as a load balancer before all nodes would."""
        address = str(self.variables.get("verify_ingress_address", ""))
        if not address:
            raise ClusterError("verify_ingress_address is not set; it should be the address of the ingress, for the requests of the test")
        if self.bed.environment.provider != "lab":
            return address
        [found] = [item for item in self.bed.environment.cluster.nodes() if item["metadata"]["name"] == node]
        ip = next(item["address"] for item in found["status"]["addresses"] if item["type"] == "InternalIP")
        return f"{f'[{ip}]' if ':' in ip else ip}:{split_address(address, 443)[1]}"

    def _answered(self, client_plan: dict[str, Any]) -> None:
        """Wait until every target gives what is expected."""
        path = self.bed.site.directory / "before.jsonl"
        found: dict[str, str] = {}

        def good() -> bool:
            with Client(client_plan, path) as client:
                time.sleep(4)
            found.clear()
            found.update({request.component: request.error for request in client.requests()})
            return len(found) == len(client_plan["targets"]) and not any(found.values())

        wait(_PATIENCE, good, lambda: f"not every component answers: {found}")

    def _prometheus(self) -> set[str]:
        return {pod["metadata"]["uid"] for pod in self.bed.environment.pods("prometheus")}

    def _during(self, bed: Bed, event: Event, client_plan: dict[str, Any], sent: Sent) -> tuple[list[Request], str]:
        """Let one event happen while the client asks; return all requests, and why it did not end well."""
        problem, say = "", bed.environment.say
        with Client(client_plan, bed.site.directory / f"{event.name}.jsonl") as client:
            time.sleep(self.options.quiet)
            say(f"{event.name}: {event.description}")
            began = time.monotonic()
            try:
                event.run(bed)
                bed.environment.wait_until_ready()
                say(f"  everything is ready again after {time.monotonic() - began:.0f} s")
            except ClusterError as error:
                problem = str(error).splitlines()[0]
                say(f"  {error}")
            time.sleep(self.options.quiet)
        return [*client.requests(), *sent.requests()], problem

    def _rows(self, event: Event, requests: Sequence[Request]) -> list[Row]:
        stack, profile, rows = self.bed.environment.stack, self.bed.profile, []
        for component in COMPONENTS:
            replicas = stack.replicas.get(component, 0) if stack.installs(component) else 0
            row = Row(profile, component, event.name, "ok", replicas=replicas, note=self._note(event, component))
            mine = [request for request in requests if request.component == component]
            if not stack.has(component):
                reason = self.bed.environment.absent.get(component, f"{component} is switched off")
                rows.append(not_tested(profile, component, event.name, reason))
            else:
                # Nobody sends a request to Alloy.
                rows.append(row if component == "alloy" else measured(row, mine))
                if rows[-1].failed:
                    self.bed.environment.say(f"  {component}: {rows[-1].failed} of {rows[-1].requests} requests failed: {rows[-1].detail}")
        return rows

    def _note(self, event: Event, component: str) -> str:
        stack = self.bed.environment.stack
        notes = [event.note] if event.note else []
        if component == "grafana" and (reason := self.bed.environment.absent.get("grafana")):
            notes.append(f"a substitute: {reason}")
        if component == "ingress" and not stack.installs("ingress"):
            notes.append("a controller that the cluster has, and no event changes")
        return "; ".join(notes)
