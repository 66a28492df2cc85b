"""The ingress: what is public and what is not, Ingresses for both controllers, the request for a certificate, the Service."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.components import ingress
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from hypothesis import given
from hypothesis import strategies as st

from tests.inventories import component_settings, stack, values
from tests.junk import JUNK

VALUES, DEFAULT = values(), stack()
# The annotations that say who may pass, and what names the Secret in them.
AUTH = {"community": "nginx.ingress.kubernetes.io/auth-secret", "f5": "nginx.org/basic-auth-secret"}
KIND = "nginx.org/mergeable-ingress-type"

# Pushes and administration (documentation of Prometheus 3.13, Mimir 3.x, Loki 3.7).
FORBIDDEN = {
    "prometheus": [
        "/api/v1/write", "/api/v1/otlp/v1/metrics", "/-/reload", "/-/quit", "/api/v1/admin/tsdb/delete_series", "/api/v1/read",
        "/debug/pprof", "/metrics",
    ],
    "mimir": [
        "/api/v1/push", "/otlp/v1/metrics", "/ingester/flush", "/ingester/shutdown", "/compactor/ring", "/memberlist", "/config",
        "/api/v1/user_limits", "/prometheus/config/v1/rules/x", "/distributor/ha_tracker", "/metrics", "/",
    ],
    "loki": [
        "/loki/api/v1/push", "/otlp/v1/logs", "/loki/api/v1/delete", "/flush", "/ingester/shutdown", "/config", "/compactor/ring",
        "/metrics", "/",
        # Rule groups are set and deleted below the path that lists them.
        "/loki/api/v1/rules/x",
    ],
}  # fmt: skip
NEEDED = {
    "grafana": ["/", "/login", "/api/live/ws"],
    "prometheus": ["/", "/query", "/assets/index.js", "/api/v1/query", "/api/v1/label/job/values", "/api/v1/status/buildinfo"],
    "mimir": ["/prometheus/api/v1/query_range", "/prometheus/api/v1/labels"],
    "loki": ["/loki/api/v1/query_range", "/loki/api/v1/labels", "/loki/api/v1/tail", "/loki/api/v1/index/volume"],
}


def reachable(route: dict[str, Any], wanted: str) -> bool:
    """Whether a route leads a path to its Service: a prefix matches whole elements, as Kubernetes has it."""
    parts = wanted.split("/")
    for path in route["paths"]:
        prefix = path["path"].rstrip("/").split("/")
        if wanted == path["path"] or (path["type"] == "Prefix" and parts[: len(prefix)] == prefix):
            return True
    return False


def route_of(model: Stack, component: str) -> dict[str, Any]:
    return next(route for route in ingress.routes(model) if route["component"] == component)


@pytest.mark.parametrize(("component", "path"), [(component, path) for component, paths in FORBIDDEN.items() for path in paths])
def test_pushes_and_administration_are_not_reachable_from_outside(component: str, path: str) -> None:
    assert not reachable(route_of(DEFAULT, component), path)


@pytest.mark.parametrize(("component", "path"), [(component, path) for component, paths in NEEDED.items() for path in paths])
def test_what_a_browser_or_a_query_needs_is_reachable(component: str, path: str) -> None:
    assert reachable(route_of(DEFAULT, component), path)


def test_the_inventory_can_open_a_path() -> None:
    model = stack(ingress_open_paths={"mimir": ["/api/v1/push"]})
    assert reachable(route_of(model, "mimir"), "/api/v1/push")
    assert not reachable(route_of(model, "mimir"), "/ingester/flush")


def test_every_host_but_grafana_asks_for_a_password() -> None:
    assert {route["component"]: route["auth"] for route in ingress.routes(DEFAULT)} == {
        "grafana": False, "prometheus": True, "mimir": True, "loki": True,
    }  # fmt: skip


# --- Ingresses and certificate ----------------------------------------------------------------------------------------


def objects(controller: str, **changes: Any) -> list[dict[str, Any]]:
    return ingress.ingresses(stack(ingress_controller=controller, **changes), "users")


def backends(item: dict[str, Any]) -> list[tuple[str, str]]:
    """Return path and Service of each path of an Ingress."""
    (rule,) = item["spec"]["rules"]
    return [(path["path"], path["backend"]["service"]["name"]) for path in rule.get("http", {"paths": []})["paths"]]


@pytest.mark.parametrize("controller", sorted(AUTH))
def test_for_every_controller_the_same_paths_are_protected_and_point_at_ports_of_the_catalogue(controller: str) -> None:
    model = stack(ingress_controller=controller)
    protected: set[tuple[str, str]] = set()
    free: set[tuple[str, str]] = set()
    for item in objects(controller):
        assert all(isinstance(value, str) for value in item["metadata"]["annotations"].values())
        (rule,) = item["spec"]["rules"]
        for path, service in backends(item):
            (protected if item["metadata"]["annotations"].get(AUTH[controller]) == "users" else free).add((rule["host"], path))
            assert rule["host"] == model.hosts[service]
            ports = {entry["backend"]["service"]["port"]["name"] for entry in rule["http"]["paths"]}
            assert ports <= set(CATALOGUE[service].ports)
    # Grafana's own login does not protect its metrics.
    assert free == {("grafana.example.com", "/")}
    assert ("grafana.example.com", "/metrics") in protected
    assert {host for host, _ in protected} == set(model.hosts.values())


@pytest.mark.parametrize("controller", sorted(AUTH))
def test_every_host_has_a_certificate(controller: str) -> None:
    hosts = {rule["host"] for item in objects(controller) for rule in item["spec"]["rules"]}
    encrypted = {host for item in objects(controller) for tls in item["spec"].get("tls", []) for host in tls["hosts"]}
    assert encrypted == hosts
    assert {tls["secretName"] for item in objects(controller) for tls in item["spec"].get("tls", [])} == {"observability-tls"}


def test_for_the_f5_controller_one_ingress_owns_a_host_and_all_others_join_it() -> None:
    """Of two Ingresses that own a host it ignores one; annotations that a master or a minion must not have make it ignore that one."""
    owners: list[dict[str, Any]] = []
    joining: list[dict[str, Any]] = []
    for item in objects("f5"):
        (owners if item["metadata"]["annotations"][KIND] == "master" else joining).append(item)
    hosts = [item["spec"]["rules"][0]["host"] for item in owners]
    assert sorted(hosts) == sorted(set(hosts))
    assert {item["spec"]["rules"][0]["host"] for item in joining} == set(hosts)
    assert all("tls" in item["spec"] and not backends(item) and set(item["metadata"]["annotations"]) == {KIND} for item in owners)
    assert all("tls" not in item["spec"] and backends(item) and item["metadata"]["annotations"][KIND] == "minion" for item in joining)


def test_the_certificate_is_one_for_all_hosts_in_the_secret_of_the_ingresses() -> None:
    model = stack(grafana_host="look.example.net", loki_enabled=False, ingress_tls_secret="tls", ingress_class="internal")  # noqa: S106
    certificate = ingress.certificate(model, {"name": "letsencrypt"})
    assert certificate["spec"]["dnsNames"] == ["look.example.net", "prometheus.example.com", "mimir.example.com"]
    assert certificate["spec"]["secretName"] == "tls"
    assert certificate["spec"]["issuerRef"] == {"kind": "ClusterIssuer", "group": "cert-manager.io", "name": "letsencrypt"}
    override = "acme.cert-manager.io/http01-override-ingress-ingressclassname"
    assert certificate["metadata"]["annotations"][override] == "internal"
    own = {"name": "x", "kind": "Issuer", "group": "example.org"}
    assert ingress.certificate(model, own)["spec"]["issuerRef"] == own


# --- the Service ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "spec"),
    [
        ({}, {"type": "ClusterIP"}),
        (
            {"service_type": "NodePort", "node_ports": {"https": 30443}},
            {"type": "NodePort", "externalTrafficPolicy": "Cluster", "ports": {"https": {"nodePort": 30443}}},
        ),
        (
            {
                "service_type": "LoadBalancer", "load_balancer_class": "service.k8s.aws/nlb",
                "load_balancer_source_ranges": ["192.0.2.0/24"], "external_traffic_policy": "Local",
            },
            {
                "type": "LoadBalancer", "externalTrafficPolicy": "Local", "loadBalancerClass": "service.k8s.aws/nlb",
                "loadBalancerSourceRanges": ["192.0.2.0/24"],
            },
        ),
    ],
    ids=["inside", "node ports", "cloud"],
)  # fmt: skip
def test_the_service_has_what_the_inventory_says_and_nothing_else(inputs: dict[str, Any], spec: dict[str, Any]) -> None:
    found = component_settings(DEFAULT, "ingress", **inputs, service_annotations={"example.com/a": "b"})["service"]
    assert found == {"metadata": {"annotations": {"example.com/a": "b"}}, "spec": spec}


# --- what an inventory may not say ------------------------------------------------------------------------------------


def rejected(**changes: Any) -> list[str]:
    """Return what is wrong with an inventory that says `changes`."""
    return list(ingress.problems({**VALUES, **changes}, DEFAULT))


ACME = {"ingress_tls_source": "cert_manager"}
WRONG: list[tuple[dict[str, Any], str, str]] = [
    (ACME, "ingress_issuer", "it should name the issuer"),
    ({"ingress_issuer": {"name": "x"}}, "ingress_issuer", "ingress_tls_source: cert_manager, but that is 'self_signed'"),
    ({**ACME, "ingress_issuer": "x"}, "ingress_issuer", "mapping"),
    ({**ACME, "ingress_issuer": {"kind": "Issuer"}}, "ingress_issuer", "has name None"),
    (
        {**ACME, "ingress_issuer": {"name": "x", "type": "acme"}},
        "ingress_issuer",
        "the key 'type'; it has name, kind and group",
    ),
    ({**ACME, "ingress_issuer": {"name": "x", "kind": "issuer"}}, "ingress_issuer", "has kind 'issuer'"),
    ({**ACME, "ingress_issuer": {"name": "x", "kind": "Isuer"}}, "ingress_issuer", "Issuer and ClusterIssuer"),
    ({"ingress_node_ports": {"web": 30080}}, "ingress_node_ports", "has 'web'; the ports are http and https"),
    ({"ingress_node_ports": {"http": "30080"}}, "ingress_node_ports", "has '30080' for http"),
    ({"ingress_node_ports": {"http": 0}}, "ingress_node_ports", "30000 to 32767"),
    ({"ingress_node_ports": {"http": 30080, "https": 30080}}, "ingress_node_ports", "a number of its own"),
    ({"ingress_node_ports": [30080]}, "ingress_node_ports", "mapping"),
    (
        {"ingress_node_ports": {"http": 30080}, "ingress_service_type": "ClusterIP"},
        "ingress_node_ports",
        "needs ingress_service_type NodePort or LoadBalancer, and that is ClusterIP",
    ),
    ({"ingress_service_annotations": {"example.com/internal": True}}, "ingress_service_annotations", "quoted string"),
    ({"ingress_service_annotations": {"a b": "x"}}, "ingress_service_annotations", "a name is like"),
    ({"ingress_service_annotations": ["x"]}, "ingress_service_annotations", "mapping"),
    ({"ingress_load_balancer_class": "an nlb"}, "ingress_load_balancer_class", "like service.k8s.aws/nlb"),
    (
        {"ingress_load_balancer_class": "x", "ingress_service_type": "NodePort"},
        "ingress_load_balancer_class",
        "needs ingress_service_type LoadBalancer",
    ),
    ({"ingress_load_balancer_source_ranges": ["192.0.2.1/24"]}, "ingress_load_balancer_source_ranges", "a network"),
    ({"ingress_load_balancer_source_ranges": ["192.0.2.1"]}, "ingress_load_balancer_source_ranges", "a network"),
    ({"ingress_load_balancer_source_ranges": "192.0.2.0/24"}, "ingress_load_balancer_source_ranges", "a list"),
    (
        {"ingress_load_balancer_source_ranges": ["192.0.2.0/24"], "ingress_service_type": "NodePort"},
        "ingress_load_balancer_source_ranges",
        "needs ingress_service_type LoadBalancer",
    ),
    ({"ingress_external_traffic_policy": "local"}, "ingress_external_traffic_policy", "Cluster or Local"),
    (
        {"ingress_external_traffic_policy": "Local", "ingress_service_type": "ClusterIP"},
        "ingress_external_traffic_policy",
        "needs ingress_service_type NodePort or LoadBalancer",
    ),
]


@pytest.mark.parametrize(("changes", "variable", "words"), WRONG)
def test_a_mistake_is_rejected_with_variable_and_what_is_right(changes: dict[str, Any], variable: str, words: str) -> None:
    found = rejected(**changes)
    assert found
    assert all(sentence.startswith(f"{variable} ") for sentence in found)
    assert any(words in sentence for sentence in found), found


def test_what_clouds_ask_for_is_accepted() -> None:
    assert (
        rejected(
            ingress_service_annotations={"service.beta.kubernetes.io/azure-load-balancer-internal": "true"},
            ingress_load_balancer_class="service.k8s.aws/nlb",
            ingress_load_balancer_source_ranges=["192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0"],
            ingress_external_traffic_policy="Local",
            ingress_node_ports={"https": 30443},
        )
        == []
    )
    for issuer in ({"name": "x"}, {"name": "x", "kind": "Issuer"}, {"name": "x", "kind": "StepIssuer", "group": "certmanager.step.sm"}):
        assert rejected(**ACME, ingress_issuer=issuer) == []


_NAMES = (
    "ingress_issuer", "ingress_node_ports", "ingress_service_annotations", "ingress_load_balancer_class",
    "ingress_load_balancer_source_ranges", "ingress_external_traffic_policy", "ingress_service_type", "ingress_config",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(_NAMES), JUNK))
def test_junk_is_rejected_by_name_or_harmless(changes: dict[str, Any]) -> None:
    for sentence in rejected(**changes):
        assert sentence.split()[0] in _NAMES
