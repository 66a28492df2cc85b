"""How a run waits: what it says meanwhile, and how it gives up. The cluster's answers are scripted; the real ones are molecule's."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail, AnsibleActionSkip
from ansible_collections.observability.stack.plugins.action import wait_ready
from ansible_collections.observability.stack.plugins.doc_fragments import on_cluster
from ansible_collections.observability.stack.plugins.module_utils.cluster import Answer, Query
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import ownership
from ansible_collections.observability.stack.plugins.modules import wait_ready as wait_ready_documentation

from tests.inventories import stack

SELECTOR = ",".join(f"{name}={value}" for name, value in ownership(stack()).items())


def workload(kind: str, ready: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": "mimir", "generation": 1},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": ready},
    }


POD = {
    "metadata": {"name": "mimir-0"},
    "status": {"containerStatuses": [{"name": "mimir", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]},
}
STATES: dict[str, list[dict[str, Any]]] = {
    "Pod": [POD],
    "Node": [],
    "PersistentVolumeClaim": [],
    "Event": [{"involvedObject": {"name": "mimir-0"}, "reason": "Failed", "message": "no such image"}],
}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(wait_ready, "_FIRST_PAUSE", 0.0)
    return []


class ApiServer:
    """Answers lists of the kind that is waited for one after the other, and everything else from STATES; a text is an error."""

    def __init__(self, workloads: Iterator[Any]) -> None:
        self.workloads = workloads

    def request(self, method: str, path: str, query: Query = (), *_rest: Any) -> Answer:
        assert method == "GET"
        if path.endswith("/log"):
            return Answer(200, "cannot start\n", {}) if "/mimir-0/" in path else Answer(404, "", {})
        kind = {"pods": "Pod", "nodes": "Node", "events": "Event", "persistentvolumeclaims": "PersistentVolumeClaim"}.get(
            path.rpartition("/")[2]
        )
        if kind in (None, "Pod", "PersistentVolumeClaim"):
            assert dict(query)["labelSelector"] == SELECTOR
        found = STATES[kind] if kind else next(self.workloads)
        items = [{**item, "metadata": {"name": "an-event", **item.get("metadata", {})}} for item in found]
        return Answer(200, json.dumps({"items": items}), {})

    def object(self, method: str, path: str, query: Query = ()) -> Any:
        return self.request(method, path, query).json()


class Lease:
    """Nobody else wants it."""

    def hold(self, *_: Any) -> None:
        """Hold it."""

    keep = hold


def wait(said: list[str], workloads: Iterator[Any], *, check_mode: bool = False, timeout: int = 600, **options: Any) -> dict[str, Any]:
    """Run the action against a cluster whose StatefulSets are, one question after the other, those given."""
    task = SimpleNamespace(
        args={"stack": {**stack().to_dict(), "wait_timeout": timeout}, "kinds": ["StatefulSet"], **options},
        check_mode=check_mode,
        async_val=0,
        action="wait_ready",
        no_log=False,
    )
    action = wait_ready.ActionModule(task, SimpleNamespace(_shell=SimpleNamespace(tmpdir="unused")), None, None, None, None)
    action._display = SimpleNamespace(display=lambda line: said.append(line.removeprefix("[here] ")))
    action.cluster = lambda *_, **__: ApiServer(workloads)  # type: ignore[method-assign,assignment]
    action.lease = lambda *_: Lease()  # type: ignore[method-assign,assignment]
    return action.run(task_vars={"inventory_hostname": "here"})


def test_it_ends_when_all_is_ready_and_says_what_it_waited_for_once(said: list[str]) -> None:
    answers = iter([[workload("StatefulSet", 0)], [workload("StatefulSet", 0)], [workload("StatefulSet", 1)]])
    result = wait(said, answers)
    assert not result.get("failed")
    assert not result["changed"]
    assert said == ["waiting, 0 s: StatefulSet mimir: 0 of 1 pods ready, 1 updated; mimir-0: mimir: ImagePullBackOff"]


def test_it_gives_up_with_the_reason_the_event_and_the_log(said: list[str]) -> None:
    result = wait(said, iter([[workload("StatefulSet", 0)]]), timeout=-1)
    assert result["failed"]
    for part in ("observability_wait_timeout", "StatefulSet mimir: 0 of 1", "ImagePullBackOff", "no such image", "cannot start"):
        assert part in result["msg"]


def test_every_kind_is_waited_for(said: list[str]) -> None:
    result = wait(said, iter([[workload("StatefulSet", 1)], [workload("Deployment", 0)]]), kinds=["StatefulSet", "Deployment"], timeout=-1)
    assert "Deployment mimir: 0 of 1" in result["msg"]


PENDING = {"type": "FileSystemResizePending", "status": "True"}


@pytest.mark.parametrize(
    ("condition", "printed", "warned"),
    [
        ({}, ["PersistentVolumeClaim data-mimir-0 grows from 20Gi to 30Gi"], []),
        (PENDING, [], ["a volume of 30Gi with a file system of 20Gi", "delete the pods one after the other"]),
        (
            {"type": "ControllerResizeError", "status": "True", "message": "the quota is used up"},
            [],
            ["does not grow", "the quota is used up"],
        ),
        ({**PENDING, "status": "False"}, ["PersistentVolumeClaim data-mimir-0 grows from 20Gi to 30Gi"], []),
    ],
)
def test_a_volume_that_has_not_grown_yet_is_named_with_what_to_do(
    said: list[str], monkeypatch: pytest.MonkeyPatch, condition: dict[str, Any], printed: list[str], warned: list[str]
) -> None:
    claim = {
        "metadata": {"name": "data-mimir-0"},
        "spec": {"resources": {"requests": {"storage": "30Gi"}}},
        "status": {"capacity": {"storage": "20Gi"}, "conditions": [condition] if condition else []},
    }
    grown = {**claim, "status": {"capacity": {"storage": "30Gi"}}}
    bare = {**claim, "status": {"phase": "Pending"}}
    monkeypatch.setitem(STATES, "PersistentVolumeClaim", [claim, grown, bare])
    result = wait(said, iter([[workload("StatefulSet", 1)]]))
    assert said == printed
    text = " ".join(result.get("warnings", []))
    assert all(part in text for part in warned)
    assert bool(text) == bool(warned)
    # While pods are waited for it is part of the line.
    waiting = wait(said, iter([[workload("StatefulSet", 0)]]), timeout=-1)
    assert "data-mimir-0" in waiting["msg"].splitlines()[0]
    # An early wait has not changed everything yet.
    assert not wait(
        said,
        iter([[{**workload("StatefulSet", 1), "status": {"observedGeneration": 1, "updatedReplicas": 1, "readyReplicas": 1}}]]),
        available=False,
    ).get("warnings")


def test_check_mode_waits_for_nothing(said: list[str]) -> None:
    with pytest.raises(AnsibleActionSkip):
        wait(said, iter([]), check_mode=True)


def test_a_wrong_kind_is_rejected_by_name(said: list[str]) -> None:
    with pytest.raises(AnsibleActionFail, match="Pods"):
        wait(said, iter([]), kinds=["Pods"])


def test_the_options_are_those_of_the_documentation() -> None:
    options = yaml.safe_load(wait_ready_documentation.DOCUMENTATION)["options"]
    options |= yaml.safe_load(on_cluster.ModuleDocFragment.DOCUMENTATION)["options"]
    assert {
        name: {key: value for key, value in option.items() if key != "description"} for name, option in options.items()
    } == wait_ready.ActionModule.SPEC


# --- A clock that only sleeping moves ---


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return the clock of the wait, on which a pause takes five seconds and nothing else takes any."""
    found = SimpleNamespace(now=0.0)

    def sleep(_: float) -> None:
        found.now += 5

    monkeypatch.setattr(wait_ready, "time", SimpleNamespace(monotonic=lambda: found.now, sleep=sleep))
    return found


