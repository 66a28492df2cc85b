"""Network policies, a view of the connections: everything is denied in the stack's namespace, and exactly the connections are opened.

A policy selects ports and pods, not paths: who may connect to a port may send any request to it. What Kubernetes always allows needs no
policy: a node reaches its own pods (probes, port-forwards), and a pod reaches itself (documentation 1.36, "Network Policies").
"""

from __future__ import annotations

from typing import Any

from . import catalogue
from .catalogue import CATALOGUE, OUTSIDE
from .connections import Connection, active
from .kubernetes import metadata
from .labels import OF_ANY_STACK, labels, selector
from .model import Stack

Peers = list[dict[str, Any]]


def default_deny(stack: Stack) -> list[dict[str, Any]]:
    """Return the policy that denies what no other one opens.

    It is for every pod of the namespace, unless that was there before the stack: then for the stack's own pods only.
    """
    if not stack.network_policies:
        return []
    pods = {"matchLabels": dict(OF_ANY_STACK)} if stack.namespace_state == "foreign" else {}
    return [_policy(stack, "network_policies", "default-deny", pods, {"ingress": [], "egress": []})]


def policies(stack: Stack, component: str) -> list[dict[str, Any]]:
    """Return the policy that opens the connections of a component, or of a party whose pods run in the stack's namespace."""
    pods = _pods(stack, component)
    rows = [row for row in active(stack) if row.ports or row.any_port]
    ingress = [_rule(stack, "from", _peers(stack, row.source), row) for row in rows if row.target == component]
    egress = [_rule(stack, "to", _peers(stack, row.target), row) for row in rows if row.source == component]
    if not stack.network_policies or not pods or not (ingress or egress):
        return []
    if component in CATALOGUE and CATALOGUE[component].open_egress:
        egress = [{}]
    rules = {"ingress": _merged(ingress), "egress": _merged(egress)}
    return [_policy(stack, component, catalogue.workload_name(component), {"matchLabels": pods}, rules)]


def parties(stack: Stack) -> list[dict[str, Any]]:
    """Return the policies of those that are no components and have pods in the stack's namespace."""
    return [policy for party, row in OUTSIDE.items() if row.pods for policy in policies(stack, party)]


def _pods(stack: Stack, end: str) -> dict[str, str]:
    """Return the labels of the pods of an end of a connection in the stack's namespace; empty where it has none there."""
    if end in OUTSIDE:
        return dict(OUTSIDE[end].pods)
    return selector(stack, end) if stack.installs(end) and not CATALOGUE[end].own_namespace else {}


def _peers(stack: Stack, end: str) -> Peers | None:
    """Return the other end of a connection as a policy has it; None for any address, of which a policy cannot say more.

    Users come from anywhere. The kubelet, the API server and DNS have addresses that differ from cluster to cluster, so for them the port
    decides. So it does for what is outside of the stack: most object stores have names only. Applications are the pods of every namespace.
    """
    if end in stack.provided:
        return list(stack.ingress_from)
    if pods := _pods(stack, end):
        return [{"podSelector": {"matchLabels": pods}}]
    return [{"namespaceSelector": {}}] if end == "application" else None


def _rule(stack: Stack, side: str, peers: Peers | None, row: Connection) -> dict[str, Any]:
    numbers = [] if row.any_port else [stack.port(row.target, name) for name in row.ports]
    protocols = ("UDP", "TCP") if row.udp else ("TCP",)
    ports = [{"port": number, "protocol": protocol} for number in numbers for protocol in protocols]
    return {**({side: peers} if peers is not None else {}), **({"ports": ports} if ports else {})}


def _merged(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rules without repetitions, those for the same ports as one."""
    found: list[dict[str, Any]] = []
    for rule in rules:
        same = next((other for other in found if other.get("ports") == rule.get("ports") and other.keys() == rule.keys()), None)
        if same is None:
            found.append({key: list(value) for key, value in rule.items()})
        else:
            for side in {"from", "to"} & rule.keys():
                same[side] += [peer for peer in rule[side] if peer not in same[side]]
    return found


def _policy(stack: Stack, component: str, name: str, pods: dict[str, Any], rules: dict[str, Any]) -> dict[str, Any]:
    described = metadata(stack, component, name) | {"namespace": stack.namespace, "labels": labels(stack, component)}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": described,
        "spec": {"podSelector": pods, "policyTypes": ["Ingress", "Egress"], **rules},
    }
