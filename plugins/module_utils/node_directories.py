"""Removes a stack's directory on every node, each by a pod that runs `rm` there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .cluster import Cluster, ClusterError
from .stack.labels import COMPONENT, NAME

PAUSE = 0.5
# Seconds until a pod that only removes a directory has to be done; its image is on the node already.
_TIMEOUT = 90.0


@dataclass
class DirectoryRemoval:
    """The removal of one directory on the nodes.

    `host` has its parent (`root`), its `name` and an image; `selector` the labels of the stack's objects; `timeout` is in seconds.
    `removed` and `kept` hold a line for people about each node, and why its directory stays.
    """

    cluster: Cluster
    host: Mapping[str, str]
    selector: Mapping[str, str]
    timeout: float
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def run(self, *, dry: bool) -> None:
        """Remove the directory on every node that is ready; a `dry` run only lists them. Raises ClusterError."""
        directory = f"{self.host['root']}/{self.host['name']}"
        nodes = {item["metadata"]["name"]: item for item in self.cluster.nodes()}
        reachable = [name for name, item in nodes.items() if is_ready(item)]
        self.kept += [f"{directory} on the node {name}, which is not ready" for name in nodes if name not in reachable]
        if dry:
            self.removed += [f"{directory} on the node {name}" for name in reachable]
            return
        pods = {node: removal_pod(self.host, self.selector, node) for node in reachable}
        names = {pod["metadata"]["name"]: node for node, pod in pods.items()}
        # Those of a run that was killed.
        self.cluster.delete_pods(list(names), 0)
        try:
            for node, pod in pods.items():
                try:
                    self.cluster.create_pod(pod)
                except ClusterError as error:
                    self.kept.append(f"{directory} on the node {node}: {error}")
                    del names[pod["metadata"]["name"]]
            self._follow(dict(names), directory)
        finally:
            self.cluster.delete_pods(list(names), 0)

    def _follow(self, waiting: dict[str, str], directory: str) -> None:
        """Wait for the pods (name -> node) that remove a directory, and say what became of each."""
        end = time.monotonic() + min(_TIMEOUT, self.timeout)
        while waiting and time.monotonic() < end:
            time.sleep(PAUSE)
            for pod in self.cluster.pods({**self.selector, NAME: "remove"}):
                name, outcome = pod["metadata"]["name"], outcome_of(pod)
                if name not in waiting or not outcome:
                    continue
                where = f"{directory} on the node {waiting.pop(name)}"
                if outcome == "Succeeded":
                    self.removed.append(where)
                else:
                    self.kept.append(f"{where}: the pod that should remove it has not ({outcome})")
        self.kept += [f"{directory} on the node {node}: the pod that should remove it did not come to its end" for node in waiting.values()]


def is_ready(node: Mapping[str, Any]) -> bool:
    """Whether a node takes and runs pods."""
    return any(item["type"] == "Ready" and item["status"] == "True" for item in node["status"].get("conditions", []))


def outcome_of(pod: Mapping[str, Any]) -> str:
    """Return `Succeeded` or `Failed`, or why the container of a pod does not start; empty while it may still come to its end."""
    phase = pod["status"].get("phase", "")
    if phase in ("Succeeded", "Failed"):
        return str(phase)
    for container in pod["status"].get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason", "ContainerCreating") not in ("ContainerCreating", "PodInitializing"):
            return f"{waiting['reason']}: {waiting.get('message', '')}".strip(": ")
    return ""


def removal_pod(host: Mapping[str, str], selector: Mapping[str, str], node: str) -> dict[str, Any]:
    """Return the pod that removes the stack's directory on a node. Root, because root has written there, and without any capability."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"remove-{node}"[:253], "labels": {**selector, NAME: "remove", COMPONENT: "remove"}},
        "spec": {
            # Past the scheduler: a node that is cordoned has the directory as well.
            "nodeName": node,
            "tolerations": [{"operator": "Exists"}],
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsUser": 0, "runAsGroup": 0, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "remove",
                    "image": host["image"],
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["rm", "-rf", "--", f"/host/{host['name']}"],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}},
                    "volumeMounts": [{"name": "host", "mountPath": "/host"}],
                }
            ],
            "volumes": [{"name": "host", "hostPath": {"path": host["root"], "type": "DirectoryOrCreate"}}],
        },
    }
