"""Workloads that become ready on an API server without nodes: a thread writes the status that controllers and kubelets would write."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import KINDS, path_of

PAUSE = 0.2
NODES = 3
_OF_DAEMON_SETS = ("currentNumberScheduled", "desiredNumberScheduled", "numberReady", "numberAvailable", "updatedNumberScheduled")
_OF_REPLICAS = ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas")


def status(workload: dict[str, Any]) -> dict[str, int]:
    """Return the status of a workload whose pods are all there and ready."""
    seen = {"observedGeneration": workload["metadata"]["generation"]}
    if workload["kind"] == "DaemonSet":
        return seen | dict.fromkeys(_OF_DAEMON_SETS, NODES) | {"numberMisscheduled": 0}
    return seen | dict.fromkeys(_OF_REPLICAS, workload["spec"].get("replicas", 1))


def make_ready(cluster: Cluster) -> None:
    """Write that status to every workload that has another one."""
    for kind in (kind for kind in KINDS if kind.workload):
        for item in cluster.object("GET", kind.path())["items"]:
            found = {**item, "apiVersion": kind.api_version, "kind": kind.kind}
            if any((found.get("status") or {}).get(key, 0) != value for key, value in status(found).items()):
                body = json.dumps({"status": status(found)}).encode()
                headers = {"content-type": "application/merge-patch+json"}
                # Whatever it answers: the object may be gone by now, and the next round sees the rest.
                cluster.request("PATCH", f"{path_of(found)}/status", [("fieldManager", "status")], headers, body)


@contextlib.contextmanager
def workloads(cluster: Cluster) -> Iterator[None]:
    """Keep every workload ready while the block runs."""
    end = threading.Event()

    def loop() -> None:
        while not end.wait(PAUSE):
            make_ready(cluster)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
