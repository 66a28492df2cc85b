"""What the state of workloads and pods means."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import rollouts


def workload(kind: str, status: dict[str, Any] | None, generation: int = 2, **spec: Any) -> dict[str, Any]:
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
    assert rollouts.rollout(ready).done


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
    rollout = rollouts.rollout(waiting)
    assert not rollout.done
    assert str(rollout) == line
    ready = rollouts.rollout(workload("Deployment", ROLLED_OUT, replicas=2))
    assert rollouts.waiting_line([ready, rollout], []) == line


# --- Nodes that are not ready ---


def node(name: str, ready: str = "True") -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


def owned(name: str, node: str, *, uid: str = "1", new: bool = True, ready: bool = True) -> dict[str, Any]:
    """Return a pod of the workload whose uid is 1, on a node, with the workload's newest template or an older one."""
    version = "2" if new else "1"
    return {
        "metadata": {
            "name": name,
            "ownerReferences": [{"uid": uid}],
            "labels": {"pod-template-generation": version, "controller-revision-hash": version},
        },
        "spec": {"nodeName": node},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def daemon_set(desired: int, updated: int, available: int) -> dict[str, Any]:
    status = {
        "observedGeneration": 2,
        "desiredNumberScheduled": desired,
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
    }
    found = workload("DaemonSet", status)
    found["metadata"] |= {"uid": "1", "annotations": {"deprecated.daemonset.template.generation": "2"}}
    return found


def stateful_set(replicas: int, updated: int, available: int) -> dict[str, Any]:
    status = {"observedGeneration": 2, "updatedReplicas": updated, "availableReplicas": available, "updateRevision": "2"}
    found = workload("StatefulSet", status, replicas=replicas)
    found["metadata"]["uid"] = "1"
    return found


def test_of_200_nodes_those_that_are_not_ready_are_left_out_by_name() -> None:
    nodes = [node(f"node-{number}", "Unknown" if number in (7, 8, 9) else "True") for number in range(200)]
    pods = [owned(f"alloy-{number}", f"node-{number}", ready=number not in (7, 8, 9)) for number in range(200)]
    rollout = rollouts.rollout(daemon_set(200, 200, 197), pods, nodes)
    assert rollout.done
    assert (rollout.wanted, rollout.updated, rollout.ready) == (197, 197, 197)
    assert rollout.left_out == ("alloy-7 on node-7", "alloy-8 on node-8", "alloy-9 on node-9")
    assert not rollouts.rollout(daemon_set(200, 200, 197)).done


HELD = "; the roll-out may be held back until they are ready"


def test_a_pod_on_a_node_that_is_not_ready_does_not_hide_another_that_is_not_updated() -> None:
    nodes = [node("a"), node("b"), node("c", "False")]
    pods = [owned("x-a", "a"), owned("x-b", "b", new=False), owned("x-c", "c", ready=False)]
    # Two are updated, two are available; but one of the updated ones is the one that does not count.
    rollout = rollouts.rollout(daemon_set(3, 2, 2), pods, nodes)
    assert not rollout.done
    assert str(rollout) == "DaemonSet x: 2 of 2 pods ready, 1 updated (left out, their nodes are not ready: x-c on c)" + HELD


def test_a_cordoned_node_that_is_ready_is_waited_for() -> None:
    cordoned = {**node("b"), "spec": {"unschedulable": True}}
    pods = [owned("x-a", "a"), owned("x-b", "b", ready=False)]
    assert not rollouts.rollout(daemon_set(2, 2, 1), pods, [node("a"), cordoned]).done


def test_a_pod_that_has_not_reached_its_node_is_left_out_with_it() -> None:
    pending = owned("x-b", "")
    wanted = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]}
    pending["spec"] = {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [wanted]}}}}
    rollout = rollouts.rollout(daemon_set(2, 1, 1), [owned("x-a", "a"), pending], [node("a"), node("b", "Unknown")])
    assert rollout.done
    assert rollout.left_out == ("x-b on b",)


