"""The drift report: what it finds on a real API server, by whom it was made, and that what it says of the next run comes true."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND

from tests.engine import ready
from tests.engine.installations import Installation, Run
from tools.lab import loopback

NAMESPACE = "drift"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
PASSWORD = base64.b64encode(b"not to be printed").decode()


@dataclass(frozen=True)
class Report:
    """A run of `diff.yml`, and the file that it wrote."""

    run: Run
    content: dict[str, Any]

    def of(self, key: str) -> list[dict[str, Any]]:
        """Return the findings about an object."""
        found: list[dict[str, Any]] = [each for each in self.content["findings"] if each["object"] == key]
        return found

    def fields(self, key: str, difference: str) -> dict[str, tuple[str, str, str]]:
        """Return the fields of such a finding: change, cause and manager for each path."""
        (finding,) = (each for each in self.of(key) if each["difference"] == difference)
        return {field["path"]: (field["change"], field["cause"], field["manager"]) for field in finding["fields"]}


@pytest.fixture(scope="module")
def drifting(api_server: loopback.ControlPlane) -> Installation:
    """Return a stack of this module's own."""
    made = Installation(api_server, NAMESPACE, {"ingress_class": NAMESPACE})
    run = made.play()
    assert run.code == 0, run.output
    return made


def compare(installation: Installation, directory: Path, **changes: Any) -> Report:
    """Compare, and hold that nothing on the cluster was written, the Lease of the runs included."""
    ready.make_ready(installation.cluster)
    before = {key: item["metadata"]["resourceVersion"] for key, item in installation.objects().items()}
    run = installation.play("diff.yml", diff_directory=str(directory), **changes)
    assert {key: item["metadata"]["resourceVersion"] for key, item in installation.objects().items()} == before
    content = (directory / "diff.json").read_text()
    assert PASSWORD not in run.output + content
    return Report(run, json.loads(content))


def path(kind: str, name: str, namespace: str = NAMESPACE) -> str:
    return BY_KIND[kind].path(namespace, name)


def patch(installation: Installation, manager: str, where: str, change: Any) -> None:
    """Change an object as somebody else; a list is a JSON patch."""
    sort = JSON_PATCH if isinstance(change, list) else MERGE
    answer = installation.cluster.request("PATCH", where, [("fieldManager", manager)], {"content-type": sort}, json.dumps(change).encode())
    assert answer.status == 200, answer.text


def create(installation: Installation, kind: str, name: str, component: str, **content: Any) -> None:
    """Create an object with the labels of the stack, as somebody else."""
    labels = {
        "app.kubernetes.io/instance": f"{NAMESPACE}.{NAMESPACE}",
        "app.kubernetes.io/part-of": "observability-stack",
        "app.kubernetes.io/managed-by": "ansible",
        "app.kubernetes.io/component": component,
    }
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels}, **content}
    query = [("fieldManager", "somebody")]
    answer = installation.cluster.request("POST", path(kind, ""), query, {"content-type": "application/json"}, json.dumps(body).encode())
    assert answer.status == 201, answer.text


def delete(installation: Installation, kind: str, name: str) -> None:
    answer = installation.cluster.request("DELETE", path(kind, name))
    assert answer.status == 200, answer.text


def mutate(installation: Installation) -> None:
    """Do to the cluster what people and controllers do."""
    delete(installation, "ConfigMap", "alloy")
    delete(installation, "Secret", "grafana-admin")
    patch(installation, "somebody", path("Secret", "observability-tls"), {"data": {"tls.crt": PASSWORD}})
    template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}}}
    patch(installation, "kubectl-rollout", path("Deployment", "grafana"), {"spec": {"template": template}})
    sidecar = {"name": "sidecar", "image": "example.test/sidecar:1", "env": [{"name": "PASSWORD", "value": PASSWORD}]}
    variable = {"name": "ADDED", "value": PASSWORD}
    containers = "/spec/template/spec/containers"
    patch(
        installation,
        "kubectl-patch",
        path("Deployment", "grafana"),
        [
            {"op": "add", "path": f"{containers}/-", "value": sidecar},
            {"op": "add", "path": f"{containers}/0/env/-", "value": variable},
        ],
    )
    patch(
        installation, "kubectl-set", path("StatefulSet", "mimir"), [{"op": "replace", "path": f"{containers}/0/image", "value": "mimir:0"}]
    )
    # As a HorizontalPodAutoscaler's controller does it.
    patch(installation, "kube-controller-manager", f"{path('StatefulSet', 'prometheus')}/scale", {"spec": {"replicas": 7}})
    revision = {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "3"}}}
    patch(installation, "kube-controller-manager", path("Deployment", "ingress"), revision)
    patch(installation, "labeller", path("Service", "loki"), {"metadata": {"labels": {"example.com/team": "x"}}})
    ports = [{"op": "add", "path": "/spec/ports/-", "value": {"name": "added", "port": 99}}]
    patch(installation, "somebody", path("Service", "grafana"), ports)
    patch(installation, "somebody", path("Service", "mimir"), {"metadata": {"labels": {"app.kubernetes.io/name": None}}})
    patch(installation, "somebody", path("ConfigMap", "loki"), {"data": {"loki.yaml": f"password: {PASSWORD}"}})
    patch(installation, "somebody", path("ServiceAccount", "loki"), {"metadata": {"managedFields": [{}]}})
    # Inside what is owned as a whole.
    patch(installation, "somebody", path("NetworkPolicy", "loki"), [{"op": "remove", "path": "/spec/ingress/0"}])
    create(installation, "ConfigMap", "foreign", "loki", data={"key": "value"})
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    create(installation, "PersistentVolumeClaim", "data-gone-0", "gone", spec=claim)
    create(installation, "PersistentVolumeClaim", "data-loki-0", "loki", spec=claim)


