"""The rules of the lab's nodes, evaluated here as the kernel evaluates them, against what Cyclonus says that the policies allow."""

from __future__ import annotations

import ipaddress
import os
import shlex
import shutil
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
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


def listed_pod(found: dict[str, Any], addresses: tuple[str, ...], **more: Any) -> dict[str, Any]:
    """Return a pod as the API lists it."""
    named = [{"name": name, "containerPort": number, "protocol": "TCP"} for name, number in found["ports"].items()]
    return {
        "metadata": {"name": "any", "namespace": found["namespace"], "labels": found["labels"]},
        "spec": {"nodeName": found["node"], "containers": [{"name": "program", "ports": [{"containerPort": 1}, *named]}], **more},
        "status": {"phase": "Running", "podIP": addresses[0], "podIPs": [{"ip": ip} for ip in addresses]},
    }


def compiled(found: dict[str, Any], addresses: tuple[str, ...]) -> Pod:
    pod = network_policies.pod(listed_pod(found, addresses))
    assert pod is not None
    return pod


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
# A smaller example is not worth the minutes that looking for it takes: every step asks the program.
@settings(max_examples=60, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
@pytest.mark.parametrize("version", [4, 6])
def test_nodes_forward_exactly_what_the_policies_allow(version: int, data: st.DataObject) -> None:
    listed = data.draw(st.lists(pods(), min_size=2, max_size=6))
    wanted = data.draw(st.lists(policies(version), min_size=1, max_size=4))
    addresses = [
        (f"10.244.{1 + NODES.index(one['node'])}.{n}", f"fd00:10:244:{1 + NODES.index(one['node'])}::{n}")
        for n, one in enumerate(listed, start=2)
    ]
    if data.draw(st.booleans()):
        addresses = [(second, first) for first, second in addresses]
    own = {f"pod-{n}": next(ip for ip in ips if (":" in ip) == (version == 6)) for n, ips in enumerate(addresses)}
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


def deny(namespace: str = "a", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": namespace}, "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], **spec}}


def plain(number: int, **facts: Any) -> Pod:
    found = {"namespace": "a", "labels": {}, "ports": {}, "node": "node-1", **facts}
    return compiled(found, (f"10.244.1.{number}", f"fd00:10:244:1::{number}"))


@pytest.mark.parametrize(("version", "address"), [(4, "10.244.1.2"), (6, "fd00:10:244:1::2")])
def test_a_pod_reaches_itself_whatever_is_denied(version: int, address: str) -> None:
    text = network_policies.rules([deny()], [plain(2), plain(3)], NAMESPACES, "node-1")[version]
    assert forwards(text, address, address, 80, "TCP")
    assert not forwards(text, address, address[:-1] + "3", 80, "TCP")


def test_only_replies_go_on_without_a_policy() -> None:
    text = network_policies.rules([deny()], [plain(2)], NAMESPACES, "node-1")[4]
    assert [line for line in text.splitlines() if "--ctstate" in line] == [
        "-A FORWARD -m conntrack --ctstate RELATED -j ACCEPT",
        "-A FORWARD -m conntrack --ctstate ESTABLISHED --ctdir REPLY -j ACCEPT",
    ]


def test_a_node_has_rules_for_its_own_pods_only() -> None:
    here, there = plain(2), plain(3, node="node-2")
    text = network_policies.rules([deny()], [here, there], NAMESPACES, "node-1")[4]
    assert not forwards(text, "10.244.1.2", "192.0.2.1", 80, "TCP")
    assert forwards(text, "10.244.1.3", "192.0.2.1", 80, "TCP")


def test_the_order_of_what_is_listed_changes_nothing() -> None:
    found = [plain(2), plain(3), plain(4)]
    wanted = [deny(), deny("b"), {**deny(ingress=[{"from": [{"podSelector": {}}]}]), "metadata": {"name": "q", "namespace": "a"}}]
    first = network_policies.rules(wanted, found, NAMESPACES, "node-1")
    assert network_policies.rules(wanted[::-1], found[::-1], NAMESPACES, "node-1") == first


@pytest.mark.parametrize(
    "change",
    [{"spec": {"hostNetwork": True}}, {"status": {"phase": "Succeeded"}}, {"status": {"phase": "Failed"}}, {"status": {"podIPs": []}}],
    ids=str,
)
def test_a_pod_without_addresses_of_its_own_has_no_part_in_it(change: dict[str, dict[str, Any]]) -> None:
    found = listed_pod({"namespace": "a", "labels": {}, "ports": {}, "node": "node-1"}, ("10.244.1.2",))
    assert network_policies.pod(found)
    for part, facts in change.items():
        found[part] |= facts
    assert network_policies.pod(found) is None


@pytest.mark.parametrize(
    ("expression", "labels", "matches"),
    [
        ({"operator": "NotIn", "values": ["web"]}, {}, True),
        ({"operator": "NotIn", "values": ["web"]}, {"app": "web"}, False),
        ({"operator": "NotIn", "values": ["web"]}, {"app": "db"}, True),
        ({"operator": "In", "values": [""]}, {}, False),
        ({"operator": "In", "values": [""]}, {"app": ""}, True),
    ],
)
def test_selectors_match_as_in_kubernetes_where_cyclonus_has_another_view(
    expression: dict[str, Any], labels: dict[str, str], matches: bool
) -> None:
    assert network_policies.matches({"matchExpressions": [{"key": "app", **expression}]}, labels) == matches


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("iptables-restore") is None, reason="packet filter rules need root and iptables")
@pytest.mark.parametrize("version", [4, 6])
def test_the_kernel_takes_the_rules(version: int) -> None:
    port = [{}, {"protocol": "UDP"}, {"port": 80}, {"port": 80, "endPort": 90}, {"port": "http"}, {"port": 80, "protocol": "SCTP"}]
    blocks = [{"ipBlock": {"cidr": BLOCKS[version][1], "except": [BLOCKS[version][2]]}}, {"namespaceSelector": {}}]
    wanted = deny(ingress=[{"from": blocks, "ports": port}], egress=[{"to": blocks, "ports": port}, {"ports": port}])
    pods_there = [plain(2, ports={"http": 80}), plain(3, ports={"http": 81})]
    text = network_policies.rules([wanted], pods_there, NAMESPACES, "node-1")[version]
    command = ["unshare", "--net", network_policies.COMMANDS[version]]
    subprocess.run(command, input=text, text=True, check=True)
    done = subprocess.run(command, input=text.replace("--dport 80:90", "--dport 90:x"), text=True, check=False, capture_output=True)
    assert done.returncode


def test_the_service_ends_with_any_of_its_watches() -> None:
    program = (
        "import threading, time; from tools.lab.network_policies import _end; threading.excepthook = _end\n"
        "threading.Thread(target=int, args=('x',)).start(); time.sleep(30)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert "ValueError" in done.stderr