@pytest.mark.parametrize(
    ("found", "pods", "nodes"),
    [
        # Nothing is left that could serve: the store has to come back.
        (stateful_set(1, 1, 0), [owned("x-0", "a", ready=False)], [node("a", "Unknown"), node("b")]),
        (daemon_set(1, 1, 0), [owned("x-a", "a", ready=False)], [node("a", "Unknown")]),
        # The pods of another workload.
        (daemon_set(2, 2, 1), [owned("x-a", "a"), owned("y", "b", uid="2")], [node("a"), node("b", "False")]),
        # Nobody may look at the nodes.
        (daemon_set(2, 2, 1), [owned("x-a", "a"), owned("x-b", "b", ready=False)], []),
        # A node that is gone takes its pods with it; the numbers of the workload follow.
        (daemon_set(2, 2, 1), [owned("x-a", "a"), owned("x-c", "c", ready=False)], [node("a"), node("b")]),
    ],
)
def test_what_is_waited_for_all_the_same(found: dict[str, Any], pods: list[dict[str, Any]], nodes: list[dict[str, Any]]) -> None:
    rollout = rollouts.rollout(found, pods, nodes)
    assert not rollout.done
    assert not rollout.left_out


def test_a_replica_of_several_is_left_out_with_its_node() -> None:
    pods = [owned("x-0", "a"), owned("x-1", "b", ready=False)]
    nodes = [node("a"), node("b", "Unknown")]
    assert rollouts.rollout(stateful_set(2, 2, 1), pods, nodes).done
    # The one that is left has an old template: the roll-out stands still, and that is no success.
    pods[0] = owned("x-0", "a", new=False)
    assert not rollouts.rollout(stateful_set(2, 1, 1), pods, nodes).done


def test_every_step_of_a_pod_and_of_a_roll_out_is_progress() -> None:
    def counts(rollout: rollouts.Rollout, *conditions: str) -> dict[str, int]:
        status = {"conditions": [{"type": name, "status": "True"} for name in conditions]}
        return rollouts.progress([rollout], [{"metadata": {"name": "x-0"}, "status": status}])

    steps = [
        counts(rollouts.Rollout("x", seen=False, wanted=1, updated=0, ready=0)),
        counts(rollouts.Rollout("x", seen=True, wanted=1, updated=0, ready=0)),
        counts(rollouts.Rollout("x", seen=True, wanted=1, updated=1, ready=0)),
        counts(rollouts.Rollout("x", seen=True, wanted=1, updated=1, ready=0), "PodScheduled"),
        counts(rollouts.Rollout("x", seen=True, wanted=1, updated=1, ready=1), "PodScheduled"),
    ]
    for before, after in itertools.pairwise(steps):
        assert any(after[name] > before[name] for name in after)


def test_a_line_names_the_first_pods_and_counts_the_others() -> None:
    line = rollouts.waiting_line([], [pod(f"alloy-{number}", phase="Pending") for number in range(200)])
    assert line.startswith("alloy-0: Pending; ")
    assert line.endswith("alloy-4: Pending; and 195 more pods")


@pytest.mark.parametrize(("reason", "hopeless"), [("InvalidImageName", True), ("ErrImagePull", False), ("CrashLoopBackOff", False)])
def test_only_what_cannot_change_is_hopeless(reason: str, hopeless: bool) -> None:
    found = rollouts.hopeless([pod(containerStatuses=[container(state={"waiting": {"reason": reason}})]), pod("mimir-1")])
    assert found == ([f"mimir-0: mimir: {reason}"] if hopeless else [])


def test_a_workload_whose_pods_are_not_allowed_says_why() -> None:
    message = 'pods "mimir-0" is forbidden: no PriorityClass with name high was found'
    event = {"involvedObject": {"kind": "StatefulSet", "name": "mimir"}, "reason": "FailedCreate", "message": message}
    assert rollouts.waiting_reasons([], [event], []) == f"StatefulSet mimir: {message}"


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
    assert rollouts.waiting_pods([pod("ok", ready="True"), pod(**status)]) == [{"name": "mimir-0", "why": why}]


def test_a_pod_without_a_status_waits_for_an_unknown_reason() -> None:
    assert rollouts.waiting_pods([{"metadata": {"name": "new"}}]) == [{"name": "new", "why": "unknown"}]


