"""What a removal takes and what it leaves; the removal itself runs on a cluster, in the scenario `stack`."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils import removal, survey
from ansible_collections.observability.stack.plugins.module_utils.cluster import Answer
from ansible_collections.observability.stack.plugins.plugin_utils import _ownership, _wiring

from tests.inventories import load, stack

KINDS = "roles/common/vars/main.yml"
PLAN = _ownership.removal_plan(stack())
OURS = {**PLAN["selector"], "app.kubernetes.io/name": "prometheus"}


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("Ingress", "ingresses"),
        ("IngressClass", "ingressclasses"),
        ("Service", "services"),
        ("PersistentVolumeClaim", "persistentvolumeclaims"),
    ],
)
def test_the_path_of_a_kind(kind: str, resource: str) -> None:
    assert removal.path("v1", kind, "shop").startswith(f"/api/v1/namespaces/shop/{resource}")
    assert removal.path("networking.k8s.io/v1", kind, name="a") == f"/apis/networking.k8s.io/v1/{resource}/a"


def test_a_removal_selects_by_the_instance_and_not_by_the_collection_alone() -> None:
    assert PLAN["selector"]["app.kubernetes.io/instance"] == _wiring.instance(stack())
    others = [
        _wiring.labels(stack(observability_namespace="second"), "prometheus"),
        _wiring.labels(stack(observability_cluster_name="b"), "loki"),
    ]
    assert all(not PLAN["selector"].items() <= labels.items() for labels in others)
    assert PLAN["selector"].items() <= _wiring.labels(stack(), "prometheus").items()


# kind, metadata, whether it keeps the namespace
OBJECTS: list[tuple[str, dict[str, Any], bool]] = [
    ("StatefulSet", {"name": "database"}, True),
    ("PersistentVolumeClaim", {"name": "data-database-0", "labels": {"app": "database"}}, True),
    ("Secret", {"name": "observability-tls"}, True),
    ("ConfigMap", {"name": "prometheus", "labels": {**OURS, "app.kubernetes.io/instance": "observability.other"}}, True),
    ("Widget", {"name": "of-an-operator"}, True),
    ("ConfigMap", {"name": "prometheus", "labels": OURS}, False),
    ("Pod", {"name": "database-0", "ownerReferences": [{"kind": "StatefulSet"}]}, False),
    ("Event", {"name": "prometheus-0.17"}, False),
    ("EndpointSlice", {"name": "prometheus-x7"}, False),
    ("ConfigMap", {"name": "kube-root-ca.crt"}, False),
    ("ServiceAccount", {"name": "default"}, False),
    ("ServiceAccount", {"name": "kube-root-ca.crt"}, True),
    ("Secret", {"name": "default-token-x", "annotations": {"kubernetes.io/service-account.name": "default"}}, False),
]


@pytest.mark.parametrize(("kind", "metadata", "strange"), OBJECTS)
def test_what_others_have_keeps_a_namespace(kind: str, metadata: dict[str, Any], strange: bool) -> None:
    assert removal.is_strange(kind, metadata, PLAN["selector"]) is strange


def test_the_directory_of_a_stack_on_a_node_is_its_own() -> None:
    host = PLAN["host"]
    pod = removal.cleaner(host, PLAN["selector"], "node-1")
    (container,) = pod["spec"]["containers"]
    assert container["command"] == ["rm", "-rf", "--", "/host/observability.test"]
    assert container["image"] == stack().images["alloy"]
    assert pod["spec"]["volumes"][0]["hostPath"]["path"] == "/var/lib/observability-stack"
    assert PLAN["selector"].items() <= pod["metadata"]["labels"].items()
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_nodes_are_touched_only_where_alloy_has_written() -> None:
    assert _ownership.removal_plan(stack(alloy_log_source="api"))["host"] is None
    assert _ownership.removal_plan(stack(alloy_enabled=False))["host"] is None


def test_what_components_make_without_labels_is_known() -> None:
    assert [(row["kind"], row["name"]) for row in PLAN["unlabelled"]] == [("Lease", "ingress-nginx")]
    assert _ownership.removal_plan(stack(ingress_nginx_enabled=False))["unlabelled"] == []


def test_data_goes_only_with_the_data() -> None:
    rows = load(KINDS)["__common_kinds"]
    assert {row["kind"] for row in rows if row["data"]} == {"Secret", "PersistentVolumeClaim", "Namespace"}
    assert rows[-1]["kind"] == "Namespace"


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
    assert removal.outcome_of({"status": status}) == outcome


class Null:
    """A cluster whose lists are empty, and null, as the API server writes a list of metadata without any."""

    server = "https://192.0.2.1:6443"

    def request(self, *_: Any, **__: Any) -> Answer:
        return Answer(200, '{"items": null, "groups": [], "resources": [], "metadata": {"name": "observability"}}', {})


def test_a_list_without_items_is_an_empty_one() -> None:
    found = survey.survey(Null(), ["observability"])  # type: ignore[arg-type]
    assert (found["storage_classes"], found["ingress_classes"], found["unreadable"]) == ([], [], [])
    gone = removal.Removal(Null(), {**PLAN, "unlabelled": [], "host": None}, load(KINDS)["__common_kinds"], True, 1.0)  # type: ignore[arg-type]
    gone.run()
    assert gone.removed == []
    assert gone.kept == [f"the namespace {name}: it was there before this stack" for name in PLAN["namespaces"]]
