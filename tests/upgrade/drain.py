"""A drain as `kubectl drain --ignore-daemonsets --delete-emptydir-data` does it, through the API server."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError

# As long as the longest grace period of a pod, and its place in the ring again before the budget lets the next one go.
_PATIENCE = 600.0


def unschedulable(cluster: Cluster, node: str, value: bool) -> None:
    """Cordon a node, or uncordon it."""
    patch = {"spec": {"unschedulable": value}}
    cluster.object("PATCH", f"/api/v1/nodes/{node}", body=patch)


def movable(pod: dict[str, Any]) -> bool:
    """Whether a drain evicts a pod: not one of a DaemonSet, of the kubelet itself, or that has ended."""
    owners = [owner["kind"] for owner in pod["metadata"].get("ownerReferences") or []]
    mirrored = "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or {})
    return "DaemonSet" not in owners and not mirrored and pod["status"].get("phase") not in ("Succeeded", "Failed")


def drain(cluster: Cluster, node: str) -> list[str]:
    """Cordon a node and evict its pods, as the disruption budgets let them go; return their names once all are gone."""
    unschedulable(cluster, node, True)
    deadline = time.monotonic() + _PATIENCE
    evicted: list[str] = []
    while left := [pod for pod in _pods(cluster, node) if movable(pod)]:
        if time.monotonic() > deadline:
            raise ClusterError(f"the drain of {node} does not end; there are still {', '.join(pod['metadata']['name'] for pod in left)}")
        for pod in left:
            name = pod["metadata"]["name"]
            if "deletionTimestamp" not in pod["metadata"] and _evict(cluster, pod):
                evicted.append(name)
        time.sleep(1)
    return sorted(evicted)


def _pods(cluster: Cluster, node: str) -> list[dict[str, Any]]:
    return cluster.items("/api/v1/pods", [("fieldSelector", f"spec.nodeName={node}")])


def _evict(cluster: Cluster, pod: dict[str, Any]) -> bool:
    """Ask for the eviction of a pod; return whether it goes. A budget that does not let it go answers 429: later again."""
    metadata = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/eviction"
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    answer = cluster.send("POST", path, body)
    if answer.status not in (200, 201, 404, 429):
        raise ClusterError(f"pod {metadata['name']} cannot be evicted: {answer.excerpt()}")
    return answer.status in (200, 201)