def test_reasons_come_with_the_events_and_the_last_lines_of_the_pod_and_of_no_other() -> None:
    events = [
        {"involvedObject": {"name": name}, "reason": "Unhealthy", "message": f"probe {number}"}
        for name in ("mimir-0", "loki-0")
        for number in range(5)
    ]
    logs = [{"item": "mimir-0", "log": "\n".join(f"line {number}" for number in range(20))}, {"item": "loki-0", "log": "other"}]
    lines = rollouts.waiting_reasons([pod(phase="Running"), pod("loki-0", ready="True")], events, logs).splitlines()
    assert lines[0] == "pod mimir-0 is not ready: Running"
    assert lines[1:4] == [f"  event Unhealthy: probe {number}" for number in (2, 3, 4)]
    assert lines[4:] == [f"  log: line {number}" for number in range(10, 20)]


def test_a_pod_whose_log_could_not_be_read_has_reasons_all_the_same() -> None:
    assert "mimir-0" in rollouts.waiting_reasons([pod(phase="Pending")], [], [{"item": "mimir-0", "failed": True}])


def test_when_all_became_ready_meanwhile_it_says_so() -> None:
    assert "run the playbook again" in rollouts.waiting_reasons([pod(ready="True")], [], [])


# --- pods that are to be replaced ---


def replica(number: int, *, ready: bool = True, ending: bool = False) -> dict[str, Any]:
    ended = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if ending else {}
    condition = {"type": "Ready", "status": str(ready), **({} if ready else {"message": "not yet"})}
    return {"metadata": {"name": f"x-{number}", **ended}, "status": {"conditions": [condition]}}


THREE = workload("StatefulSet", {"observedGeneration": 2, "availableReplicas": 2}, replicas=3)


@pytest.mark.parametrize(
    ("found", "pods", "held"),
    [
        (THREE, [replica(0), replica(1, ready=False), replica(2)], {"x-1": "not yet"}),
        (THREE, [replica(0, ready=False), replica(1), replica(2)], {"x-0": "not yet"}),
        (THREE, [replica(0), replica(2)], {"x-1": "it is not there"}),
        (THREE, [replica(0), replica(1, ending=True), replica(2)], {"x-1": "it is ending"}),
        # It is replaced first, so no other one is missing in addition.
        (THREE, [replica(0), replica(1), replica(2, ready=False)], {}),
        (THREE, [replica(0), replica(1)], {}),
        (THREE, [replica(0), replica(1), replica(2, ending=True)], {}),
        # When it is ready again, the next one would go while the other one is missing.
        (THREE, [replica(0, ready=False), replica(1), replica(2, ready=False)], {"x-0": "not yet", "x-2": "not yet"}),
        # Nothing is lost.
        (THREE, [replica(number, ready=False) for number in range(3)], {}),
        (THREE, [], {}),
        (workload("StatefulSet", {}, replicas=1), [], {}),
        # Ready, but not for long enough, or not counted yet.
        (THREE, [replica(0), replica(1), replica(2)], {"x": "its controller does not say yet that all pods are available"}),
        (
            {**THREE, "spec": {"replicas": 3, "minReadySeconds": 10}},
            [replica(0), replica(1), replica(2)],
            {"x": "its controller does not say yet that all pods are available for its minReadySeconds (10 s)"},
        ),
        # The pods that there are to be, and no other one.
        (
            {**THREE, "spec": {"replicas": 2, "ordinals": {"start": 5}}},
            [replica(0, ready=False), replica(5, ready=False), replica(6)],
            {"x-5": "not yet"},
        ),
    ],
)
def test_another_pod_is_replaced_when_none_is_missing_or_only_the_one_that_is_replaced_first(
    found: dict[str, Any], pods: list[dict[str, Any]], held: dict[str, str]
) -> None:
    assert rollouts.held_back(found, pods) == held


@pytest.mark.parametrize(
    ("status", "available"),
    [
        ({"observedGeneration": 2, "availableReplicas": 3}, True),
        ({"observedGeneration": 1, "availableReplicas": 3}, False),
        ({"observedGeneration": 2, "availableReplicas": 2, "readyReplicas": 3}, False),
        (None, False),
    ],
)
def test_all_pods_are_available_when_the_controller_says_so_of_the_newest_template(status: dict[str, Any] | None, available: bool) -> None:
    assert rollouts.available(workload("StatefulSet", status, replicas=3)) is available
