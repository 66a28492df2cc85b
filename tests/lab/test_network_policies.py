"""The rules of the lab's nodes, evaluated here as the kernel evaluates them, against what Cyclonus says that the policies allow."""

from __future__ import annotations

import ipaddress
import shlex
import shutil
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.network_policies.allowed import allowed
from tools.lab import network_policies
from tools.lab.network_policies import Pod

NODES = ("node-1", "node-2")
NAMESPACES = {"a": {"team": "x"}, "b": {"team": "y"}, "c": {}}
OUTSIDE = {4: ("192.0.2.1", "192.0.2.200"), 6: ("2001:db8::1", "2001:db8::8000")}
BLOCKS = {
    4: ("0.0.0.0/0", "192.0.2.0/24", "192.0.2.128/25", "10.244.1.0/24", "10.244.1.2/32"),
    6: ("::/0", "2001:db8::/64", "2001:db8::8000/113", "fd00:10:244:1::/64", "fd00:10:244:1::2/128"),
}
NUMBERS, PROTOCOLS = (80, 85, 8080, 9090), ("TCP", "UDP")

label_sets = st.fixed_dictionaries({}, optional={"app": st.sampled_from(["web", "db"]), "tier": st.sampled_from(["one", "two"])})
# Without NotIn and empty values, of which Cyclonus has another view than Kubernetes; see the tests of `matches`.
expressions = st.one_of(
    st.builds(
        lambda key, values: {"key": key, "operator": "In", "values": values},
        st.sampled_from(["app", "tier", "team"]),
        st.lists(st.sampled_from(["web", "db", "one", "x", "y"]), min_size=1, max_size=2),
    ),
    st.builds(
        lambda key, operator: {"key": key, "operator": operator},
        st.sampled_from(["app", "tier", "team"]),
        st.sampled_from(["Exists", "DoesNotExist"]),
    ),
)
pod_selectors = st.fixed_dictionaries({}, optional={"matchLabels": label_sets, "matchExpressions": st.lists(expressions, max_size=1)})
namespace_selectors = st.sampled_from([{}, {"matchLabels": {"team": "x"}}, {"matchExpressions": [{"key": "team", "operator": "Exists"}]}])
ports = st.one_of(
    st.fixed_dictionaries({}, optional={"protocol": st.sampled_from(PROTOCOLS)}),
    st.builds(lambda number, protocol: {"port": number, "protocol": protocol}, st.sampled_from(NUMBERS), st.sampled_from(PROTOCOLS)),
    st.builds(lambda name: {"port": name}, st.sampled_from(["http", "metrics", "none"])),
    st.builds(lambda end: {"port": 80, "endPort": end}, st.sampled_from([80, 85, 9090])),
)


def peers(version: int) -> st.SearchStrategy[dict[str, Any]]:
    pods = st.fixed_dictionaries({}, optional={"podSelector": pod_selectors, "namespaceSelector": namespace_selectors}).filter(bool)
    blocks = st.builds(
        lambda cidr, holes: {"ipBlock": {"cidr": cidr, "except": [hole for hole in holes if inside(hole, cidr)]}},
        st.sampled_from(BLOCKS[version]),
        st.lists(st.sampled_from(BLOCKS[version]), max_size=2),
    )
    return st.one_of(pods, blocks)


def inside(hole: str, cidr: str) -> bool:
    """Whether the API takes the exception: it has to be smaller than the block."""
    outer, inner = (ipaddress.ip_network(text) for text in (cidr, hole))
    return inner.prefixlen > outer.prefixlen and inner.network_address in outer


def rule(side: str, version: int) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={side: st.lists(peers(version), max_size=2), "ports": st.lists(ports, max_size=2)})


