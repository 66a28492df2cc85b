"""The policies open the ports of the active connections for their peers, and nothing else."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue, network_policies
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE, OUTSIDE
from ansible_collections.observability.stack.plugins.module_utils.stack.connections import Connection, active
from ansible_collections.observability.stack.plugins.module_utils.stack.kubernetes import pod_metadata
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import selector
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack

from tests.inventories import combinations, stack

DEFAULT = stack()
FROM = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}, {"ipBlock": {"cidr": "192.0.2.0/24"}}]
PROVIDED = stack(ingress_install=False, ingress_from=FROM)
CERT_MANAGER = dataclasses.replace(DEFAULT, tls_source="cert_manager")
BUCKETS = {"buckets": {"mimir": "acme-mimir", "loki": "acme-loki"}}
DATABASE = {"host": "db.example.com", "port": 5433, "secret": "grafana-database"}
IN_CLUSTER = stack(observability_profile="ha", object_storage_enabled=True, postgresql_enabled=True)
OUT_OF_CLUSTER = stack(
    observability_profile="ha",
    observability_object_storage={"type": "s3", "endpoint": "minio.example.com:9000", "secret": "credentials", **BUCKETS},
    grafana_database=DATABASE,
)
BY_IDENTITY = stack(observability_object_storage={"type": "gcs", **BUCKETS})
OTHERS = [PROVIDED, CERT_MANAGER, dataclasses.replace(PROVIDED, tls_source="cert_manager"), IN_CLUSTER, OUT_OF_CLUSTER, BY_IDENTITY]
STACKS = [*combinations(), *OTHERS]
ENDS = [*CATALOGUE, *OUTSIDE]
ANY = "any"
# A peer, a port (0: all of them) and its protocol.
Opening = tuple[str, int, str]


def described(peer: Any) -> str:
    return json.dumps(peer, sort_keys=True)


def opened(model: Stack, end: str, direction: str) -> set[Opening]:
    """Return what the policies of an end open, as Kubernetes reads them: without peers for all of them, without ports for all of them."""
    side = {"ingress": "from", "egress": "to"}[direction]
    found: set[Opening] = set()
    for policy in network_policies.policies(model, end):
        for rule in policy["spec"][direction]:
            assert rule.keys() <= {side, "ports"}
            peers = [described(peer) for peer in rule[side]] if rule.get(side) else [ANY]
            ports = [(port["port"], port["protocol"]) for port in rule["ports"]] if rule.get("ports") else [(0, "TCP")]
            found |= {(peer, number, protocol) for peer in peers for number, protocol in ports}
    return found


def peers_of(model: Stack, end: str) -> list[str]:
    """Return an end of a connection as a peer of a policy."""
    if end == "ingress" and end in model.provided:
        return [described(peer) for peer in FROM]
    labels = OUTSIDE[end].pods if end in OUTSIDE else selector(model, end)
    if labels and not (end in CATALOGUE and CATALOGUE[end].own_namespace):
        return [described({"podSelector": {"matchLabels": dict(labels)}})]
    return [described({"namespaceSelector": {}})] if end == "application" else [ANY]


def wanted(model: Stack, end: str, direction: str) -> set[Opening]:
    """Return what the connections of an end need, straight from the table."""
    here = (end in OUTSIDE and OUTSIDE[end].pods) or (end in CATALOGUE and model.installs(end) and not CATALOGUE[end].own_namespace)
    rows = [row for row in active(model) if (row.target if direction == "ingress" else row.source) == end and (row.ports or row.any_port)]
    if not here or not rows:
        return set()
    if direction == "egress" and end in CATALOGUE and CATALOGUE[end].open_egress:
        return {(ANY, 0, "TCP")}
    found: set[Opening] = set()
    for row in rows:
        numbers = [model.port(row.target, name) for name in row.ports] or [0]
        protocols = ("TCP", "UDP") if row.target == "dns" or "alerting" in row.ports else ("TCP",)
        other = row.source if direction == "ingress" else row.target
        found |= {(peer, number, protocol) for peer in peers_of(model, other) for number in numbers for protocol in protocols}
    return found


# --- exactly the connections ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["ingress", "egress"])
@pytest.mark.parametrize("end", ENDS)
def test_exactly_the_ports_of_the_connections_are_open_for_their_peers(end: str, direction: str) -> None:
    for model in STACKS:
        assert opened(model, end, direction) == wanted(model, end, direction)


def test_every_connection_is_open_at_both_ends_that_are_isolated() -> None:
    for model in STACKS:
        for row in active(model):
            if not row.ports:
                continue
            number = model.port(row.target, row.ports[0])
            if wanted(model, row.target, "ingress"):
                assert {opening[1] for opening in opened(model, row.target, "ingress")} & {number, 0}, row.name
            if wanted(model, row.source, "egress"):
                assert {opening[1] for opening in opened(model, row.source, "egress")} & {number, 0}, row.name


def test_an_open_port_that_no_connection_has_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = Connection("grafana-mimir-grpc", "grafana", "mimir", "nothing", ("grpc",), purpose="query")
    monkeypatch.setattr(network_policies, "active", lambda model: [*active(model), extra])
    assert opened(DEFAULT, "mimir", "ingress") - wanted(DEFAULT, "mimir", "ingress") == {
        (described({"podSelector": {"matchLabels": selector(DEFAULT, "grafana")}}), 9095, "TCP")
    }


@pytest.mark.parametrize("end", [name for name, row in CATALOGUE.items() if not row.own_namespace])
def test_a_policy_selects_the_pods_of_its_component_and_isolates_both_directions(end: str) -> None:
    (policy,) = network_policies.policies(IN_CLUSTER, end)
    assert policy["metadata"]["namespace"] == DEFAULT.namespace
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    labels = policy["spec"]["podSelector"]["matchLabels"]
    assert labels
    assert labels.items() <= pod_metadata(DEFAULT, end)["labels"].items()
    others = [other for other in CATALOGUE if other != end]
    assert not any(labels.items() <= pod_metadata(DEFAULT, other)["labels"].items() for other in others)


def test_only_a_component_that_says_why_has_open_egress() -> None:
    for end in ENDS:
        reason = end in CATALOGUE and CATALOGUE[end].open_egress
        assert ((ANY, 0, "TCP") in opened(DEFAULT, end, "egress")) == bool(reason), end
        # No peer may connect to all ports of a component.
        assert not any(number == 0 for _peer, number, _protocol in opened(DEFAULT, end, "ingress"))
    assert [name for name, row in CATALOGUE.items() if row.open_egress] == ["prometheus", "grafana"]


def test_stores_are_written_by_their_senders_only() -> None:
    def sources(component: str, port: str) -> set[str]:
        number = catalogue.port(component, port)
        return {peer for peer, open_port, _protocol in opened(DEFAULT, component, "ingress") if open_port == number}

    def pods(*components: str) -> set[str]:
        return {described({"podSelector": {"matchLabels": selector(DEFAULT, name)}}) for name in components}

    assert sources("mimir", "http") == pods("ingress", "prometheus", "grafana")
    assert sources("loki", "http") == pods("ingress", "prometheus", "grafana", "alloy", "otel_collector")
    assert sources("prometheus", "http") == pods("ingress", "prometheus", "grafana", "alloy", "otel_collector")
    # The ports of the ring are open to its members only.
    assert sources("mimir", "memberlist") == pods("mimir")
    assert sources("loki", "grpc") == pods("loki")
    assert sources("otel_collector", "otlp-http") == {described({"namespaceSelector": {}})}


# --- the rules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ENDS)
def test_rules_for_the_same_ports_are_one_and_none_is_empty_by_accident(end: str) -> None:
    for model in STACKS:
        for policy in network_policies.policies(model, end):
            for side, rules in (("from", policy["spec"]["ingress"]), ("to", policy["spec"]["egress"])):
                keys = [(described(rule.get("ports")), side in rule) for rule in rules]
                assert len(set(keys)) == len(keys)
                # An empty list means every peer.
                assert all(rule.get(side, [1]) for rule in rules)
                assert all(len({described(peer) for peer in rule.get(side, [])}) == len(rule.get(side, [])) for rule in rules)


def test_merged_rules_keep_every_peer() -> None:
    ports, other = [{"port": 1, "protocol": "TCP"}], [{"port": 2, "protocol": "TCP"}]
    rules: list[dict[str, Any]] = [
        {"from": [{"a": 1}], "ports": ports},
        {"from": [{"b": 1}, {"a": 1}], "ports": ports},
        {"from": [{"a": 1}], "ports": other},
        {"ports": ports},
        {"ports": ports},
    ]
    merged = network_policies._merged(rules)
    assert merged == [
        {"from": [{"a": 1}, {"b": 1}], "ports": ports},
        {"from": [{"a": 1}], "ports": other},
        {"ports": ports},
    ]
    assert rules[0] == {"from": [{"a": 1}], "ports": ports}, "the rules that were given are left as they are"


# --- a controller and a namespace that were there ---------------------------------------------------------------------


def test_a_controller_that_is_there_already_reaches_the_hosts_from_where_the_inventory_says() -> None:
    for component in catalogue.public_components():
        found = {(peer, port) for peer, port, _protocol in opened(PROVIDED, component, "ingress")}
        assert {(described(peer), catalogue.port(component, "http")) for peer in FROM} <= found
        assert described({"podSelector": {"matchLabels": selector(DEFAULT, "ingress")}}) not in {peer for peer, _port in found}
    assert network_policies.policies(PROVIDED, "ingress") == []


def test_the_default_denies_everything_to_every_pod_of_the_namespace() -> None:
    (policy,) = network_policies.default_deny(DEFAULT)
    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [], "egress": []}
    assert policy["metadata"]["namespace"] == DEFAULT.namespace


@pytest.mark.parametrize(("state", "everybody"), [("", True), ("absent", True), ("ours", True), ("foreign", False)])
def test_in_a_namespace_that_was_there_only_the_pods_of_the_stack_are_isolated(state: str, everybody: bool) -> None:
    model = dataclasses.replace(DEFAULT, namespace_state=state)
    (policy,) = network_policies.default_deny(model)
    labels = policy["spec"]["podSelector"].get("matchLabels", {})
    assert bool(labels) != everybody
    for component, row in CATALOGUE.items():
        if not row.own_namespace:
            assert labels.items() <= pod_metadata(model, component)["labels"].items()
    if not everybody:
        assert not labels.items() <= {"app.kubernetes.io/name": "database", "app.kubernetes.io/part-of": "shop"}.items()


@pytest.mark.parametrize("end", ENDS)
def test_a_policy_in_a_namespace_that_was_there_is_for_pods_of_the_stack_only(end: str) -> None:
    for policy in network_policies.policies(dataclasses.replace(CERT_MANAGER, namespace_state="foreign"), end):
        assert policy["spec"]["podSelector"]["matchLabels"]


@pytest.mark.parametrize(("source", "names"), [("cert_manager", ["verify", "acme-solver"]), ("self_signed", ["verify"])])
def test_the_acme_solver_is_reached_with_cert_manager_only(source: str, names: list[str]) -> None:
    model = dataclasses.replace(DEFAULT, tls_source=source)
    assert [policy["metadata"]["name"] for policy in network_policies.parties(model)] == names
    if source == "cert_manager":
        ingress = described({"podSelector": {"matchLabels": selector(model, "ingress")}})
        assert opened(model, "acme_solver", "ingress") == {(ingress, 8089, "TCP")}
        solver = described({"podSelector": {"matchLabels": dict(OUTSIDE["acme_solver"].pods)}})
        assert (solver, 8089, "TCP") in opened(model, "ingress", "egress")


def test_switched_off_there_are_none() -> None:
    model = stack(observability_network_policies=False)
    assert network_policies.default_deny(model) == network_policies.parties(model) == []
    assert all(network_policies.policies(model, end) == [] for end in ENDS)


def test_what_runs_in_a_namespace_of_its_own_has_no_policy() -> None:
    model = stack(sample_application_enabled=True)
    assert model.installs("sample_application")
    assert network_policies.policies(model, "sample_application") == []


# --- storage and databases ----------------------------------------------------------------------------------------------------


def test_storage_in_the_cluster_is_open_to_those_that_keep_their_data_there_only() -> None:
    def pods(*components: str) -> set[Opening]:
        return {(described({"podSelector": {"matchLabels": selector(IN_CLUSTER, name)}}), port, "TCP") for name in components}

    port = 7070
    assert opened(IN_CLUSTER, "object_storage", "ingress") == pods("mimir", "loki")
    port = 5432
    assert opened(IN_CLUSTER, "postgresql", "ingress") == pods("grafana")


def test_storage_outside_of_the_cluster_is_open_on_the_port_that_the_inventory_names() -> None:
    for component in ("mimir", "loki"):
        assert (ANY, 9000, "TCP") in opened(OUT_OF_CLUSTER, component, "egress")
        assert (ANY, 443, "TCP") not in opened(OUT_OF_CLUSTER, component, "egress")
        # Credentials of the cloud are not needed where there are others.
        assert (ANY, 80, "TCP") not in opened(OUT_OF_CLUSTER, component, "egress")
        assert {(ANY, port, "TCP") for port in (80, 443, 988)} <= opened(BY_IDENTITY, component, "egress")
        assert not {port for _peer, port, _protocol in opened(DEFAULT, component, "egress")} & {80, 443, 988, 7070}
