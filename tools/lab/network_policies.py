"""Enforce network policies on a node of the lab, whose CNI plugin enforces none: a service of each node.

It watches policies, pods and namespaces and keeps the node's packet filter rules at what they say. A pod has a routed link of its own, so
what it exchanges with others is forwarded by its node, even between two pods of one node. The rules are the table `security`, which nothing
else on a node uses: it comes after the address of a Service is replaced by that of a pod, and is itself replaced as a whole.

Only the standard library, and no other module of the lab: the file is copied to the node, where the checkout may be covered by its /var.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import json
import os
import queue
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Object = dict[str, Any]
Key = tuple[str, str]
Changes = queue.SimpleQueue[tuple[str, dict[Key, Any], bool]]

COMMANDS = {4: "iptables-restore", 6: "ip6tables-restore"}
# Existing connections go on in the direction of the replies only, so that a new policy applies to them too.
HEAD = (
    "*security",
    ":INPUT ACCEPT [0:0]",
    ":FORWARD ACCEPT [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    "-A FORWARD -m conntrack --ctstate RELATED -j ACCEPT",
    "-A FORWARD -m conntrack --ctstate ESTABLISHED --ctdir REPLY -j ACCEPT",
)
# Direction -> key of the rules in a policy, of the peers in a rule; option for the pod, for its peers.
DIRECTIONS = {"Ingress": ("ingress", "from", "-d", "-s"), "Egress": ("egress", "to", "-s", "-d")}


@dataclass(frozen=True)
class Pod:
    """What rules need of a pod; `ports` are the named ones as (name, protocol, number)."""

    namespace: str
    node: str
    labels: Mapping[str, str]
    addresses: tuple[Network, ...]
    ports: tuple[tuple[str, str, int], ...]


def pod(found: Object) -> Pod | None:
    """Return a pod of the API as rules need it; None for one without addresses of its own: not started, ended, or on the host's network."""
    spec, status, metadata = found["spec"], found.get("status", {}), found["metadata"]
    addresses = tuple(ipaddress.ip_network(item["ip"]) for item in status.get("podIPs") or ())
    if not addresses or spec.get("hostNetwork") or status.get("phase") in ("Succeeded", "Failed"):
        return None
    listed = [port for container in spec["containers"] for port in container.get("ports") or () if port.get("name")]
    ports = tuple((port["name"], port.get("protocol", "TCP"), port["containerPort"]) for port in listed)
    return Pod(metadata["namespace"], spec.get("nodeName", ""), metadata.get("labels") or {}, addresses, ports)


