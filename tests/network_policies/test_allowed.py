"""The program that judges policies, by small cases with known answers; each allowed connection has one beside it that is not."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.network_policies.allowed import PolicyError, allowed

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go here")

PODS = [
    {
        "name": "web",
        "namespace": "shop",
        "labels": {"app": "web"},
        "namespaceLabels": {"team": "shop"},
        "ip": "10.244.1.2",
        "ports": {"http": 8080},
    },
    {"name": "db", "namespace": "shop", "labels": {"app": "db"}, "namespaceLabels": {"team": "shop"}, "ip": "10.244.1.3", "ports": {}},
    {"name": "guest", "namespace": "bar", "labels": {"app": "web"}, "namespaceLabels": {"team": "bar"}, "ip": "10.244.2.2", "ports": {}},
]


def policy(pods: dict[str, Any], types: list[str] | None = None, **rules: Any) -> dict[str, Any]:
    spec = {"podSelector": pods, **({"policyTypes": types} if types else {}), **rules}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": spec,
    }


def ask(policies: list[dict[str, Any]], source: Any, target: Any, port: int = 8080, protocol: str = "TCP") -> bool:
    [answer] = allowed(policies, PODS, [{"from": source, "to": target, "port": port, "protocol": protocol}])
    return answer


WEB = {"matchLabels": {"app": "web"}}
SHOP = {"matchLabels": {"team": "shop"}}
DENY = policy({}, ["Ingress", "Egress"])
TO_WEB = [{"namespaceSelector": SHOP, "podSelector": {"matchLabels": {"app": "db"}}}]
BLOCK = [{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.128/25"]}}]
# Name -> policies, an allowed connection, one that is denied.
CASES: dict[str, tuple[list[dict[str, Any]], tuple[Any, ...], tuple[Any, ...]]] = {
    "a default deny is for its own namespace": ([DENY], ("guest", "guest"), ("web", "db")),
    "a default deny for ingress leaves egress": ([policy({}, ["Ingress"])], ("web", "guest"), ("guest", "web")),
    "a default deny for egress leaves ingress": ([policy({}, ["Egress"])], ("guest", "web"), ("web", "guest")),
    "without types it is for ingress": ([policy({})], ("web", "guest"), ("guest", "web")),
    "with egress rules it is for egress too": ([policy({}, egress=[{"ports": [{"port": 1}]}])], ("web", "guest", 1), ("web", "guest", 2)),
    "policies add up": ([policy({}, ["Ingress"]), policy(WEB, ["Ingress"], ingress=[{}])], ("guest", "web"), ("guest", "db")),
    "both directions have to allow it": (
        [policy({}, ["Egress"]), policy(WEB, ["Egress"], egress=[{}])],
        ("web", "db"),
        ("db", "web"),
    ),
    "a selector of namespaces": ([policy({}, ingress=[{"from": [{"namespaceSelector": SHOP}]}])], ("web", "db"), ("guest", "db")),
    "without one it is the policy's namespace": ([policy({}, ingress=[{"from": [{"podSelector": WEB}]}])], ("web", "db"), ("guest", "db")),
    "pods of namespaces": ([policy(WEB, ingress=[{"from": TO_WEB}])], ("db", "web"), ("guest", "web")),
    "a block of addresses": ([policy(WEB, ingress=[{"from": BLOCK}])], ({"ip": "192.0.2.1"}, "web"), ({"ip": "192.0.3.1"}, "web")),
    "a block with an exception": ([policy(WEB, ingress=[{"from": BLOCK}])], ({"ip": "192.0.2.127"}, "web"), ({"ip": "192.0.2.128"}, "web")),
    "an address is no pod": (
        [policy(WEB, ingress=[{"from": [{"namespaceSelector": {}}]}])],
        ("guest", "web"),
        ({"ip": "192.0.2.1"}, "web"),
    ),
    "a range of ports": ([policy({}, ingress=[{"ports": [{"port": 80, "endPort": 90}]}])], ("db", "web", 90), ("db", "web", 91)),
    "a port of TCP": ([policy({}, ingress=[{"ports": [{"port": 80}]}])], ("db", "web", 80), ("db", "web", 80, "UDP")),
    "a named port": ([policy({}, ingress=[{"ports": [{"port": "http"}]}])], ("db", "web", 8080), ("db", "web", 80)),
    "a named port of a pod that has none": ([policy({}, ingress=[{"ports": [{"port": "http"}]}])], ("db", "web"), ("web", "db")),
    "a named port of the other end": ([policy({}, ["Egress"], egress=[{"ports": [{"port": "http"}]}])], ("db", "web"), ("web", "db")),
}


@pytest.mark.parametrize("name", CASES)
def test_a_known_case(name: str) -> None:
    policies, allows, denies = CASES[name]
    assert ask(policies, *allows)
    assert not ask(policies, *denies)
    assert ask([], *denies), "without policies everything is allowed"


WRONG: dict[str, tuple[dict[str, Any], Any]] = {
    "app NotIn": (policy({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}), "web"),
    "app with an empty value": (policy({"matchLabels": {"app": ""}}), "web"),
    "has no namespace": ({**DENY, "metadata": {"name": "p"}}, "web"),
    "which is not there": (DENY, "nobody"),
    "neither the name of a pod nor an address": (DENY, {"ip": "web"}),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_it_could_only_answer_wrongly_is_an_error(message: str) -> None:
    found, source = WRONG[message]
    words = message.split()
    with pytest.raises(PolicyError) as error:
        ask([found], source, "db")
    assert all(word in str(error.value) for word in words)
