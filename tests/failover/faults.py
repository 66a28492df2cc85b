"""The faults: what each one does, and how it waits until all is well again."""

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
from ansible_collections.observability.stack.plugins.module_utils.stack import addressing, catalogue, high_availability, labels
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.verify.stores import exposition

from tests.failover.waiting import wait

REPOSITORY = Path(__file__).resolve().parents[2]
_NAME = "app.kubernetes.io/name"
OURS = "app.kubernetes.io/part-of=observability-stack"
# How long a workload may take to be ready again: a volume that is large takes its time to replay.
_PATIENCE = 300.0
# Longer than Kubernetes takes to notice that a node does not answer.
_NODE_LOST_FOR = 60.0


@dataclass(frozen=True)
class Scene:
    """Where the faults happen. `provider`: existing, kind or lab; `generator_node` must not be lost; `outage` in seconds."""

    cluster: Cluster
    stack: Stack
    provider: str
    absent: Mapping[str, str]
    generator_node: str
    outage: float
    say: Callable[[str], None]

    def pods(self, component: str = "") -> list[dict[str, Any]]:
        """Return the pods of a component, or of the whole stack."""
        return self.cluster.pods(labels.selector(self.stack, component) if component else OURS)

    def elected(self) -> str:
        """Return the pod whose scrapes Mimir keeps. Raises ClusterError when there is none."""
        (mimir, *_), port = self.pods("mimir"), catalogue.port("mimir", "http")
        page = self.cluster.pod(mimir["metadata"]["name"], port, "/metrics").text
        for (_, series), value in exposition(page, ["cortex_ha_tracker_elected_replica_status"]).items():
            if value == 1 and dict(series).get("cluster") == high_availability.external_labels(self.stack)[high_availability.GROUP_LABEL]:
                return dict(series)["replica"]
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
            self.wait_until_well()

    def _uids(self, component: str) -> set[str]:
        return {pod["metadata"]["uid"] for pod in self.pods(component)}

    def scale(self, component: str, replicas: int) -> None:
        """Set the number of a StatefulSet's pods."""
        name = catalogue.workload_name(component)
        path = f"/apis/apps/v1/namespaces/{self.stack.namespace}/statefulsets/{name}/scale"
        current = self.cluster.object("GET", path)
        self.cluster.object("PUT", path, body={**current, "spec": {"replicas": replicas}})

    def wait_until_well(self) -> None:
        """Wait until every node and every workload of the stack is ready. Raises ClusterError with those that are not."""
        wait(_PATIENCE, lambda: not self.unwell(), lambda: f"not ready: {', '.join(self.unwell())}")

    def unwell(self) -> list[str]:
        """Return the nodes and workloads that are not ready."""
        found = [node["metadata"]["name"] for node in self.cluster.nodes() if not _ready(node)]
        pods = self.pods()
        for kind in ("statefulsets", "deployments", "daemonsets"):
            path = f"/apis/apps/v1/namespaces/{self.stack.namespace}/{kind}"
            for workload in self.cluster.object("GET", path, [("labelSelector", OURS)])["items"]:
                wanted = workload["status"].get("desiredNumberScheduled", workload["spec"].get("replicas"))
                name = workload["spec"]["selector"]["matchLabels"][_NAME]
                mine = [pod for pod in pods if pod["metadata"]["labels"].get(_NAME) == name]
                ready = [pod for pod in mine if _ready(pod) and "deletionTimestamp" not in pod["metadata"]]
                # The workload's own count is late after a kill: the pods themselves are asked.
                if not len(mine) == len(ready) == wanted:
                    found.append(f"{name} ({len(ready)} of {wanted})")
        return found

    def victim(self) -> str:
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


def _kill_elected(scene: Scene) -> int:
    scene.kill(scene.elected())
    return 1


def _kill_other(scene: Scene) -> int:
    elected = scene.elected()
    scene.kill(next(name for name in addressing.pod_names(scene.stack, "prometheus") if name != elected))
    return 0


def _roll(component: str) -> Callable[[Scene], int]:
    def roll(scene: Scene) -> int:
        deaths = 0
        for name in scene.restart(component):
            deaths += component == "prometheus" and name == scene.elected()
        return deaths

    return roll


def _kill_one(component: str) -> Callable[[Scene], int]:
    def kill(scene: Scene) -> int:
        scene.kill(scene.pods(component)[0]["metadata"]["name"])
        return 0

    return kill


def _outage(scene: Scene) -> int:
    stores = [component for component in ("mimir", "loki") if scene.stack.has(component)]
    try:
        for component in stores:
            scene.scale(component, 0)
        wait(_PATIENCE, lambda: not any(scene.pods(component) for component in stores), "the stores do not end")
        scene.say(f"  {' and '.join(stores)} away for {scene.outage:.0f} s")
        time.sleep(scene.outage)
    finally:
        for component in stores:
            scene.scale(component, scene.stack.replicas[component])
    return 0


def _lose_node(scene: Scene) -> int:
    node, elected = scene.victim(), scene.elected()
    there = sorted(pod["metadata"]["name"] for pod in scene.pods() if pod["spec"].get("nodeName") == node)
    scene.say(f"  node {node} is lost for {_NODE_LOST_FOR:.0f} s, with {', '.join(there)}")
    stop, start = _NODE_COMMANDS[scene.provider]
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


def needs(component: str) -> Callable[[Scene], str]:
    """Return an obstacle: why a component does not run here, or ''."""

    def obstacle(scene: Scene) -> str:
        return "" if scene.stack.has(component) else scene.absent.get(component, f"{component} is switched off")

    return obstacle


def _needs_node(scene: Scene) -> str:
    if scene.provider not in _NODE_COMMANDS:
        return "no node of a cluster of your own is taken away"
    return "" if scene.victim() else "no node with Prometheus or a collector that can be spared"


@dataclass(frozen=True)
class Fault:
    """One fault. `run` does it and returns how many elected Prometheus replicas died; `obstacle` says why it cannot be done here, or ''."""

    name: str
    what: str
    run: Callable[[Scene], int]
    obstacle: Callable[[Scene], str]


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
    Fault("outage", "Mimir and Loki are away for a while", _outage, needs("mimir")),
    Fault("node-loss", "a node with a Prometheus replica is lost and comes back", _lose_node, _needs_node),
)