def on_nodes(nodes: int, updated: int) -> list[dict[str, Any]]:
    """Return a DaemonSet of so many nodes, in a roll-out that takes one after the other."""
    status = {
        "observedGeneration": 1,
        "desiredNumberScheduled": nodes,
        "updatedNumberScheduled": updated,
        "numberAvailable": nodes if updated == nodes else nodes - 1,
    }
    return [{"kind": "DaemonSet", "metadata": {"name": "alloy", "generation": 1, "uid": "1"}, "spec": {}, "status": status}]


def test_a_roll_out_over_200_nodes_may_take_longer_than_the_timeout_while_it_goes_on(said: list[str], clock: SimpleNamespace) -> None:
    result = wait(said, iter([on_nodes(200, updated) for updated in range(201)]), kinds=["DaemonSet"], timeout=10)
    assert not result.get("failed")
    assert clock.now == 1000
    assert said[100].startswith("waiting, 500 s: DaemonSet alloy: 199 of 200 pods ready, 100 updated")


def test_one_that_stands_still_fails_when_the_timeout_has_passed_since_it_did(said: list[str], clock: SimpleNamespace) -> None:
    states = itertools.chain((on_nodes(200, updated) for updated in range(100)), itertools.repeat(on_nodes(200, 99)))
    result = wait(said, states, kinds=["DaemonSet"], timeout=10)
    assert result["failed"]
    assert (
        "nothing has become ready for 10 s (observability_wait_timeout): DaemonSet alloy: 199 of 200 pods ready, 99 updated"
        in result["msg"]
    )
    assert clock.now == 99 * 5 + 15


def test_a_pod_that_comes_and_goes_is_no_progress(said: list[str], clock: SimpleNamespace) -> None:
    twice = workload("StatefulSet", 0)
    twice["spec"]["replicas"] = 2
    states = itertools.cycle([[twice], [{**twice, "status": {**twice["status"], "availableReplicas": 1}}]])
    result = wait(said, states, timeout=20)
    assert result["failed"]
    assert clock.now == 30


def test_what_is_on_a_node_that_is_not_ready_is_not_waited_for_and_said(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [
        {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}
        for name, ready in (("a", "True"), ("b", "Unknown"))
    ]
    pods = [{"metadata": {"name": f"alloy-{name}", "ownerReferences": [{"uid": "1"}]}, "spec": {"nodeName": name}} for name in ("a", "b")]
    monkeypatch.setitem(STATES, "Node", nodes)
    monkeypatch.setitem(STATES, "Pod", pods)
    daemon_set = on_nodes(2, 2)
    daemon_set[0]["status"]["numberAvailable"] = 1
    result = wait(said, iter([daemon_set]), kinds=["DaemonSet"])
    assert not result.get("failed")
    assert result["left_out"] == ["alloy-b on b"]
    assert result["warnings"] == ["not waited for, their nodes are not ready: alloy-b on b"]
    assert said == []


def test_what_no_waiting_can_mend_fails_at_once(said: list[str], clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "metadata": {"name": "mimir-0"},
        "status": {"containerStatuses": [{"name": "mimir", "state": {"waiting": {"reason": "InvalidImageName"}}}]},
    }
    monkeypatch.setitem(STATES, "Pod", [wrong])
    result = wait(said, itertools.repeat([workload("StatefulSet", 0)]))
    assert result["failed"]
    assert result["msg"].startswith("no waiting helps: mimir-0: mimir: InvalidImageName")
    assert clock.now == 0
