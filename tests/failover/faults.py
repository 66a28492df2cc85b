"""The faults of the events: what each one does, and how the end of its effects is awaited."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.stack import high_availability
from ansible_collections.observability.stack.plugins.module_utils.stack.addressing import pod_names
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import port, workload_name
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import NAME, PART_OF, selector
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.verify.stores import exposition

from tests.failover.waiting import wait

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = f"{PART_OF}=observability-stack"
# How long a workload may take to be ready again: a volume that is large takes its time to replay.
_PATIENCE = 300.0
# Longer than Kubernetes takes to notice that a node does not answer.
_NODE_LOST_FOR = 60.0


@dataclass(frozen=True)
class Environment:
    """The cluster and the stack under test.

    `provider`: existing, kind or lab. `absent`: components of which the real program does not run here, each with the reason.
    `generator_node` must not be lost. `outage`: seconds without stores. `say` takes a line about each step.
    """

    cluster: Cluster
    stack: Stack
    provider: str
    absent: Mapping[str, str]
    generator_node: str
    outage: float
    say: Callable[[str], None]

    def pods(self, component: str = "") -> list[dict[str, Any]]:
        """Return the pods of a component, or of the whole stack."""
        return self.cluster.pods(selector(self.stack, component) if component else OURS)

    def elected(self) -> str:
        """Return the pod whose scrapes Mimir keeps. Raises ClusterError when there is none."""
        mimir, *_ = self.pods("mimir")
        page = self.cluster.pod(mimir["metadata"]["name"], port("mimir", "http"), "/metrics").text
        group = high_availability.external_labels(self.stack)[high_availability.GROUP_LABEL]
        for (_, labels), value in exposition(page, ["cortex_ha_tracker_elected_replica_status"]).items():
            if value == 1 and dict(labels).get("cluster") == group:
                return dict(labels)["replica"]
        raise ClusterError("Mimir's HA tracker has elected no Prometheus replica")

    def kill(self, name: str) -> None:
        """Kill a pod without any grace."""
        self.say(f"  kill pod {name}")
        self.cluster.delete_pods([name], grace=0)

    def restart(self, component: str) -> Iterator[str]:
        """Replace the pods of a component one after the other, each with its own grace, as a roll-out does; give each name just before."""
        for pod in self.pods(component):
            name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
            yield name
            self.say(f"  restart pod {name}")
            self.cluster.delete_pods([name], grace=pod["spec"]["terminationGracePeriodSeconds"])
            wait(_PATIENCE, lambda uid=uid: uid not in self._uids(component), f"pod {name} does not end")  # type: ignore[misc]
            self.wait_until_ready()

    def _uids(self, component: str) -> set[str]:
        return {pod["metadata"]["uid"] for pod in self.pods(component)}

    def scale(self, component: str, replicas: int) -> None:
        """Set the number of a StatefulSet's pods."""
        name = workload_name(component)
        path = f"/apis/apps/v1/namespaces/{self.stack.namespace}/statefulsets/{name}/scale"
        current = self.cluster.object("GET", path)
        self.cluster.object("PUT", path, body={**current, "spec": {"replicas": replicas}})

    def wait_until_ready(self) -> None:
        """Wait until every node and every workload of the stack is ready. Raises ClusterError with those that are not."""
        wait(_PATIENCE, lambda: not self.not_ready(), lambda: f"not ready: {', '.join(self.not_ready())}")

    def not_ready(self) -> list[str]:
        """Return the nodes and workloads that are not ready."""
        found = [node["metadata"]["name"] for node in self.cluster.nodes() if not _ready(node)]
        pods = self.pods()
        for kind in ("statefulsets", "deployments", "daemonsets"):
            path = f"/apis/apps/v1/namespaces/{self.stack.namespace}/{kind}"
            for workload in self.cluster.object("GET", path, [("labelSelector", OURS)])["items"]:
                wanted = workload["status"].get("desiredNumberScheduled", workload["spec"].get("replicas"))
                name = workload["spec"]["selector"]["matchLabels"][NAME]
                mine = [pod for pod in pods if pod["metadata"]["labels"].get(NAME) == name]
                ready = [pod for pod in mine if _ready(pod) and "deletionTimestamp" not in pod["metadata"]]
                # The workload's own count is late after a kill: the pods themselves are asked.
                if not len(mine) == len(ready) == wanted:
                    found.append(f"{name} ({len(ready)} of {wanted})")
        return found

    def node_to_lose(self) -> str:
        """Return the node to lose: that of the elected Prometheus replica if possible, never the generator's. Empty: none.

        Of the others one with Prometheus and a collector, rather without a store.
        """
        there: Counter[str] = Counter()
        elected = self.elected()
        worth = {"prometheus": 10, "otel_collector": 5, "mimir": -2, "loki": -2}
        for component, weight in worth.items():
            for pod in self.pods(component):
                there[pod["spec"]["nodeName"]] += weight + 20 * (pod["metadata"]["name"] == elected)
        candidates = {node: score for node, score in there.items() if node != self.generator_node and score >= worth["otel_collector"] - 2}
        return max(candidates, key=lambda node: (candidates[node], node), default="")


