"""What the inventory no longer produces is removed, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.engine.installations import Installation

LABELS = {
    "app.kubernetes.io/instance": "observability.observability",
    "app.kubernetes.io/part-of": "observability-stack",
    "app.kubernetes.io/managed-by": "ansible",
}


@pytest.fixture
def stack(installation: Installation, garbage_collector: None) -> Iterator[Installation]:  # noqa: ARG001 - it ends the removals
    """Yield the installed stack, and put back what a test has taken from it."""
    before = installation.objects().keys()
    yield installation
    run = installation.play()
    assert run.code == 0, run.output
    assert installation.objects().keys() == before


def made_by(stack: Installation, manager: str, kind: str, name: str, **content: object) -> str:
    """Put an object with the labels of the stack on the cluster; return its key."""
    version = {"NetworkPolicy": "networking.k8s.io/v1"}.get(kind, "v1")
    item = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": LABELS}, **content}
    arguments = ("apply", f"--namespace={stack.namespace}", "--server-side", f"--field-manager={manager}", "--filename=-")
    stack.server.kubectl(*arguments, given=json.dumps(item))
    return f"{kind}{'.networking.k8s.io' if kind == 'NetworkPolicy' else ''} {stack.namespace}/{name}"


def test_policies_and_a_disruption_budget_go_and_what_others_have_made_stays(stack: Installation) -> None:
    other = made_by(stack, "kubectl", "NetworkPolicy", "of-others", spec={"podSelector": {}})
    before = stack.objects()
    run = stack.play(observability_network_policies=False, ingress_replicas=1)
    assert run.code == 0, run.output
    after = stack.objects()
    expected = {key for key in before if key.startswith("NetworkPolicy.")} - {other}
    assert len(expected) > 5
    assert before.keys() - after.keys() == expected | {"PodDisruptionBudget.policy observability/ingress"}
    assert not after.keys() - before.keys()
    held = [key for key in before if key.startswith(("Secret ", "PersistentVolumeClaim ", "Namespace "))]
    assert {key.partition(" ")[0] for key in held} == {"Secret", "PersistentVolumeClaim", "Namespace"}
    assert [after[key]["metadata"]["resourceVersion"] for key in held] == [before[key]["metadata"]["resourceVersion"] for key in held]
    stack.server.kubectl("delete", f"--namespace={stack.namespace}", "networkpolicy", "of-others")


def test_one_object_too_many_is_all_that_a_run_removes(installation: Installation, garbage_collector: None) -> None:  # noqa: ARG001
    stack = installation
    before = stack.versions()
    # Ours are known by their manager; a Secret of ours stays in any case, since it holds what cannot be made again.
    made = made_by(stack, "observability.stack", "ConfigMap", "left-over", data={"key": "value"})
    others = [made_by(stack, "kubectl", "ConfigMap", "of-others"), made_by(stack, "observability.stack", "Secret", "old-password")]
    run = stack.play()
    assert run.code == 0, run.output
    assert [line for line in run.lines if line.endswith("removed")] == ["ConfigMap left-over: removed"]
    after = stack.versions()
    assert made not in after
    assert after.keys() == before.keys() | set(others)
    assert {key: after[key] for key in before} == before
    assert stack.play().settled
    stack.server.kubectl("delete", f"--namespace={stack.namespace}", "configmap/of-others", "secret/old-password")
