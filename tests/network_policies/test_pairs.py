"""Every pair of pods and every port, against the connections: what the policies allow is computed by Cyclonus, not by this repository."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue, network_policies
from ansible_collections.observability.stack.plugins.module_utils.stack.connections import active
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import labels
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack

from tests.inventories import stack
from tests.network_policies.allowed import allowed

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go here")

CONTROLLER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "controllers"}}}
PROVIDED = {"ingress_install": False, "ingress_controller": "community", "ingress_from": [CONTROLLER]}
STACKS: dict[str, dict[str, Any]] = {
    "everything": {"sample_application_enabled": True},
    "certificates of cert-manager": {"ingress_tls_source": "cert_manager", "ingress_issuer": {"name": "letsencrypt"}},
    "an existing controller": PROVIDED,
    "no logs": {"loki_enabled": False},
    "no metrics": {"prometheus_enabled": False, "mimir_enabled": False},
}
# Ports that nobody listens on, and those that belong to somebody else, are asked for everywhere.
EVERY_PORT = sorted({number for row in catalogue.CATALOGUE.values() for number in row.ports.values()} | {22, 8089, 9091})
OUTSIDE_ADDRESS = {"ip": "198.51.100.7"}


def pods(model: Stack) -> dict[str, dict[str, Any]]:
    """Return a pod for each component, for each party with pods, and for strangers in this namespace and in others, by name."""
    listed = [(name, model.namespace_of(name), labels(model, name)) for name in model.installed()]
    listed += [(name, model.namespace, dict(party.pods)) for name, party in catalogue.OUTSIDE.items() if party.pods]
    listed += [("application", "shop", {"app": "shop"}), ("controller", "controllers", {"app": "nginx"})]
    # It looks like Mimir, but is in another namespace; and one without labels beside the stack.
    listed += [("impostor", "shop", labels(model, "prometheus")), ("neighbour", model.namespace, {"app": "neighbour"})]
    return {
        name: {
            "name": name,
            "namespace": namespace,
            "labels": found,
            "namespaceLabels": {"kubernetes.io/metadata.name": namespace},
            "ip": f"10.244.0.{number}",
            "ports": {},
        }
        for number, (name, namespace, found) in enumerate(listed, start=2)
    }


def policies(model: Stack) -> list[dict[str, Any]]:
    """Return every policy of a stack."""
    components = [policy for name in model.installed() for policy in network_policies.policies(model, name)]
    return [*network_policies.default_deny(model), *network_policies.parties(model), *components]


def expected(model: Stack, source: str, target: str, port: int) -> bool:
    """Return whether the table of connections has this one, as far as one of its ends is in the stack's namespace."""
    return _may(model, source, target, port, "egress") and _may(model, source, target, port, "ingress")


def _may(model: Stack, source: str, target: str, port: int, direction: str) -> bool:
    own, other = (target, source) if direction == "ingress" else (source, target)
    found = pods(model)
    if own == "outside" or found[own]["namespace"] != model.namespace:
        return True
    if direction == "egress" and own in catalogue.CATALOGUE and catalogue.component(own).open_egress:
        return True
    rows = [row for row in active(model) if (row.target if direction == "ingress" else row.source) == own]
    for row in rows:
        end = row.source if direction == "ingress" else row.target
        numbers = {catalogue.port(row.target, name) for name in row.ports}
        if (row.any_port or port in numbers) and _is(model, end, other):
            return True
    return False


def _is(model: Stack, end: str, pod: str) -> bool:
    """Whether a pod is what a connection has at one end."""
    if end in ("user", "dns", "kubelet", "api_server"):
        return True  # by port only: their addresses differ from cluster to cluster
    if end == "application":
        return pod != "outside"  # the pods of every namespace
    if end in model.provided:
        return pod == "controller"
    return pod == end


def queries(model: Stack) -> Iterator[tuple[str, str, int]]:
    found = pods(model)
    for source in (*found, "outside"):
        for target in (*found, "outside"):
            if source != target:
                yield from ((source, target, port) for port in EVERY_PORT)


def wrong(model: Stack, listed: list[dict[str, Any]]) -> list[str]:
    """Return each connection that the policies allow although the table has it not, or deny although it has."""
    asked = list(queries(model))
    ends = {"outside": OUTSIDE_ADDRESS}
    questions = [{"from": ends.get(a, a), "to": ends.get(b, b), "port": port, "protocol": "TCP"} for a, b, port in asked]
    answers = allowed(listed, list(pods(model).values()), questions)
    assert len(answers) == len(asked)
    return [
        f"{source} -> {target}:{port} is {'allowed' if answer else 'denied'}"
        for (source, target, port), answer in zip(asked, answers, strict=True)
        if answer != expected(model, source, target, port)
    ]


@pytest.mark.parametrize("changes", STACKS.values(), ids=STACKS)
def test_exactly_the_connections_are_open(changes: dict[str, Any]) -> None:
    model = stack(**changes)
    assert len(list(queries(model))) > 1500
    assert wrong(model, policies(model)) == []


def test_an_open_connection_that_is_not_in_the_table_is_found() -> None:
    model = stack()
    listed = policies(model)
    (mimir,) = (policy for policy in listed if policy["metadata"]["name"] == "mimir")
    mimir["spec"]["ingress"].append({"from": [{"namespaceSelector": {}}], "ports": [{"port": 8080, "protocol": "TCP"}]})
    found = wrong(model, listed)
    assert "application -> mimir:8080 is allowed" in found
    assert "impostor -> mimir:8080 is allowed" in found


def test_a_connection_of_the_table_that_is_closed_is_found() -> None:
    model = stack()
    listed = [policy for policy in policies(model) if policy["metadata"]["name"] != "loki"]
    assert "alloy -> loki:3100 is denied" in wrong(model, listed)


def test_without_the_switch_nothing_is_denied() -> None:
    model = stack(observability_network_policies=False)
    assert policies(model) == []


def test_in_a_namespace_that_was_there_before_others_are_left_alone() -> None:
    model = Stack.from_dict({**stack().to_dict(), "namespace_state": "foreign"})
    listed, found = policies(model), list(pods(model).values())
    query = {"to": "neighbour", "port": 80, "protocol": "TCP"}
    assert allowed(listed, found, [{"from": "application", **query}, {"from": "mimir", **query}]) == [True, False]
