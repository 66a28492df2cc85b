"""What no roll-out can do safely: one row for each kind of it, and that nothing of this collection is one."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import safety
from ansible_collections.observability.stack.plugins.module_utils.stack.objects import objects

from tests.inventories import stack

LABELS = {"app.kubernetes.io/name": "loki"}


def workload(kind: str = "StatefulSet", replicas: int = 3, pod: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a workload of Loki that is safe, with changes."""
    container = {"name": "loki", "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}
    template = {"metadata": {"labels": LABELS}, "spec": {"terminationGracePeriodSeconds": 300, "containers": [container], **(pod or {})}}
    return {"kind": kind, "metadata": {"name": "loki"}, "spec": {"replicas": replicas, "template": template, **spec}}


def budget(**spec: Any) -> dict[str, Any]:
    return {"kind": "PodDisruptionBudget", "metadata": {"name": "loki"}, "spec": {"selector": {"matchLabels": LABELS}, **spec}}


HOST_PORT: dict[str, Any] = {"containers": [{"name": "loki", "ports": [{"containerPort": 80, "hostPort": 80}]}]}
CLAIM: dict[str, Any] = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "loki"}}]}
SURGE: dict[str, Any] = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}
NO_SURGE: dict[str, Any] = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}
ON_NODES: dict[str, Any] = {"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([workload(pod={"terminationGracePeriodSeconds": 244})], "terminationGracePeriodSeconds is 244, .* at least 245"),
        ([workload(pod={"terminationGracePeriodSeconds": 30})], "preStop takes 5 s, the drain up to 240 s"),
        ([workload("Deployment", pod=HOST_PORT, **SURGE)], "a surge needs host ports 80 twice on a node"),
        ([workload("Deployment", pod=HOST_PORT)], "a surge needs host ports 80"),
        ([workload("Deployment", pod={"hostNetwork": True}, **SURGE)], "a surge needs the network of its node twice"),
        ([workload("DaemonSet", pod=HOST_PORT, **ON_NODES)], "maxSurge should be 0"),
        ([workload("Deployment", pod=CLAIM, **SURGE)], "waits for the volume data, which the old one has"),
        ([workload(), budget(maxUnavailable=0)], "maxUnavailable 0 of 3 lets no pod go, so it blocks every drain"),
        ([workload(), budget(minAvailable=3)], "minAvailable 3 of 3"),
        ([workload(), budget(minAvailable="100%")], "minAvailable 100% of 3"),
        ([workload(), budget(minAvailable="67%")], "minAvailable 67% of 3"),
        ([workload(replicas=1), budget(minAvailable=1)], "minAvailable 1 of 1"),
        ([workload(replicas=1), budget()], "minAvailable 1 of 1"),
        ([workload(), budget(maxUnavailable="0%")], "maxUnavailable 0% of 3"),
    ],
)
def test_what_no_roll_out_or_drain_can_do_is_found(items: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        assert not safety.problems("loki", items), safety.problems("loki", items)


@pytest.mark.parametrize(
    "items",
    [
        [workload(), budget(maxUnavailable=1)],
        [workload(), budget(minAvailable=2)],
        [workload(), budget(minAvailable="50%")],
        [workload(pod={"terminationGracePeriodSeconds": 245})],
        [workload("Deployment", pod=HOST_PORT, **NO_SURGE)],
        [workload("Deployment", pod={**HOST_PORT, **CLAIM}, strategy={"type": "Recreate"})],
        [workload("DaemonSet", pod=HOST_PORT)],
        # It is for other pods.
        [workload(), {**budget(maxUnavailable=0), "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "x"}}}}],
        [workload(), {**budget(maxUnavailable=0), "spec": {"maxUnavailable": 0}}],
    ],
)
def test_what_can_be_done_is_left_alone(items: list[dict[str, Any]]) -> None:
    containers = [item["spec"]["template"]["spec"] for item in items if "template" in item["spec"]]
    for spec in containers:
        spec.setdefault("terminationGracePeriodSeconds", 300)
    assert safety.problems("loki", copy.deepcopy(items)) == []


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ({"key": "app.kubernetes.io/name", "operator": "In", "values": ["loki", "mimir"]}, True),
        ({"key": "app.kubernetes.io/name", "operator": "NotIn", "values": ["loki"]}, False),
        ({"key": "app.kubernetes.io/name", "operator": "Exists"}, True),
        ({"key": "tier", "operator": "Exists"}, False),
        ({"key": "tier", "operator": "DoesNotExist"}, True),
        ({"key": "tier", "operator": "NotIn", "values": ["a"]}, True),
    ],
)
def test_a_budget_selects_as_kubernetes_does(expression: dict[str, Any], selected: bool) -> None:
    assert safety.selects({"selector": {"matchExpressions": [expression]}}, LABELS) is selected
    assert safety.selects({"selector": {}}, LABELS)


def test_an_unsafe_object_of_a_role_is_an_error_that_says_why() -> None:
    unsafe = workload(pod={"terminationGracePeriodSeconds": 10})
    unsafe |= {"apiVersion": "apps/v1", "metadata": {"name": "loki", "namespace": "observability", "labels": LABELS}}
    unsafe["spec"]["selector"] = {"matchLabels": LABELS}
    with pytest.raises(ValueError, match="StatefulSet loki: terminationGracePeriodSeconds is 10, which ends the pod before it has drained"):
        objects(stack(), "loki", [unsafe])
