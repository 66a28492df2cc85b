"""Objects, and parts of them, that follow from the catalogue."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import kubernetes
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import selector
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack

from tests.inventories import combinations, stack

DEFAULT = stack()
LIVE = sorted(name for name, row in CATALOGUE.items() if row.live)


def seconds(probe: dict[str, Any]) -> int:
    """Return how long a probe has to fail until it has an effect."""
    return int(probe["periodSeconds"] * probe["failureThreshold"])


# --- probes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("component", LIVE)
def test_only_readiness_asks_for_more_than_the_process(component: str) -> None:
    probes = kubernetes.probes(component)
    row = CATALOGUE[component]
    paths = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    assert paths == {"startupProbe": row.live, "livenessProbe": row.live, "readinessProbe": row.ready}
    # A pod that does not answer leaves the Service long before it is started anew.
    assert seconds(probes["readinessProbe"]) < 30 < 300 <= seconds(probes["livenessProbe"]) <= seconds(probes["startupProbe"])


@pytest.mark.parametrize("component", sorted(CATALOGUE.keys() - set(LIVE)))
def test_without_a_path_for_it_there_is_no_liveness_probe(component: str) -> None:
    probes = kubernetes.probes(component)
    asked = [{"httpGet": probe["httpGet"]["path"]} if "httpGet" in probe else {"tcpSocket": ""} for probe in probes.values()]
    assert asked == [{"httpGet": path} if (path := CATALOGUE[component].ready) else {"tcpSocket": ""}] * 2
    assert set(probes) == {"startupProbe", "readinessProbe"}


@pytest.mark.parametrize("component", ["prometheus", "mimir", "loki"])
def test_a_store_that_replays_its_log_is_not_killed_for_it(component: str) -> None:
    # All three answer 503 under the path of readiness until they have.
    probes = kubernetes.probes(component)
    assert probes["readinessProbe"]["httpGet"]["path"] not in {
        probes[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe")
    }


# --- pods and containers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("component", sorted(CATALOGUE))
def test_ports_and_probes_name_ports_that_the_container_has(component: str) -> None:
    container = kubernetes.container(DEFAULT, component)
    names = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert names == dict(CATALOGUE[component].ports)
    assert {port["targetPort"] for service in kubernetes.services(DEFAULT, component, {}) for port in service["spec"]["ports"]} <= set(
        names
    )
    assert {(probe.get("httpGet") or probe["tcpSocket"])["port"] for probe in kubernetes.probes(component).values()} <= set(names)
    annotations = kubernetes.pod_metadata(DEFAULT, component)["annotations"]
    assert bool(annotations) == CATALOGUE[component].scraped
    if annotations:
        assert int(annotations["prometheus.io/port"]) == names[CATALOGUE[component].metrics]


@pytest.mark.parametrize("component", sorted(CATALOGUE))
def test_no_container_has_privileges_of_its_own(component: str) -> None:
    security = kubernetes.container(DEFAULT, component)["securityContext"]
    assert security == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    pod = kubernetes.pod(component)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["securityContext"].get("runAsNonRoot", False) == bool(CATALOGUE[component].user)
    # A volume is written by the group of the user.
    assert ("fsGroup" in pod["securityContext"]) == (CATALOGUE[component].volume and CATALOGUE[component].user > 0)


@pytest.mark.parametrize("profile", [DEFAULT, stack(observability_profile="ha", object_storage_enabled=True, postgresql_enabled=True)])
def test_a_pod_that_ends_outlasts_those_that_see_it_and_the_queries_under_way_where_others_take_new_ones(profile: Stack) -> None:
    slept = {}
    for component, row in CATALOGUE.items():
        lifecycle = kubernetes.container(profile, component).get("lifecycle", {"preStop": {"sleep": {"seconds": 0}}})
        slept[component] = lifecycle["preStop"]["sleep"]["seconds"]
        assert slept[component] == (row.queries or row.pre_stop if profile.replicas.get(component, 0) > 1 else row.pre_stop)
    assert slept["prometheus"] > slept["otel_collector"] > 0
    assert (slept["mimir"] > CATALOGUE["mimir"].pre_stop) == (profile.replicas["mimir"] > 1)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("1Gi", 858993459),
        ("1G", 800_000_000),
        ("512Mi", 429496729),
        ("1.5Gi", 1288490188),
        ("1000000000", 800_000_000),
        (1_000_000_000, 800_000_000),
        ("1000000000000m", 800_000_000),
    ],
)
def test_go_may_use_four_fifths_of_the_memory_limit(limit: str | int, expected: int) -> None:
    assert kubernetes.go_memory_limit({"limits": {"memory": limit}}) == str(expected)


@pytest.mark.parametrize("limits", [None, {}, {"cpu": 1}, {"memory": "4GB"}, {"memory": "-1"}])
def test_a_memory_limit_that_is_none_is_named(limits: dict[str, Any] | None) -> None:
    with pytest.raises(ValueError, match=r"limits\.memory"):
        kubernetes.go_memory_limit({"limits": limits})


@pytest.mark.parametrize(("alloy", "level"), [(True, "privileged"), (False, "restricted")])
def test_the_namespace_is_restricted_unless_a_component_reads_directories_of_a_node(alloy: bool, level: str) -> None:
    for model in combinations():
        if model.has("alloy") == alloy:
            assert kubernetes.pod_security(model) == level


# --- Services and PodDisruptionBudgets --------------------------------------------------------------------------------


@pytest.mark.parametrize("component", sorted(CATALOGUE))
def test_a_service_offers_the_ports_of_the_catalogue_to_the_pods_of_the_component(component: str) -> None:
    row = CATALOGUE[component]
    found = kubernetes.services(DEFAULT, component, {})
    assert [service["metadata"]["name"] for service in found] == [
        name
        for name, there in (
            (component.replace("_", "-"), row.service),
            # Without a StatefulSet it is for several replicas to find each other.
            (f"{component.replace('_', '-')}-headless", row.headless and row.workload == "StatefulSet"),
        )
        if there and DEFAULT.installs(component)
    ]
    for service in found:
        spec = service["spec"]
        assert spec["selector"] == selector(DEFAULT, component)
        headless = service["metadata"]["name"].endswith("-headless")
        assert (spec.get("clusterIP"), spec.get("publishNotReadyAddresses")) == (("None", True) if headless else (None, None))
        assert {port["name"]: port["port"] for port in spec["ports"]} == {
            name: number for name, number in row.ports.items() if not row.offered or name in row.offered
        }


def test_what_the_inventory_says_is_laid_over_the_service_and_not_over_the_headless_one() -> None:
    extra = {
        "metadata": {"annotations": {"example.com/a": "b"}},
        "spec": {"type": "NodePort", "ports": {"https": {"nodePort": 30443}}},
    }
    before = copy.deepcopy(extra)
    (service,) = kubernetes.services(stack(ingress_install=True), "ingress", extra)
    assert service["metadata"]["annotations"] == {"example.com/a": "b"}
    assert service["spec"]["type"] == "NodePort"
    # Those that are not named get a number from Kubernetes.
    assert {port["name"]: port.get("nodePort") for port in service["spec"]["ports"]} == {"http": None, "https": 30443}
    assert {port["name"]: port["targetPort"] for port in service["spec"]["ports"]} == {"http": "http", "https": "https"}
    assert extra == before
    plain, headless = kubernetes.services(DEFAULT, "loki", extra)
    assert plain["spec"]["type"] == "NodePort"
    assert "type" not in headless["spec"]
    assert "annotations" not in headless["metadata"]


def test_a_controller_that_is_there_already_gets_nothing() -> None:
    model = stack(ingress_install=False, ingress_from=[{"podSelector": {}}])
    assert kubernetes.services(model, "ingress", {}) == []
    assert kubernetes.accounts(model, "ingress") == []
    assert kubernetes.disruption_budgets(model, "ingress") == []


def test_a_budget_is_for_what_has_several_replicas_only() -> None:
    for component, row in CATALOGUE.items():
        found = kubernetes.disruption_budgets(DEFAULT, component)
        assert bool(found) == (DEFAULT.replicas.get(component, 0) >= 2 and not row.own_namespace and DEFAULT.installs(component))
        for budget in found:
            assert budget["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": selector(DEFAULT, component)}}
    assert kubernetes.disruption_budgets(DEFAULT, "prometheus")
    assert not kubernetes.disruption_budgets(DEFAULT, "mimir")


# --- accounts, bindings, checksum -------------------------------------------------------------------------------------


def test_only_those_that_connect_to_the_api_server_have_a_token() -> None:
    model = stack(sample_application_enabled=True)
    tokens = {}
    for component in CATALOGUE:
        for account in kubernetes.accounts(model, component):
            assert (account["kind"], account["metadata"]["name"]) == ("ServiceAccount", component.replace("_", "-"))
            tokens[component] = account.get("automountServiceAccountToken", True)
    assert tokens == {
        "mimir": False, "loki": False, "grafana": False,
        "prometheus": True, "alloy": True, "otel_collector": True, "ingress": True,
    }  # fmt: skip


@pytest.mark.parametrize("component", sorted(CATALOGUE))
def test_a_pod_without_an_account_of_its_own_has_no_token(component: str) -> None:
    pod = kubernetes.pod(component)
    if CATALOGUE[component].account:
        assert pod["serviceAccountName"] == component.replace("_", "-")
    else:
        assert pod["automountServiceAccountToken"] is False


def test_every_role_is_bound_to_the_account_of_its_component() -> None:
    api = "rbac.authorization.k8s.io/v1"
    rendered = [
        {"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": "observability-alloy", "labels": {"a": "b"}}},
        {"apiVersion": api, "kind": "Role", "metadata": {"name": "alloy", "namespace": "observability"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "alloy"}},
    ]
    found = kubernetes.bindings(DEFAULT, "alloy", rendered)
    assert [(binding["kind"], binding["metadata"], binding["roleRef"]["kind"], binding["roleRef"]["name"]) for binding in found] == [
        ("ClusterRoleBinding", rendered[0]["metadata"], "ClusterRole", "observability-alloy"),
        ("RoleBinding", rendered[1]["metadata"], "Role", "alloy"),
    ]
    for binding in found:
        assert binding["apiVersion"] == api
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "alloy", "namespace": "observability"}]
    found[0]["metadata"]["name"] = "other"
    assert rendered[0]["metadata"]["name"] == "observability-alloy"  # type: ignore[index]


CONFIG: dict[str, Any] = {"kind": "ConfigMap", "metadata": {"name": "x", "labels": {"a": "b"}}, "data": {"x": "1", "y": "2"}}
WORKLOAD: dict[str, Any] = {
    "kind": "StatefulSet",
    "metadata": {"name": "x"},
    "spec": {"template": {"metadata": {"labels": {}}, "spec": {}}},
}


def checksum(component: str, *rendered: dict[str, Any]) -> str | None:
    """Return the annotation of the pods of a workload that is rendered along with `rendered`."""
    *_others, workload = kubernetes.configured(component, [*rendered, WORKLOAD])
    found: str | None = workload["spec"]["template"]["metadata"].get("annotations", {}).get(kubernetes.CHECKSUM)
    return found


def test_a_changed_configuration_rolls_the_pods_and_a_changed_label_does_not() -> None:
    first = checksum("loki", CONFIG)
    assert first
    labelled = {**CONFIG, "metadata": {"name": "x", "labels": {"a": "c"}}, "data": {"y": "2", "x": "1"}}
    assert checksum("loki", labelled) == first
    others = [
        checksum("loki", {**CONFIG, "data": {"x": "1", "y": "3"}}),
        checksum("loki", {**CONFIG, "binaryData": {"z": "AA=="}}),
        checksum("loki", CONFIG, CONFIG),
    ]
    assert len({first, *others}) == 4
    assert "annotations" not in WORKLOAD["spec"]["template"]["metadata"], "the rendered objects are left as they are"


@pytest.mark.parametrize("component", sorted(CATALOGUE))
def test_what_reads_its_configuration_while_it_runs_is_not_rolled_for_it(component: str) -> None:
    assert (checksum(component, CONFIG) is None) == CATALOGUE[component].reloads
    assert checksum(component) is None, "there is no configuration"
