"""The cluster and the stack under test, and what a fault can do to them."""

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
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import port, workload_name
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import NAME, PART_OF, selector
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.verify.stores import exposition

from tests.failover.waiting import wait

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = f"{PART_OF}=observability-stack"
# How long a workload may take to be ready again: a volume that is large takes its time to replay.
PATIENCE = 300.0
# The pause before kubelet restarts a container grows from nothing to 5 minutes.
_RESTARTED_WITHIN = 330.0
# What stops and starts a node, and what runs a shell that sees its processes, by provider.
_NODE_COMMANDS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "lab": ([sys.executable, "-m", "tools.lab", "node-stop"], [sys.executable, "-m", "tools.lab", "node-start"]),
    "kind": (["docker", "kill"], ["docker", "start"]),
}
_SHELLS: dict[str, Callable[[str], list[str]]] = {"lab": lambda _: [], "kind": lambda node: ["docker", "exec", node]}
# Kills every process in the pod with a UID, as the runtime's control groups have it (cgroupfs and systemd drivers), but the sandbox's own.
_KILL = (
    'for p in /proc/[0-9]*; do if grep -q "$1\\|$2" $p/cgroup 2>/dev/null && [ "$(cat $p/comm 2>/dev/null)" != pause ]; '
    "then kill -9 ${p#/proc/}; fi; done"
)


@dataclass(frozen=True)
class Environment:
    """The cluster and the stack under test.

    `provider`: existing, kind or lab. `absent`: components of which the real program does not run here, each with the reason.
    `generator_node` must not be lost. `outage`: seconds without stores, or without their object storage. `say` takes a line about a step.
    """

    cluster: Cluster
    stack: Stack
    provider: str
    absent: Mapping[str, str]
    generator_node: str
    outage: float
    say: Callable[[str], None]

    @property
    def can_lose_nodes(self) -> bool:
        """Whether a node can be stopped and started from here."""
        return self.provider in _NODE_COMMANDS

    @property
    def can_kill_processes(self) -> bool:
        """Whether a process on a node can be killed from here."""
        return self.provider in _SHELLS

    def nodes(self) -> list[str]:
        """Return the names of the nodes, sorted."""
        return sorted(node["metadata"]["name"] for node in self.cluster.nodes())

    def pods(self, component: str = "") -> list[dict[str, Any]]:
        """Return the pods of a component, or of the whole stack."""
        return self.cluster.pods(selector(self.stack, component) if component else OURS)

    def elected(self) -> str:
        """Return the pod whose scrapes Mimir keeps. Raises ClusterError when there is none."""
        mimir, *_ = (pod for pod in self.pods("mimir") if _ready(pod))
        page = self.cluster.pod(mimir["metadata"]["name"], port("mimir", "http"), "/metrics").text
        group = high_availability.external_labels(self.stack)[high_availability.GROUP_LABEL]
        for (_, labels), value in exposition(page, ["cortex_ha_tracker_elected_replica_status"]).items():
            if value == 1 and dict(labels).get("cluster") == group:
                return dict(labels)["replica"]
        raise ClusterError("Mimir's HA tracker has elected no Prometheus replica")

    def delete(self, name: str) -> None:
        """Remove a pod without any grace; another one takes its place."""
        self.say(f"  kill pod {name}")
        self.cluster.delete_pods([name], grace=0)

    def kill(self, component: str, name: str) -> None:
        """Kill all processes of a pod (SIGKILL), and wait until kubelet has started its container again."""
        pod = self._pod(component, name)
        node, uid, before = pod["spec"]["nodeName"], pod["metadata"]["uid"], _restarts(pod)
        self.say(f"  SIGKILL for {name} on {node}")
        shell = _SHELLS[self.provider](node)
        subprocess.run([*shell, "sh", "-c", _KILL, "sh", uid, uid.replace("-", "_")], check=False)
        wait(_RESTARTED_WITHIN, lambda: _restarts(self._pod(component, name)) > before, f"{name} was not killed")

    def _pod(self, component: str, name: str) -> dict[str, Any]:
        return next(pod for pod in self.pods(component) if pod["metadata"]["name"] == name)

    def restart(self, component: str, names: Sequence[str] = ()) -> Iterator[str]:
        """Replace pods of a component (all, or these) one after the other, each with its own grace, as a roll-out does.

        Give each name just before.
        """
        for pod in self.pods(component):
            name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
            if names and name not in names:
                continue
            yield name
            self.say(f"  restart pod {name}")
            self.cluster.delete_pods([name], grace=pod["spec"]["terminationGracePeriodSeconds"])
            wait(PATIENCE, lambda uid=uid: uid not in self._uids(component), f"pod {name} does not end")  # type: ignore[misc]
            self.wait_until_ready()

    def _uids(self, component: str) -> set[str]:
        return {pod["metadata"]["uid"] for pod in self.pods(component)}

    def scale(self, component: str, replicas: int) -> None:
        """Set the number of a StatefulSet's pods."""
        name = workload_name(component)
        path = f"/apis/apps/v1/namespaces/{self.stack.namespace}/statefulsets/{name}/scale"
        current = self.cluster.object("GET", path)
        self.cluster.object("PUT", path, body={**current, "spec": {"replicas": replicas}})

    def lose_node(self, node: str, seconds: float) -> list[str]:
        """Lose a node for a while, and return the names of the pods that were on it."""
        there = sorted(pod["metadata"]["name"] for pod in self.pods() if pod["spec"].get("nodeName") == node)
        self.say(f"  node {node} is lost for {seconds:.0f} s, with {', '.join(there)}")
        try:
            self.stop_node(node)
            time.sleep(seconds)
        finally:
            self.start_node(node)
        return there

    def stop_node(self, node: str) -> None:
        """Lose a node: everything on it ends at once."""
        _command(_NODE_COMMANDS[self.provider][0], node)

    def start_node(self, node: str) -> None:
        """Start a lost node again."""
        _command(_NODE_COMMANDS[self.provider][1], node)

    def wait_until_ready(self) -> None:
        """Wait until every node and every workload of the stack is ready. Raises ClusterError with those that are not."""
        wait(PATIENCE, lambda: not self.not_ready(), lambda: f"not ready: {', '.join(self.not_ready())}")

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


def _restarts(pod: Mapping[str, Any]) -> int:
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses", []))


def _command(command: Sequence[str], node: str) -> None:
    done = subprocess.run([*command, node], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"`{' '.join(command)} {node}` failed: {(done.stderr or done.stdout).strip()}")
