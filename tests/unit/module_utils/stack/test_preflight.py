"""What preflight decides from what a cluster says, and what a person sees when there is no cluster to look at."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import preflight
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import labels

from tests.inventories import ROOT, stack

STACK = stack()
OURS = labels(STACK, "prometheus")
OTHERS = {**OURS, "app.kubernetes.io/instance": "observability.other"}
PROVIDED = {"ingress_install": False, "ingress_from": [{"namespaceSelector": {}}]}
CLASS = {"name": "fast", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}


def facts(**changes: Any) -> dict[str, Any]:
    """Return what an empty cluster says that this stack can be applied to, with changes."""
    empty: dict[str, Any] = {
        "server": "https://192.0.2.1:6443",
        "version": "v1.36.1",
        "groups": ["apps", "networking.k8s.io"],
        "storage_classes": [CLASS],
        "ingress_classes": [],
        "namespaces": {"observability": None},
        "unreadable": [],
    }
    return {**empty, **changes}


def namespace(labels: dict[str, str] | None = None, **objects: dict[str, str]) -> dict[str, Any]:
    """Return the fact of a namespace with these labels, and objects with theirs: `Service__prometheus_headless` for the Service."""
    parts = {name: name.split("__") for name in objects}
    listed = [
        {"kind": kind, "name": rest.replace("_", "-"), "labels": objects[name], "annotations": {}, "spec": {}}
        for name, (kind, rest) in parts.items()
    ]
    return {"observability": {"labels": labels or {}, "objects": listed}}


def ingress_class(controller: str, labels: dict[str, str] | None = None) -> list[dict[str, Any]]:
    return [{"name": "nginx", "controller": controller, "labels": labels or {}}]


@pytest.mark.parametrize("purpose", ["apply", "remove"])
def test_an_empty_cluster_is_taken(purpose: str) -> None:
    assert preflight.rejections(STACK, facts(), purpose) == []
    assert preflight.namespace_state(STACK, facts()) == "absent"


@pytest.mark.parametrize("purpose", ["apply", "verify", "remove"])
def test_its_own_cluster_is_taken(purpose: str) -> None:
    found = facts(
        namespaces=namespace(OURS, Service__prometheus=OURS, PersistentVolumeClaim__data=OURS),
        ingress_classes=ingress_class(preflight.F5_CONTROLLER, OURS),
    )
    assert preflight.rejections(STACK, found, purpose) == []
    assert preflight.namespace_state(STACK, found) == "ours"


@pytest.mark.parametrize(("version", "taken"), [("v1.29.12", False), ("v1.30.0", True), ("v1.30.14-gke.1200", True), ("v1.36.1", True)])
def test_a_cluster_that_is_too_old_is_rejected(version: str, taken: bool) -> None:
    found = preflight.rejections(STACK, facts(version=version), "apply")
    assert (found == []) == taken
    assert all(version in text and "1.30" in text for text in found)


def test_the_page_says_the_version_that_is_checked() -> None:
    wanted = ".".join(map(str, preflight.MINIMUM_VERSION))
    assert f"Kubernetes {wanted}" in (ROOT / "docs/ownership.md").read_text()


# (what the inventory changes, what the cluster has, what the sentence says); each is the only problem.
REJECTED: list[tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
    ({}, {"storage_classes": []}, ("observability_storage_class is ''", "no default StorageClass", "none")),
    ({}, {"storage_classes": [{"name": "slow", "annotations": {}}]}, ("observability_storage_class is ''", "slow")),
    ({"observability_storage_class": "slow"}, {}, ("observability_storage_class is 'slow'", "no such StorageClass", "fast")),
    ({"loki_pod": {"storage_class": "slow"}}, {}, ("loki_pod.storage_class is 'slow'", "no such StorageClass", "fast")),
    (
        {},
        {"ingress_classes": ingress_class("k8s.io/ingress-nginx")},
        ("ingress_class is 'nginx'", "another owner", "ingress_install"),
    ),
    ({}, {"ingress_classes": ingress_class(preflight.F5_CONTROLLER)}, ("ingress_class is 'nginx'", "another owner", "another name")),
    ({}, {"ingress_classes": ingress_class(preflight.F5_CONTROLLER, OTHERS)}, ("ingress_class", "the stack observability.other")),
    (PROVIDED, {}, ("ingress_class is 'nginx'", "no such IngressClass")),
    (
        {**PROVIDED, "ingress_controller": "f5"},
        {"ingress_classes": ingress_class("k8s.io/ingress-nginx")},
        ("ingress_controller is 'f5'", "'community'"),
    ),
    (
        {**PROVIDED, "ingress_controller": "community"},
        {"ingress_classes": ingress_class(preflight.F5_CONTROLLER)},
        ("ingress_controller is 'community'", "'f5'"),
    ),
    (
        {"ingress_tls_source": "cert_manager", "ingress_issuer": {"name": "letsencrypt"}},
        {},
        ("ingress_tls_source is 'cert_manager'", "no cert-manager"),
    ),
    (
        {},
        {"namespaces": namespace({"pod-security.kubernetes.io/enforce": "baseline"})},
        ("'baseline'", "namespaces_adopt", "alloy_enabled"),
    ),
    ({}, {"namespaces": namespace(OTHERS)}, ("observability_cluster_name is 'test'", "the stack observability.other")),
    ({}, {"namespaces": namespace(PersistentVolumeClaim__anything=OTHERS)}, ("observability_cluster_name", "observability.other")),
    ({}, {"namespaces": namespace(Deployment__grafana={"app": "grafana"})}, ("observability_namespace", "Deployment grafana")),
    ({}, {"namespaces": namespace(Service__prometheus_headless={})}, ("observability_namespace", "Service prometheus-headless")),
    (
        {"sample_application_enabled": True},
        {"namespaces": {"observability": None, "sample-application": {"labels": {}, "objects": []}}},
        ("sample_application_namespace",),
    ),
]


@pytest.mark.parametrize(("changes", "there", "expected"), REJECTED)
def test_what_a_cluster_has_is_rejected_in_a_sentence(changes: dict[str, Any], there: dict[str, Any], expected: tuple[str, ...]) -> None:
    (problem,) = preflight.rejections(stack(**changes), facts(**there), "apply")
    assert all(part in problem for part in expected)


def test_all_problems_are_said_at_once() -> None:
    found = facts(
        version="v1.27.3", storage_classes=[], ingress_classes=ingress_class("k8s.io/ingress-nginx"), namespaces=namespace(OTHERS)
    )
    assert len(preflight.rejections(STACK, found, "apply")) == 4


# What a cluster has that is none of this stack's business, or what the inventory allows.
TAKEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"observability_storage_check": False}, {"storage_classes": []}),
    ({**PROVIDED, "ingress_controller": "community"}, {"ingress_classes": ingress_class("k8s.io/ingress-nginx")}),
    ({**PROVIDED, "ingress_controller": "community"}, {"ingress_classes": ingress_class("example.org/another")}),
    ({"ingress_enabled": False}, {"ingress_classes": ingress_class("k8s.io/ingress-nginx")}),
    ({"ingress_tls_source": "cert_manager", "ingress_issuer": {"name": "x"}}, {"groups": ["cert-manager.io"]}),
    ({}, {"namespaces": namespace({"team": "a"}, StatefulSet__database={}, Secret__grafana_admin={})}),
    ({"namespaces_adopt": True}, {"namespaces": namespace({"pod-security.kubernetes.io/enforce": "baseline"})}),
    ({"alloy_enabled": False}, {"namespaces": namespace({"pod-security.kubernetes.io/enforce": "restricted"})}),
    ({"grafana_enabled": False}, {"namespaces": namespace(Deployment__grafana={})}),
    # Not allowed to look: said as a warning, and no reason to stop.
    ({}, {"storage_classes": None, "ingress_classes": None}),
]


@pytest.mark.parametrize(("changes", "there"), TAKEN)
def test_what_is_none_of_its_business_is_left_alone(changes: dict[str, Any], there: dict[str, Any]) -> None:
    assert preflight.rejections(stack(**changes), facts(**there), "apply") == []


def test_a_namespace_that_was_there_is_never_the_stacks_own() -> None:
    assert preflight.namespace_state(STACK, facts(namespaces=namespace({"team": "a"}, Service__prometheus=OURS))) == "foreign"
    assert preflight.namespace_state(STACK, facts(namespaces=namespace(OTHERS))) == "foreign"


def test_verification_needs_a_stack_and_removal_does_not() -> None:
    (problem,) = preflight.rejections(STACK, facts(), "verify")
    assert "no such namespace" in problem
    (problem,) = preflight.rejections(STACK, facts(namespaces=namespace(OTHERS)), "remove")
    assert "observability.other" in problem


def test_two_hosts_do_not_claim_the_same() -> None:
    claims = {"cluster_name": "north", "kubeconfig": "", "context": "north", "namespace": "observability"}
    assert preflight.conflicts("a", {"a": claims}) == []
    assert preflight.conflicts("a", {"a": claims, "b": {**claims, "cluster_name": "south", "context": "south"}}) == []
    assert preflight.conflicts("a", {"a": claims, "b": {**claims, "cluster_name": "south", "namespace": "second"}}) == []
    (name,) = preflight.conflicts("a", {"a": claims, "b": {**claims, "context": "south"}})
    assert "observability_cluster_name is 'north'" in name
    storage: dict[str, Any] = {"type": "s3", "endpoint": "s3.example.com", "buckets": {"mimir": "m", "loki": "l"}}
    two: dict[str, dict[str, Any]] = {
        "a": {**claims, "object_storage": storage},
        "b": {"object_storage": {**storage, "buckets": {"mimir": "l", "loki": "x"}}},
    }
    (bucket,) = preflight.conflicts("a", two)
    assert bucket.startswith("observability_object_storage has the bucket l at s3.example.com for the hosts a and b")
    assert preflight.conflicts("a", {**two, "b": {"object_storage": {**storage, "endpoint": "other"}}}) == []
    assert preflight.conflicts("a", {**two, "b": {"object_storage": "no mapping"}}) == []
    (place,) = preflight.conflicts("a", {"a": claims, "b": {**claims, "cluster_name": "south"}})
    assert "observability_context is 'north'" in place