def _ready(thing: Mapping[str, Any]) -> bool:
    conditions = thing.get("status", {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _kill_elected(environment: Environment) -> int:
    environment.kill(environment.elected())
    return 1


def _kill_other(environment: Environment) -> int:
    elected = environment.elected()
    environment.kill(next(name for name in pod_names(environment.stack, "prometheus") if name != elected))
    return 0


def _roll(component: str) -> Callable[[Environment], int]:
    def roll(environment: Environment) -> int:
        deaths = 0
        for name in environment.restart(component):
            deaths += component == "prometheus" and name == environment.elected()
        return deaths

    return roll


def _kill_one(component: str) -> Callable[[Environment], int]:
    def kill(environment: Environment) -> int:
        environment.kill(environment.pods(component)[0]["metadata"]["name"])
        return 0

    return kill


def _outage(environment: Environment) -> int:
    stores = [component for component in ("mimir", "loki") if environment.stack.has(component)]
    try:
        for component in stores:
            environment.scale(component, 0)
        wait(_PATIENCE, lambda: not any(environment.pods(component) for component in stores), "the stores do not end")
        environment.say(f"  {' and '.join(stores)} unavailable for {environment.outage:.0f} s")
        time.sleep(environment.outage)
    finally:
        for component in stores:
            environment.scale(component, environment.stack.replicas[component])
    return 0


def _lose_node(environment: Environment) -> int:
    node, elected = environment.node_to_lose(), environment.elected()
    there = sorted(pod["metadata"]["name"] for pod in environment.pods() if pod["spec"].get("nodeName") == node)
    environment.say(f"  node {node} is lost for {_NODE_LOST_FOR:.0f} s, with {', '.join(there)}")
    stop, start = _NODE_COMMANDS[environment.provider]
    try:
        _command(stop, node)
        time.sleep(_NODE_LOST_FOR)
    finally:
        _command(start, node)
    return int(elected in there)


_NODE_COMMANDS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "lab": ([sys.executable, "-m", "tools.lab", "node-stop"], [sys.executable, "-m", "tools.lab", "node-start"]),
    "kind": (["docker", "kill"], ["docker", "start"]),
}


def _command(command: Sequence[str], node: str) -> None:
    done = subprocess.run([*command, node], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"`{' '.join(command)} {node}` failed: {(done.stderr or done.stdout).strip()}")


def needs(component: str) -> Callable[[Environment], str]:
    """Return a function that says why a component does not run here, or ''."""

    def reason(environment: Environment) -> str:
        return "" if environment.stack.has(component) else environment.absent.get(component, f"{component} is switched off")

    return reason


def _needs_node(environment: Environment) -> str:
    if environment.provider not in _NODE_COMMANDS:
        return "no node of a cluster of your own is stopped"
    return "" if environment.node_to_lose() else "no node with Prometheus or a collector that can be spared"


@dataclass(frozen=True)
class Fault:
    """One fault. `run` causes it and returns how often the elected replica ended; `untestable` returns why it cannot be done, or ''."""

    name: str
    description: str
    run: Callable[[Environment], int]
    untestable: Callable[[Environment], str]


FAULTS: tuple[Fault, ...] = (
    Fault("none", "no fault, for comparison", lambda _: 0, lambda _: ""),
    Fault("kill-elected", "the Prometheus replica whose scrapes Mimir keeps is killed", _kill_elected, needs("mimir")),
    Fault("kill-other", "the other Prometheus replica is killed", _kill_other, needs("mimir")),
    Fault("prometheus-roll", "the Prometheus replicas are restarted one after the other", _roll("prometheus"), needs("mimir")),
    Fault("collector-roll", "the collectors are restarted one after the other", _roll("otel_collector"), needs("otel_collector")),
    Fault("collector-kill", "a collector is killed", _kill_one("otel_collector"), needs("otel_collector")),
    Fault("mimir-restart", "Mimir is restarted", _roll("mimir"), needs("mimir")),
    Fault("loki-restart", "Loki is restarted", _roll("loki"), needs("loki")),
    Fault("alloy-delete", "an Alloy pod is killed", _kill_one("alloy"), needs("alloy")),
    Fault("outage", "Mimir and Loki are unavailable for a while", _outage, needs("mimir")),
    Fault("node-loss", "a node with a Prometheus replica is lost and comes back", _lose_node, _needs_node),
)
