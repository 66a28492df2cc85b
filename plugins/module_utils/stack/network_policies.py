"""Network policies, a view of the connections: everything is denied in the stack's namespace, and exactly the connections are opened.

A policy selects ports and pods, not paths: who may connect to a port may send any request to it. What Kubernetes always allows needs no
policy: a node reaches its own pods (probes, port-forwards), and a pod reaches itself (documentation 1.36, "Network Policies").
"""

from __future__ import annotations

from typing import Any

from . import catalogue
from .catalogue import CATALOGUE
from .connections import CONNECTIONS, Connection
from .kubernetes import metadata
from .labels import OF_ANY_STACK, labels, selector
from .model import Stack

_UDP_TOO = ("dns",)
Peers = list[dict[str, Any]] | None


def default_deny(stack: Stack) -> list[dict[str, Any]]:
    """Return the policy that denies what no other one opens.

    It is for every pod of the namespace, unless that was there before the stack: then for the stack's own pods only.
    """
    if not stack.network_policies:
        return []
    pods = {"matchLabels": dict(OF_ANY_STACK)} if stack.namespace_state == "foreign" else {}
    return [_policy(stack, "namespaces", "default-deny", pods, {"ingress": [], "egress": []})]


def policies(stack: Stack, component: str) -> list[dict[str, Any]]:
    """Return the policies that open the connections of a component; of `verify`, those of its probe pods."""
    if not stack.network_policies or component in CATALOGUE and not _is_inside(stack, component):
        return []
    ingress = [
        _rule("from", _peers(stack, row.source, row), row)
        for row in _active(stack)
        if row.target == component and row.source != component
    ]
    egress = [
        _rule("to", _peers(stack, row.target, row), row)
        for row in _active(stack)
        if row.source == component and row.target != component
    ]
    members = [row for row in _active(stack) if row.source == row.target == component]
    for row in members:
        ingress.append(_rule("from", _peers(stack, component, row), row))
        egress.append(_rule("to", _peers(stack, component, row), row))
    if component in CATALOGUE and CATALOGUE[component].open_egress:
        egress = [{}]
    rules = {"ingress": _merged(ingress), "egress": _merged(egress)}
    return [_policy(stack, component, catalogue.workload_name(component), {"matchLabels": selector(stack, component)}, rules)]


def _active(stack: Stack) -> list[Connection]:
    """Return the connections that use the network and have both ends."""
    return [row for row in CONNECTIONS if (row.ports or row.any_port) and all(_is_there(stack, end) for end in (row.source, row.target))]


def _is_there(stack: Stack, end: str) -> bool:
    return end not in CATALOGUE or stack.has(end)


def _is_inside(stack: Stack, component: str) -> bool:
    """Whether the pods of a component run in the stack's namespace."""
    return stack.installs(component) and not CATALOGUE[component].own_namespace


def _peers(stack: Stack, end: str, row: Connection) -> Peers:
    """Return the other end of a connection as a policy has it; None for any address, of which a policy cannot say more.

    Users come from anywhere. The kubelet, the API server and DNS have addresses that differ from cluster to cluster, so for them the port
    decides. Applications are the pods of every namespace.
    """
    if end in CATALOGUE:
        if end in stack.provided:
            return list(stack.ingress_from)
        return [{"podSelector": {"matchLabels": selector(stack, end)}}]
    if end == "verify":
        return [{"podSelector": {"matchLabels": selector(stack, end)}}]
    return [{"namespaceSelector": {}}] if end == "application" else None


def _rule(side: str, peers: Peers, row: Connection) -> dict[str, Any]:
    numbers = [] if row.any_port else [catalogue.port(row.target, name) for name in row.ports]
    protocols = ("UDP", "TCP") if row.target in _UDP_TOO else ("TCP",)
    ports = [{"port": number, "protocol": protocol} for number in numbers for protocol in protocols]
    return {**({side: peers} if peers is not None else {}), **({"ports": ports} if ports else {})}


def _merged(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rules without repetitions, those for the same ports as one."""
    found: list[dict[str, Any]] = []
    for rule in rules:
        same = next((other for other in found if other.get("ports") == rule.get("ports") and other.keys() == rule.keys()), None)
        if same is None:
            found.append({key: list(value) for key, value in rule.items()})
            continue
        for side in ("from", "to"):
            same.setdefault(side, [])
            same[side] += [peer for peer in rule.get(side, []) if peer not in same[side]]
            if not same[side]:
                del same[side]
    return found


def _policy(stack: Stack, component: str, name: str, pods: dict[str, Any], rules: dict[str, Any]) -> dict[str, Any]:
    described = metadata(stack, component, name) | {"namespace": stack.namespace, "labels": labels(stack, component)}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": described,
        "spec": {"podSelector": pods, "policyTypes": ["Ingress", "Egress"], **rules},
    }