def matches(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches; an empty one matches everything."""
    wanted = [(key, "In", [value]) for key, value in (selector.get("matchLabels") or {}).items()]
    wanted += [(item["key"], item["operator"], item.get("values") or []) for item in selector.get("matchExpressions") or ()]
    tests: dict[str, Callable[[str, list[str]], bool]] = {
        "In": lambda key, values: key in labels and labels[key] in values,
        "NotIn": lambda key, values: key not in labels or labels[key] not in values,
        "Exists": lambda key, _: key in labels,
        "DoesNotExist": lambda key, _: key not in labels,
    }
    return all(tests[operator](key, values) for key, operator, values in wanted)


def rules(policies: Iterable[Object], pods: Iterable[Pod], namespaces: Mapping[str, Mapping[str, str]], node: str) -> dict[int, str]:
    """Return what iptables-restore takes, for each IP version, to enforce the policies on a node.

    Goes in: policies as the API has them, the pods of the whole cluster, the labels of each namespace, the name of the node. The same
    policies and pods in another order give the same text. Pods that a policy selects get a chain for each direction it is for; pods with
    the same rules share it.
    """
    everyone = sorted(pods, key=lambda one: str(one.addresses))
    ordered = sorted(policies, key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"]))
    lines: dict[int, list[str]] = {version: [] for version in COMMANDS}
    chains: dict[int, dict[str, list[str]]] = {version: {} for version in COMMANDS}
    for one in (one for one in everyone if one.node == node):
        own = [policy["spec"] for policy in ordered if policy["metadata"]["namespace"] == one.namespace]
        selecting = [spec for spec in own if matches(spec.get("podSelector") or {}, one.labels)]
        for address in one.addresses:
            added = []
            for direction, (_, _, option, _) in DIRECTIONS.items():
                isolating = [spec for spec in selecting if direction in _types(spec)]
                allowed = [line for spec in isolating for line in _allowed(spec, direction, one, everyone, namespaces, address.version)]
                body = [*dict.fromkeys(allowed), "-j DROP"]
                name = f"{direction}-{hashlib.sha256(repr(body).encode()).hexdigest()[:16]}"
                if isolating:
                    chains[address.version][name] = body
                    added.append(f"-A FORWARD {option} {address} -j {name}")
            if added:
                # A pod always reaches itself, which through a Service leads over the node.
                lines[address.version] += [f"-A FORWARD -s {address} -d {address} -j ACCEPT", *added]
    return {version: _text(lines[version], chains[version]) for version in COMMANDS}


def _text(lines: list[str], chains: dict[str, list[str]]) -> str:
    bodies = [text for name in sorted(chains) for text in (f":{name} - [0:0]", *(f"-A {name} {line}" for line in chains[name]))]
    return "\n".join([*HEAD, *bodies, *lines, "COMMIT", ""])


def _types(spec: Object) -> list[str]:
    return spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def _allowed(
    spec: Object, direction: str, own: Pod, pods: list[Pod], namespaces: Mapping[str, Mapping[str, str]], version: int
) -> Iterator[str]:
    """Yield a line for everything that a policy allows a pod in a direction and an IP version."""
    key, peers_key, _, option = DIRECTIONS[direction]
    for rule in spec.get(key) or ():
        peers = rule.get(peers_key) or []
        networks = [found for peer in peers for found in _networks(peer, own.namespace, pods, namespaces, version)]
        sources = [f"{option} {network} " for network in ipaddress.collapse_addresses(networks)] if peers else [""]
        for port in rule.get("ports") or [None]:
            if port is None or not isinstance(port.get("port"), str):
                yield from (f"{source}{_ports(port)}-j RETURN" for source in sources)
            elif direction == "Ingress":
                numbers = _numbers(own, port)
                yield from (f"{source}{_ports({**port, 'port': number})}-j RETURN" for number in numbers for source in sources)
            else:
                # The name is the other pod's: its number may differ from pod to pod.
                for other in pods:
                    for address in (address for address in other.addresses if address.version == version):
                        if not peers or any(address.subnet_of(network) for network in networks):
                            yield from (f"-d {address} {_ports({**port, 'port': number})}-j RETURN" for number in _numbers(other, port))


def _numbers(owner: Pod, port: Object) -> list[int]:
    return [number for name, protocol, number in owner.ports if (name, protocol) == (port["port"], port.get("protocol", "TCP"))]


def _ports(port: Object | None) -> str:
    """Return the options for a port of a rule: nothing without one; all ports of a protocol, by default TCP, when it has no number."""
    if port is None:
        return ""
    number = f"--dport {port['port']}:{port.get('endPort', port['port'])} " if port.get("port") else ""
    return f"-p {port.get('protocol', 'TCP').lower()} {number}"


def _networks(peer: Object, own: str, pods: list[Pod], namespaces: Mapping[str, Mapping[str, str]], version: int) -> Iterator[Any]:
    """Yield the addresses of an IP version that a peer stands for, in a policy of the namespace `own`."""
    if block := peer.get("ipBlock"):
        left = [ipaddress.ip_network(block["cidr"], strict=False)]
        for hole in (ipaddress.ip_network(text, strict=False) for text in block.get("except") or ()):
            left = [part for network in left for part in _without(network, hole)]
        yield from (network for network in left if network.version == version)
        return
    chosen = peer.get("namespaceSelector")
    among = {own} if chosen is None else {name for name, labels in namespaces.items() if matches(chosen, labels)}
    for one in pods:
        if one.namespace in among and matches(peer.get("podSelector") or {}, one.labels):
            yield from (address for address in one.addresses if address.version == version)


def _without(network: Any, hole: Any) -> list[Any]:
    if network.version != hole.version or not network.overlaps(hole):
        return [network]
    return [] if network.subnet_of(hole) else list(network.address_exclude(hole))


# What is watched -> what is kept of an object, None for one that does not matter.
WATCHED: dict[str, Callable[[Object], Any]] = {
    "/apis/networking.k8s.io/v1/networkpolicies": lambda found: {"metadata": found["metadata"], "spec": found["spec"]},
    "/api/v1/pods": pod,
    "/api/v1/namespaces": lambda found: found["metadata"].get("labels") or {},
}


def _key(found: Object) -> Key:
    return found["metadata"].get("namespace", ""), found["metadata"]["name"]


def lines(url: str, context: ssl.SSLContext) -> Iterator[Object]:
    """Yield each line of an answer as JSON; raises OSError, HTTPException or ValueError when there is none, or it ends early."""
    with urllib.request.urlopen(url, context=context, timeout=90) as answer:  # noqa: S310 - the lab's own API server
        yield from (json.loads(line) for line in answer)


def follow(server: str, context: ssl.SSLContext, path: str, changes: Changes) -> None:
    """Put what is kept of the objects of a kind into the queue, first all of them, then each change, for ever.

    An entry is the kind's path, the objects by namespace and name, and whether those are all.
    """
    keep, version = WATCHED[path], ""
    while True:
        try:
            if not version:
                (listed,) = lines(server + path, context)
                version = listed["metadata"]["resourceVersion"]
                changes.put((path, {_key(item): keep(item) for item in listed["items"]}, True))
            watch = f"{server}{path}?watch=1&allowWatchBookmarks=true&timeoutSeconds=60&resourceVersion={version}"
            for event in lines(watch, context):
                version = "" if event["type"] == "ERROR" else event["object"]["metadata"]["resourceVersion"]
                if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                    kept = None if event["type"] == "DELETED" else keep(event["object"])
                    changes.put((path, {_key(event["object"]): kept}, False))
        except (OSError, http.client.HTTPException, ValueError) as error:
            print(f"trying again: {error}", file=sys.stderr, flush=True)
            version = ""
            time.sleep(1)


def _end(error: threading.ExceptHookArgs) -> None:
    threading.__excepthook__(error)
    os._exit(1)


def main() -> None:
    """Enforce the policies. Arguments: node, IP versions (`4,6`), URL and authority of the API server, certificate and key of a client."""
    node, versions, server, authority, *client = sys.argv[1:]
    context, changes = ssl.create_default_context(cafile=authority), Changes()
    context.load_cert_chain(*client)
    threading.excepthook = _end  # without one of its watches the service would enforce what was; it ends, and the machine starts it again
    for path in WATCHED:
        threading.Thread(target=follow, args=(server, context, path, changes), daemon=True).start()
    kept: dict[str, dict[Key, Any]] = {}
    applied: dict[int, str] = {}
    while True:
        path, objects, complete = changes.get()
        merged = objects if complete else kept[path] | objects
        kept[path] = {key: value for key, value in merged.items() if value is not None}
        if not changes.empty() or len(kept) < len(WATCHED):
            continue
        policies, pods, namespaces = (kept[path] for path in WATCHED)
        wanted = rules(policies.values(), pods.values(), {name: labels for (_, name), labels in namespaces.items()}, node)
        for version in map(int, versions.split(",")):
            if applied.get(version) != wanted[version]:
                subprocess.run([COMMANDS[version]], input=wanted[version], text=True, check=True)
                applied[version] = wanted[version]


if __name__ == "__main__":
    main()