@pytest.fixture(scope="module")
def clean(drifting: Installation, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return the report of the stack as it was installed."""
    return compare(drifting, tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def report(drifting: Installation, clean: Report, tmp_path_factory: pytest.TempPathFactory) -> Report:  # noqa: ARG001 - it comes before
    """Return the report after the mutations."""
    mutate(drifting)
    return compare(drifting, tmp_path_factory.mktemp("drift"))


@pytest.fixture(scope="module")
def changed(drifting: Installation, report: Report, tmp_path_factory: pytest.TempPathFactory) -> Report:  # noqa: ARG001 - it comes before
    """Return the report after a change of the inventory, which nobody has applied yet."""
    changes: dict[str, Any] = {
        "alloy_enabled": False,
        "otel_collector_replicas": 3,
        "mimir_storage_size": "99Gi",
        "loki_storage_size": "99Gi",
        "loki_pod": {"storage_class": "other"},
        "diff_ignore_managers": ["labeller"],
    }
    return compare(drifting, tmp_path_factory.mktemp("inventory"), diff_fail=False, **changes)


def test_an_installed_stack_has_no_drift(clean: Report) -> None:
    assert clean.run.code == 0, clean.run.output
    assert (clean.content["result"], clean.content["findings"]) == ("clean", [])
    assert {name: clean.content[name] for name in ("schema", "host", "cluster", "namespace", "error")} == {
        "schema": 1,
        "host": "north",
        "cluster": NAMESPACE,
        "namespace": NAMESPACE,
        "error": "",
    }


def test_drift_fails_with_the_numbers_and_is_printed_as_a_table(report: Report) -> None:
    assert report.run.code == 2
    assert report.content["result"] == "drift"
    summary = {"rejected": 0, "missing": 2, "changed": 6, "added": 3, "extra": 1, "certificate": 1, "kept": 1}
    assert report.content["summary"] == summary
    counted = ", ".join(f"{count} {name}" for name, count in summary.items() if count)
    assert f"the cluster differs from the inventory: {counted}. The report is in" in report.run.output
    lines = [" ".join(line.split()) for line in report.run.lines]
    assert f"missing ConfigMap {NAMESPACE}/alloy the next run creates it" in lines
    assert "spec.replicas (cluster: 7, inventory: 2): by kube-controller-manager (scale)" in "\n".join(lines)


@pytest.mark.parametrize(
    ("key", "difference", "next_run"),
    [
        (f"ConfigMap {NAMESPACE}/alloy", "missing", "creates it"),
        (f"Secret {NAMESPACE}/grafana-admin", "missing", "creates it"),
        (f"Secret {NAMESPACE}/observability-tls", "certificate", "makes a new one"),
        (f"ConfigMap {NAMESPACE}/foreign", "extra", "leaves it"),
        (f"PersistentVolumeClaim {NAMESPACE}/data-gone-0", "kept", "leaves it"),
    ],
)
def test_objects_as_a_whole(report: Report, key: str, difference: str, next_run: str) -> None:
    assert [(each["difference"], each["next_run"]) for each in report.of(key)] == [(difference, next_run)]


@pytest.mark.parametrize(
    ("key", "field", "expected"),
    [
        ("StatefulSet.apps drift/mimir", "spec.template.spec.containers[mimir].image", ("different", "manager", "kubectl-set")),
        ("StatefulSet.apps drift/prometheus", "spec.replicas", ("different", "manager", "kube-controller-manager")),
        ("Service drift/mimir", "metadata.labels[app.kubernetes.io/name]", ("missing", "unknown", "")),
        ("ConfigMap drift/loki", "data[loki.yaml]", ("different", "manager", "somebody")),
        ("ServiceAccount drift/loki", "automountServiceAccountToken", ("ownership", "unknown", "")),
        ("NetworkPolicy.networking.k8s.io drift/loki", "spec.ingress", ("different", "manager", "somebody")),
    ],
)
def test_fields_that_others_have_changed(report: Report, key: str, field: str, expected: tuple[str, str, str]) -> None:
    fields = report.fields(key, "changed")
    assert fields[field] == expected
    assert len(fields) == (1 if expected[0] != "ownership" else 6)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (
            "Deployment.apps drift/grafana",
            {
                "spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]": "kubectl-rollout",
                "spec.template.spec.containers[grafana].env[ADDED]": "kubectl-patch",
                "spec.template.spec.containers[sidecar]": "kubectl-patch",
            },
        ),
        ("Service drift/grafana", {"spec.ports[99/TCP]": "somebody"}),
        ("Service drift/loki", {"metadata.labels[example.com/team]": "labeller"}),
    ],
)
def test_what_others_have_added(report: Report, key: str, expected: dict[str, str]) -> None:
    assert report.fields(key, "added") == {name: ("added", "manager", manager) for name, manager in expected.items()}


def test_what_controllers_note_is_no_drift_by_default(report: Report) -> None:
    assert report.of("Deployment.apps drift/ingress") == []


def test_a_change_of_the_inventory_is_told_apart_from_that_of_a_manager(changed: Report) -> None:
    assert changed.fields("StatefulSet.apps drift/otel-collector", "changed") == {"spec.replicas": ("different", "inventory", "")}
    assert changed.fields("StatefulSet.apps drift/prometheus", "changed")["spec.replicas"][1] == "manager"


def test_what_a_component_that_is_switched_off_leaves_is_extra(changed: Report) -> None:
    (workload,) = changed.of("DaemonSet.apps drift/alloy")
    assert (workload["difference"], workload["next_run"]) == ("extra", "removes it")


def test_what_the_api_server_does_not_take_is_rejected_and_the_rest_compared(changed: Report) -> None:
    (finding,) = changed.of("StatefulSet.apps drift/loki")
    assert (finding["difference"], finding["next_run"]) == ("rejected", "fails")
    assert "updates to statefulset spec" in finding["reason"]


def test_larger_volumes_are_a_change_for_which_the_stateful_set_is_made_anew(changed: Report) -> None:
    (finding,) = changed.of("StatefulSet.apps drift/mimir")
    assert (finding["difference"], finding["next_run"]) == ("changed", "re-creates it")
    assert finding["reason"] == "volumes grow from 50Gi to 99Gi; re-created, its pods stay until each is replaced"
    causes = {field["path"]: field["cause"] for field in finding["fields"]}
    assert causes == {"spec.template.spec.containers[mimir].image": "manager", "spec.volumeClaimTemplates": "inventory"}


def test_managers_can_be_ignored_and_drift_be_only_reported(changed: Report) -> None:
    assert changed.of("Service drift/loki") == []
    # The list of the inventory takes the place of the default.
    assert "metadata.annotations[deployment.kubernetes.io/revision]" in changed.fields("Deployment.apps drift/ingress", "added")
    assert changed.run.code == 0, changed.run.output
    assert changed.content["result"] == "drift"


def test_a_comparison_that_is_not_possible_is_no_clean_report(drifting: Installation, tmp_path: Path) -> None:
    run = drifting.play("diff.yml", diff_directory=str(tmp_path), diff_fail=False, observability_context="other")
    content = json.loads((tmp_path / "diff.json").read_text())
    assert run.code == 2
    assert (content["result"], content["findings"]) == ("failed", [])
    assert "observability_context is 'other'" in content["error"]


@pytest.fixture(scope="module")
def repaired(drifting: Installation, changed: Report, tmp_path_factory: pytest.TempPathFactory) -> Report:  # noqa: ARG001
    """Return the report after the next run."""
    run = drifting.play()
    assert run.code == 0, run.output
    return compare(drifting, tmp_path_factory.mktemp("repaired"))


def test_the_next_run_does_what_the_report_says(report: Report, repaired: Report) -> None:
    stays = [each for each in report.content["findings"] if each["next_run"] == "leaves it"]
    assert repaired.content["findings"] == stays
    assert len(stays) < len(report.content["findings"])


def test_before_the_first_run_everything_is_missing(api_server: loopback.ControlPlane, tmp_path: Path) -> None:
    nowhere = Installation(api_server, "nowhere", {"ingress_class": "nowhere"})
    report = compare(nowhere, tmp_path)
    summary = report.content["summary"]
    assert report.of("Namespace nowhere")[0]["difference"] == "missing"
    assert report.of("Secret nowhere/observability-tls-authority")[0]["reason"] == "there is no certificate authority yet"
    assert summary["missing"] == sum(summary.values()) > 50
    assert nowhere.objects() == {}
