"""The directories of a stack on the nodes: whose they are, and what is said of each node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.filter.stack import removal_plan
from ansible_collections.observability.stack.plugins.module_utils import node_directories
from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import NAME

from tests.inventories import stack

PLAN = removal_plan(stack())


def test_the_directory_of_a_stack_on_a_node_is_its_own() -> None:
    host = PLAN["host"]
    pod = node_directories.removal_pod(host, PLAN["selector"], "node-1")
    (container,) = pod["spec"]["containers"]
    assert container["command"] == ["rm", "-rf", "--", "/host/observability.test"]
    assert container["image"] == stack().images["alloy"]
    assert pod["spec"]["volumes"][0]["hostPath"]["path"] == "/var/lib/observability-stack"
    assert PLAN["selector"].items() <= pod["metadata"]["labels"].items()
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ({}, ""),
        (waiting("ContainerCreating"), ""),
        ({"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}, ""),
        ({"phase": "Succeeded"}, "Succeeded"),
        ({"phase": "Failed"}, "Failed"),
        (waiting("RunContainerError", "no rm"), "RunContainerError: no rm"),
        (waiting("ImagePullBackOff"), "ImagePullBackOff"),
    ],
)
def test_what_became_of_a_pod_that_removes_a_directory(status: dict[str, Any], outcome: str) -> None:
    assert node_directories.outcome_of({"status": status}) == outcome


class Nodes(Cluster):
    """A cluster with nodes, on which a pod that removes a directory has a given status; "rejected" is a pod that cannot be created."""

    def __init__(self, statuses: Mapping[str, Any]) -> None:
        self.statuses = statuses
        self.running: dict[str, dict[str, Any]] = {}
        self.created: list[str] = []

    def nodes(self) -> list[dict[str, Any]]:
        def conditions(status: Any) -> list[dict[str, str]]:
            return [{"type": "Ready", "status": "Unknown" if status is None else "True"}]

        return [{"metadata": {"name": node}, "status": {"conditions": conditions(status)}} for node, status in self.statuses.items()]

    def create_pod(self, definition: Mapping[str, Any]) -> None:
        node = definition["spec"]["nodeName"]
        if self.statuses[node] == "rejected":
            raise ClusterError("exceeded quota: pods")
        name = definition["metadata"]["name"]
        self.created.append(name)
        self.running[name] = {"metadata": {"name": name}, "status": self.statuses[node]}

    def pods(self, selector: Mapping[str, str] | str) -> list[dict[str, Any]]:
        assert selector == {**PLAN["selector"], NAME: "remove"}
        return list(self.running.values())

    def delete_pods(self, names: Sequence[str], grace: int) -> None:
        assert grace == 0
        for name in names:
            self.running.pop(name, None)


STATUSES = {
    "node-1": {"phase": "Succeeded"},
    "node-2": {"phase": "Failed"},
    "node-3": None,
    "node-4": "rejected",
    "node-5": {"phase": "Running"},
}
WHERE = "/var/lib/observability-stack/observability.test on the node"


def test_each_node_is_reported_and_no_pod_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_directories, "PAUSE", 0.01)
    cluster = Nodes(STATUSES)
    removal = node_directories.DirectoryRemoval(cluster, PLAN["host"], PLAN["selector"], timeout=0.1)
    removal.run(dry=False)
    assert removal.removed == [f"{WHERE} node-1"]
    assert removal.kept == [
        f"{WHERE} node-3, which is not ready",
        f"{WHERE} node-4: exceeded quota: pods",
        f"{WHERE} node-2: the pod that should remove it has not (Failed)",
        f"{WHERE} node-5: the pod that should remove it did not come to its end",
    ]
    assert cluster.created == ["remove-node-1", "remove-node-2", "remove-node-5"]
    assert cluster.running == {}


def test_a_dry_run_lists_the_nodes_that_are_ready_and_starts_nothing() -> None:
    cluster = Nodes(STATUSES)
    removal = node_directories.DirectoryRemoval(cluster, PLAN["host"], PLAN["selector"], timeout=0.1)
    removal.run(dry=True)
    assert removal.removed == [f"{WHERE} node-{number}" for number in (1, 2, 4, 5)]
    assert cluster.created == []
