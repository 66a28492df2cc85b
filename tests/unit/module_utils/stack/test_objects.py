"""The objects of a role: those of its templates, and what follows from the tables."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND
from ansible_collections.observability.stack.plugins.module_utils.stack import kubernetes
from ansible_collections.observability.stack.plugins.module_utils.stack.objects import objects, plan, roles

from tests.inventories import stack

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "loki"}, "data": {"x": "1"}}
POD = {"terminationGracePeriodSeconds": 300, "containers": [{"name": "loki"}]}
WORKLOAD = {
    "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "loki"},
    "spec": {"selector": {"matchLabels": {}}, "template": {"metadata": {}, "spec": POD}},
}  # fmt: skip


def test_the_objects_of_a_component_are_those_of_its_templates_and_what_follows_from_the_tables() -> None:
    found = objects(stack(), "loki", [CONFIG, WORKLOAD])
    assert [(item["kind"], item["metadata"]["name"]) for item in found] == [
        ("ServiceAccount", "loki"),
        ("ConfigMap", "loki"),
        ("StatefulSet", "loki"),
        ("Service", "loki"),
        ("Service", "loki-headless"),
        ("NetworkPolicy", "loki"),
    ]
    assert kubernetes.CHECKSUM in found[2]["spec"]["template"]["metadata"]["annotations"]
    assert "PodDisruptionBudget" in {item["kind"] for item in objects(stack(), "prometheus", [])}


def test_pod_and_service_are_laid_over_the_objects() -> None:
    service = {"spec": {"type": "NodePort", "ports": {"http": {"nodePort": 30100}}}}
    found = objects(stack(), "loki", [CONFIG, WORKLOAD], {"priority_class": "high"}, service)
    (workload,) = [item for item in found if item["kind"] == "StatefulSet"]
    assert workload["spec"]["template"]["spec"]["priorityClassName"] == "high"
    laid = next(item for item in found if item["kind"] == "Service")
    assert {port["name"]: port.get("nodePort") for port in laid["spec"]["ports"]} == {"http": 30100, "grpc": None, "memberlist": None}


def test_a_name_that_is_no_component_is_rejected() -> None:
    with pytest.raises(ValueError, match="'lokki' is no component; it should be one of object_storage, postgresql, mimir, loki"):
        objects(stack(), "lokki", [])


@pytest.mark.parametrize(("policies", "names"), [(True, ["default-deny", "verify"]), (False, [])])
def test_the_policies_of_the_namespace_come_from_a_role_of_their_own(policies: bool, names: list[str]) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "observability"}}
    model = stack(observability_network_policies=policies)
    assert [item["metadata"]["name"] for item in objects(model, "network_policies", [])] == names
    assert objects(model, "namespaces", [namespace]) == [namespace]
    assert ("network_policies" in roles(model)) is policies


def test_every_kind_that_follows_from_the_tables_can_be_found_and_removed() -> None:
    made: list[dict[str, Any]] = [item for name in roles(stack()) for item in objects(stack(), name, [])]
    assert {item["kind"] for item in made} <= BY_KIND.keys()


# --- The waves of a run -------------------------------------------------------------------------------------------------


def test_a_run_has_the_waves_with_something_to_do_and_waits_for_everything_at_the_end() -> None:
    model = stack()
    assert plan(model, [], first=False) == []
    assert plan(model, ["network_policies"], first=False) == [{"name": "network_policies", "roles": ["network_policies"]}]
    assert plan(model, ["mimir"], first=False) == [{"name": "backends", "roles": ["mimir"], "wait": {}}]
    assert plan(model, ["namespaces", "prometheus", "ingress", "mimir"], first=False) == [
        {"name": "namespace", "roles": ["namespaces"]},
        {"name": "backends", "roles": ["mimir", "prometheus"], "wait": {"kinds": ["StatefulSet"], "available": False}},
        {"name": "agents", "roles": ["ingress"], "wait": {}},
    ]


@pytest.mark.parametrize("profile", ["single", "ha"])
def test_a_first_installation_waits_for_storage_and_then_once(profile: str) -> None:
    changes: dict[str, Any] = (
        {} if profile == "single" else {"observability_profile": "ha", "object_storage_enabled": True, "postgresql_enabled": True}
    )
    model = stack(**changes)
    first = plan(model, roles(model), first=True)
    assert [wave["name"] for wave in first] == ["namespace", *(["storage"] if profile == "ha" else []), "agents", "network_policies"]
    assert sorted(role for wave in first for role in wave["roles"]) == sorted(roles(model))
    assert [wave["wait"] for wave in first if "wait" in wave] == [
        *([{"kinds": ["StatefulSet"], "available": False}] if profile == "ha" else []),
        {"available": False},
    ]
    # Its certificate is made while the pods of all others, and its own, start.
    assert first[-2]["roles"][-1] == "ingress"
