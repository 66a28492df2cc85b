"""What the state of workloads and pods means."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.plugin_utils import _workloads


def workload(kind: str, status: dict[str, int] | None, generation: int = 2, **spec: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": "x", "generation": generation},
        "spec": spec,
        **({"status": status} if status is not None else {}),
    }


ROLLED_OUT = {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2}
ON_EVERY_NODE = {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}


@pytest.mark.parametrize(
    "ready",
    [
        workload("StatefulSet", ROLLED_OUT, replicas=2),
        workload("Deployment", {**ROLLED_OUT, "availableReplicas": 3}, replicas=2),
        workload("DaemonSet", ON_EVERY_NODE),
        workload("DaemonSet", {"observedGeneration": 2, "desiredNumberScheduled": 0}),
        workload("Deployment", {"observedGeneration": 2}, replicas=0),
    ],
)
def test_a_workload_that_is_rolled_out(ready: dict[str, Any]) -> None:
    assert _workloads.not_ready([ready]) == []


@pytest.mark.parametrize(
    ("waiting", "line"),
    [
        (workload("StatefulSet", None, replicas=2), "StatefulSet x: 0 of 2 pods ready, 0 updated"),
        (workload("StatefulSet", {}, replicas=1), "StatefulSet x: 0 of 1 pods ready, 0 updated"),
        (workload("Deployment", {**ROLLED_OUT, "updatedReplicas": 1}, replicas=2), "Deployment x: 2 of 2 pods ready, 1 updated"),
        (workload("Deployment", {**ROLLED_OUT, "availableReplicas": 1}, replicas=2), "Deployment x: 1 of 2 pods ready, 2 updated"),
        # The controller has not seen the new template: its numbers are those of the old one.
        (workload("StatefulSet", ROLLED_OUT, generation=3, replicas=2), "StatefulSet x: 2 of 2 pods ready, 2 updated"),
        (workload("DaemonSet", {**ON_EVERY_NODE, "numberAvailable": 2}), "DaemonSet x: 2 of 3 pods ready, 3 updated"),
    ],
)
def test_a_workload_that_is_not(waiting: dict[str, Any], line: str) -> None:
    assert _workloads.not_ready([workload("Deployment", ROLLED_OUT, replicas=2), waiting]) == [line]


def pod(name: str = "mimir-0", ready: str = "False", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}], **status}}


def container(**state: Any) -> dict[str, Any]:
    return {"name": "mimir", **state}


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (
            {"containerStatuses": [container(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})]},
            "mimir: ImagePullBackOff no such image",
        ),
        (
            {
                "containerStatuses": [
                    container(
                        state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState={"terminated": {"exitCode": 1, "reason": "Error"}}
                    )
                ]
            },
            "mimir: CrashLoopBackOff; mimir: Error, exit code 1",
        ),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]}, "0/3 nodes are available"),
        ({"phase": "Pending"}, "Pending"),
    ],
)
def test_why_a_pod_waits(status: dict[str, Any], why: str) -> None:
    assert _workloads.waiting_pods([pod("ok", ready="True"), pod(**status)]) == [{"name": "mimir-0", "why": why}]


def test_a_pod_without_a_status_waits_for_an_unknown_reason() -> None:
    assert _workloads.waiting_pods([{"metadata": {"name": "new"}}]) == [{"name": "new", "why": "unknown"}]


def test_reasons_come_with_the_events_and_the_last_lines_of_the_pod_and_of_no_other() -> None:
    events = [
        {"involvedObject": {"name": name}, "reason": "Unhealthy", "message": f"probe {number}"}
        for name in ("mimir-0", "loki-0")
        for number in range(5)
    ]
    logs = [{"item": "mimir-0", "log": "\n".join(f"line {number}" for number in range(20))}, {"item": "loki-0", "log": "other"}]
    lines = _workloads.waiting_reasons([pod(phase="Running"), pod("loki-0", ready="True")], events, logs).splitlines()
    assert lines[0] == "pod mimir-0 is not ready: Running"
    assert lines[1:4] == [f"  event Unhealthy: probe {number}" for number in (2, 3, 4)]
    assert lines[4:] == [f"  log: line {number}" for number in range(10, 20)]


def test_a_pod_whose_log_could_not_be_read_has_reasons_all_the_same() -> None:
    assert "mimir-0" in _workloads.waiting_reasons([pod(phase="Pending")], [], [{"item": "mimir-0", "failed": True}])


def test_when_all_became_ready_meanwhile_it_says_so() -> None:
    assert "run the playbook again" in _workloads.waiting_reasons([pod(ready="True")], [], [])


def changed(kind: str, before: Any, after: Any) -> dict[str, Any]:
    return {
        "changed": True,
        "method": "update",
        "result": {"kind": kind, "metadata": {"name": "x"}},
        "diff": {"before": before, "after": after},
    }


def test_changes_are_told_field_by_field() -> None:
    one = changed("StatefulSet", {"spec": {"replicas": 2, "same": 1}}, {"spec": {"replicas": 3, "same": 1, "args": ["a"]}})
    assert _workloads.object_changes(one) == ["StatefulSet x: update", "  spec.args[0]: None -> 'a'", "  spec.replicas: 2 -> 3"]


def test_of_several_objects_only_those_that_changed_are_told() -> None:
    results = [changed("Service", {"a": 1}, {"a": 2}), {**changed("Service", {}, {}), "changed": False}]
    assert _workloads.object_changes({"changed": True, "result": {"results": results}}) == ["Service x: update", "  a: 1 -> 2"]


def test_what_the_api_server_counts_is_no_change_of_its_own() -> None:
    one = changed(
        "Service", {"metadata": {"generation": 1, "resourceVersion": "7"}}, {"metadata": {"generation": 2, "resourceVersion": "8"}}
    )
    assert _workloads.object_changes(one) == ["Service x: update"]


def test_a_secret_is_named_and_its_values_are_not() -> None:
    lines = _workloads.object_changes(changed("Secret", {"data": {"password": "b2xk"}}, {"data": {"password": "bmV3"}}))
    assert lines == ["Secret x: update"]
