"""What a run may not change on a cluster: one row for each change, with what the cluster has."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import changes, preflight
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE, workload_name
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import labels, selector
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.stack.objects import objects

from tests.inventories import stack

BUCKETS = {"mimir": "acme-mimir", "loki": "acme-loki"}
STORAGE = {"type": "s3", "endpoint": "s3.example.com", "secret": "credentials", "buckets": BUCKETS}
HA = {
    "observability_profile": "ha",
    "observability_object_storage": STORAGE,
    "grafana_database": {"host": "db.example.com", "secret": "grafana-database"},
}
CLASSES = [{"name": "fast", "annotations": {}, "expands": True}, {"name": "fixed", "annotations": {}, "expands": False}]


def there(model: Stack, component: str, place: str = "", **spec: Any) -> dict[str, Any]:
    """Return what the survey has of a workload that this release has made for a model, with changes of its specification."""
    kind = CATALOGUE[component].workload
    made: dict[str, Any] = {
        "replicas": model.replicas.get(component, 1),
        "selector": {"matchLabels": selector(model, component)},
        "template": {"spec": {"containers": [{"image": model.images[component]}]}},
    }
    if kind == "StatefulSet":
        made |= {"serviceName": f"{workload_name(component)}-headless", "podManagementPolicy": "Parallel"}
        made["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": {"resources": {}}}]
    noted = place or changes.place(model, component)
    return {
        "kind": kind,
        "name": workload_name(component),
        "labels": labels(model, component),
        "annotations": {changes.PLACE: noted} if noted else {},
        "spec": {**made, **spec},
    }


def image(reference: str) -> dict[str, Any]:
    return {"template": {"spec": {"containers": [{"image": reference}]}}}


def volume(model: Stack, component: str, size: str, storage_class: str = "fast", name: str = "") -> dict[str, Any]:
    return {
        "kind": "PersistentVolumeClaim",
        "name": name or f"data-{workload_name(component)}-0",
        "labels": labels(model, component),
        "annotations": {},
        "spec": {"resources": {"requests": {"storage": size}}, "storageClassName": storage_class},
    }


def budget(spec: dict[str, Any], name: str = "theirs") -> dict[str, Any]:
    return {"kind": "PodDisruptionBudget", "name": name, "labels": {"app": "x"}, "annotations": {}, "spec": spec}


def rejections(model: Stack, *listed: dict[str, Any], classes: Any = CLASSES) -> list[str]:
    facts = {"storage_classes": classes, "namespaces": {model.namespace: {"labels": {}, "objects": list(listed)}}}
    return list(changes.rejections(model, facts))


SINGLE, REPLICATED = stack(), stack(**HA)
OLD_CLASS = [{"metadata": {"name": "data"}, "spec": {"storageClassName": "slow"}}]
# (what the inventory says, what the cluster has, the beginning of the sentence, words in it); each is the only problem.
REJECTED: list[tuple[dict[str, Any], list[dict[str, Any]], str, tuple[str, ...]]] = [
    # Data in another place.
    (HA, [there(SINGLE, "mimir")], "observability_object_storage puts the data of Mimir", ("volume", "acme-mimir", "is not moved")),
    (HA, [there(SINGLE, "loki", place="volume")], "observability_object_storage puts the data of Loki", ("docs/high-availability.md",)),
    (HA, [{**there(SINGLE, "loki"), "annotations": {}}], "observability_object_storage puts", ("(volume)",)),
    ({}, [there(REPLICATED, "loki", replicas=1)], "observability_object_storage puts", ("(s3 acme-loki at s3.example.com)", "Go back")),
    (HA, [there(REPLICATED, "mimir", place="s3 other at s3.example.com")], "observability_object_storage puts", ("s3 other",)),
    (HA, [there(SINGLE, "grafana")], "grafana_database puts the data of Grafana", ("postgresql grafana at db.example.com",)),
    ({}, [there(REPLICATED, "grafana", replicas=1)], "grafana_database puts", ("(volume)",)),
    # An older version.
    ({}, [there(SINGLE, "mimir", **image("docker.io/grafana/mimir:3.99.0"))], "observability_images has mimir 3.", ("3.99", "newer")),
    ({}, [there(SINGLE, "prometheus", **image("x:5000/prometheus:v4.0.1@sha256:0"))], "observability_images has prometheus", ("4.0",)),
    ({}, [there(SINGLE, "grafana", **image("docker.io/grafana/grafana:14.0.0"))], "observability_images has grafana", ("14.0",)),
    (
        {"postgresql_enabled": True},
        [there(stack(postgresql_enabled=True), "postgresql", **image("docker.io/library/postgres:16.1"))],
        "observability_images has postgresql 17",
        ("16", "dump and load", "observability_allow_downgrade"),
    ),
    # Fewer replicas, too fast.
    (HA, [there(REPLICATED, "loki", replicas=5)], "loki_replicas is 3; the cluster runs 5", ("take 4",)),
    (
        {"observability_object_storage": STORAGE},
        [there(stack(observability_object_storage=STORAGE), "mimir", replicas=3)],
        "mimir_replicas is 1; the cluster runs 3",
        ("flush them first",),
    ),
    # What Kubernetes never changes.
    (
        {},
        [there(SINGLE, "mimir", serviceName="mimir")],
        "StatefulSet mimir in observability has serviceName 'mimir'",
        ("--cascade=orphan",),
    ),
    ({}, [there(SINGLE, "loki", podManagementPolicy="OrderedReady")], "StatefulSet loki", ("podManagementPolicy",)),
    ({}, [there(SINGLE, "loki", selector={"matchLabels": {"app": "loki"}})], "StatefulSet loki", ("selector.matchLabels {'app': 'loki'}",)),
    ({}, [there(SINGLE, "ingress", selector={"matchLabels": {"app": "x"}})], "Deployment ingress", ("selector.matchLabels",)),
    (
        {"observability_storage_class": "fast"},
        [there(SINGLE, "loki", volumeClaimTemplates=OLD_CLASS)],
        "observability_storage_class is 'fast'",
        ("'slow'",),
    ),
    ({}, [there(SINGLE, "loki", volumeClaimTemplates=OLD_CLASS)], "observability_storage_class is ''", ("take 'slow'",)),
    (
        {"loki_pod": {"storage_class": "fast"}},
        [there(SINGLE, "loki")],
        "loki_pod.storage_class is 'fast'",
        ("leave it out",),
    ),
    # Volumes.
    (
        {"loki_storage_size": "60Gi"},
        [volume(SINGLE, "loki", "80Gi")],
        "loki_storage_size is '60Gi'",
        ("data-loki-0 has 80Gi", "gets smaller"),
    ),
    (
        {"loki_storage_size": "60Gi"},
        [volume(SINGLE, "loki", "50Gi"), volume(SINGLE, "loki", "70Gi", name="data-loki-1")],
        "loki_storage_size is '60Gi'",
        ("data-loki-1 has 70Gi",),
    ),
    ({"grafana_storage_size": "1Gi"}, [volume(SINGLE, "grafana", "5Gi", name="grafana")], "grafana_storage_size", ("grafana has 5Gi",)),
    ({"loki_storage_size": "60Gi"}, [volume(SINGLE, "loki", "50Gi", "fixed")], "loki_storage_size", ("allowVolumeExpansion", "take 50Gi")),
    # Budgets of others.
    (
        {},
        [budget({"minAvailable": 1, "selector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}})],
        "observability_namespace is 'observability'; PodDisruptionBudget theirs",
        ("Prometheus", "two budgets"),
    ),
    (
        {},
        [budget({"maxUnavailable": 0, "selector": {"matchLabels": {"app.kubernetes.io/name": "loki"}}})],
        "observability_namespace",
        ("Loki", "blocks every drain"),
    ),
]


@pytest.mark.parametrize(("given", "found", "begins", "words"), REJECTED)
def test_a_change_that_cannot_be_made_is_rejected_with_what_to_do(
    given: dict[str, Any], found: list[dict[str, Any]], begins: str, words: tuple[str, ...]
) -> None:
    (problem,) = rejections(stack(**given), *found)
    assert problem.startswith(begins)
    assert all(word in problem for word in words), problem


OWN_BUDGET = budget({"maxUnavailable": 1, "selector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}})
OWN_BUDGET["labels"] = labels(SINGLE, "prometheus")
TAKEN: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
    ({}, [there(SINGLE, name) for name in SINGLE.installed()]),
    (HA, [there(REPLICATED, name) for name in REPLICATED.installed()]),
    # It was said that the data is where it belongs.
    ({**HA, "observability_allow_storage_change": True}, [there(SINGLE, "mimir"), there(SINGLE, "grafana")]),
    ({"observability_allow_storage_change": True}, [there(REPLICATED, "loki")]),
    ({"observability_allow_downgrade": True}, [there(SINGLE, "mimir", **image("docker.io/grafana/mimir:3.99.0"))]),
    # More replicas, one replica less, another patch release, a newer version, and a tag that says no version.
    ({**HA, "loki_replicas": 6}, [there(REPLICATED, "loki")]),
    (HA, [there(REPLICATED, "loki", replicas=4)]),
    ({}, [there(SINGLE, "mimir", **image("docker.io/grafana/mimir:3.2.9"))]),
    ({}, [there(SINGLE, "mimir", **image("docker.io/grafana/mimir:2.17.0"))]),
    ({}, [there(SINGLE, "mimir", **image("docker.io/grafana/mimir:main-1234"))]),
    ({}, [there(SINGLE, "mimir", **image("docker.io/grafana/mimir@sha256:0"))]),
    # What runs has no data of its own, or may have any.
    ({}, [there(SINGLE, "ingress", **image("docker.io/nginx/nginx-ingress:9.0.0"))]),
    # A larger volume of a class that can, and what may not be read.
    ({"loki_storage_size": "60Gi"}, [volume(SINGLE, "loki", "50Gi")]),
    ({"loki_storage_size": "50Gi"}, [volume(SINGLE, "loki", "50Gi", "fixed")]),
    # Grafana keeps nothing on the volume that an earlier inventory has left.
    ({"grafana_storage_size": "1Gi", **HA}, [volume(SINGLE, "grafana", "5Gi", name="grafana")]),
    # Budgets of other pods, and our own.
    ({}, [budget({"maxUnavailable": 0, "selector": {"matchLabels": {"app": "database"}}})]),
    ({}, [OWN_BUDGET]),
    # Of somebody else: other checks say so.
    ({}, [{**there(SINGLE, "mimir", serviceName="x"), "labels": {}}]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "found"), TAKEN)
def test_a_change_that_can_be_made_is_taken(given: dict[str, Any], found: list[dict[str, Any]]) -> None:
    assert rejections(stack(**given), *found) == []


def test_a_class_that_may_not_be_read_does_not_stop_a_run() -> None:
    assert rejections(stack(loki_storage_size="60Gi"), volume(SINGLE, "loki", "50Gi", "fixed"), classes=None) == []


def test_preflight_asks_all_of_it_before_a_run_applies_anything() -> None:
    facts = {
        "version": "v1.36.1",
        "groups": [],
        "storage_classes": [{"name": "fast", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}, "expands": True}],
        "ingress_classes": [],
        "namespaces": {"observability": {"labels": labels(SINGLE, "mimir"), "objects": [volume(SINGLE, "loki", "80Gi")]}},
    }
    (problem,) = preflight.rejections(stack(loki_storage_size="60Gi"), facts, "apply")
    assert problem.startswith("loki_storage_size")
    assert preflight.rejections(stack(loki_storage_size="60Gi"), facts, "remove") == []


@pytest.mark.parametrize(("model", "place"), [(SINGLE, "volume"), (REPLICATED, "s3 acme-loki at s3.example.com")])
def test_a_workload_says_where_its_data_is_and_its_pods_do_not(model: Stack, place: str) -> None:
    workload = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "loki", "namespace": "observability", "labels": labels(model, "loki")},
        "spec": {
            "selector": {"matchLabels": selector(model, "loki")},
            "template": {
                "metadata": {"labels": labels(model, "loki")},
                "spec": {"terminationGracePeriodSeconds": 300, "containers": [{"name": "loki"}]},
            },
        },
    }
    (made,) = [item for item in objects(model, "loki", [workload]) if item["kind"] == "StatefulSet"]
    assert made["metadata"]["annotations"] == {changes.PLACE: place}
    # A roll-out would follow from it.
    assert changes.PLACE not in made["spec"]["template"]["metadata"].get("annotations", {})