@st.composite
def policies(draw: st.DrawFn, version: int) -> dict[str, Any]:
    spec = {"podSelector": draw(pod_selectors), "ingress": draw(st.lists(rule("from", version), max_size=2))}
    spec |= {"egress": draw(st.lists(rule("to", version), max_size=2))}
    spec |= {"policyTypes": draw(st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]))}
    return {"metadata": {"name": str(draw(st.integers())), "namespace": draw(st.sampled_from("ab"))}, "spec": spec}


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    numbers = st.sampled_from(NUMBERS)
    named = draw(st.fixed_dictionaries({}, optional={"http": numbers, "metrics": numbers}))
    return {"namespace": draw(st.sampled_from("abc")), "labels": draw(label_sets), "ports": named, "node": draw(st.sampled_from(NODES))}


def compiled(found: dict[str, Any], addresses: tuple[str, ...]) -> Pod:
    named = tuple((name, "TCP", number) for name, number in found["ports"].items())
    return Pod(found["namespace"], found["node"], found["labels"], tuple(ipaddress.ip_network(ip) for ip in addresses), named)


def forwards(text: str, source: str, target: str, port: int, protocol: str, chain: str = "FORWARD") -> bool | None:
    """Whether a node forwards the first packet of a connection; None when a chain ends without a verdict."""
    for line in text.splitlines():
        words = shlex.split(line)
        if words[:2] != ["-A", chain] or "--ctstate" in words:
            continue
        options = dict(zip(words[2::2], words[3::2], strict=True))
        given = {"-s": source, "-d": target}
        if any(ipaddress.ip_address(given[key]) not in ipaddress.ip_network(options[key]) for key in given.keys() & options.keys()):
            continue
        first, last = map(int, options.get("--dport", "1:65535").split(":"))
        if options.get("-p", protocol.lower()) != protocol.lower() or not first <= port <= last:
            continue
        match options["-j"]:
            case "ACCEPT":
                return True
            case "DROP":
                return False
            case "RETURN":
                return None
            case other:
                verdict = forwards(text, source, target, port, protocol, other)
                if verdict is not None:
                    return verdict
    return None if chain != "FORWARD" else True


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go here")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
@pytest.mark.parametrize("version", [4, 6])
def test_nodes_forward_exactly_what_the_policies_allow(version: int, data: st.DataObject) -> None:
    listed = data.draw(st.lists(pods(), min_size=2, max_size=6))
    wanted = data.draw(st.lists(policies(version), min_size=1, max_size=4))
    addresses = [
        (f"10.244.{1 + NODES.index(one['node'])}.{n}", f"fd00:10:244:{1 + NODES.index(one['node'])}::{n}")
        for n, one in enumerate(listed, start=2)
    ]
    own = {f"pod-{n}": ips[version == 6] for n, ips in enumerate(addresses)}
    homes = {f"pod-{n}": one["node"] for n, one in enumerate(listed)}
    texts = {
        node: network_policies.rules(wanted, [compiled(*item) for item in zip(listed, addresses, strict=True)], NAMESPACES, node)[version]
        for node in NODES
    }
    ends: list[Any] = [*own, *({"ip": ip} for ip in OUTSIDE[version])]
    queries: list[dict[str, Any]] = [
        {"from": source, "to": target, "port": port, "protocol": protocol}
        for source in ends
        for target in ends
        if source != target and (isinstance(source, str) or isinstance(target, str))
        for port in NUMBERS
        for protocol in PROTOCOLS
    ]
    expected = allowed(
        wanted,
        [
            {
                "name": name,
                "namespace": one["namespace"],
                "labels": one["labels"],
                "namespaceLabels": NAMESPACES[one["namespace"]],
                "ip": own[name],
                "ports": one["ports"],
            }
            for name, one in zip(own, listed, strict=True)
        ],
        queries,
    )
    for query, answer in zip(queries, expected, strict=True):
        way = {homes[end] for end in (query["from"], query["to"]) if isinstance(end, str)}
        source, target = (own[end] if isinstance(end, str) else end["ip"] for end in (query["from"], query["to"]))
        found = all(forwards(texts[node], source, target, query["port"], query["protocol"]) for node in way)
        assert found == answer, (query, texts)
