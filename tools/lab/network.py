"""The lab's network: one namespace per machine, a bridge in the control plane's, and one link to the host.

The bridge lives in the control plane's namespace, so the host gets nothing but one link with one address: no
bridge, no route, no sysctl and no packet filter rule of its own.
"""

from __future__ import annotations

import ipaddress
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

# A second lab on the same machine needs a name, a directory and addresses of its own.
NAME = os.environ.get("LAB_NAME", "obslab")
PREFIX = f"{NAME}-"
HOST_LINK = f"{NAME}0"
BRIDGE = "bridge0"
# What LAB_FAMILY may be, and the IP versions that the cluster then has, the primary one first.
FAMILIES = {"ipv4": (4,), "ipv6": (6,), "dual": (4, 6)}
FAMILY = os.environ.get("LAB_FAMILY") or "ipv4"
VERSIONS = FAMILIES.get(FAMILY, (4,))
_PODS = {4: "10.244.0.0/16", 6: "fd00:10:244::/48"}
_SERVICES = {4: "10.96.0.0/16", 6: "fd00:10:96::/112"}
# As Kubernetes takes them: a range for each IP version, with a comma between two.
PODS = ",".join(_PODS[version] for version in VERSIONS)
SERVICES = ",".join(_SERVICES[version] for version in VERSIONS)
API_SERVICE, DNS_SERVICE = (str(ipaddress.ip_network(_SERVICES[VERSIONS[0]])[number]) for number in (1, 10))


@dataclass(frozen=True)
class Address:
    """Where a machine is: its name, its addresses on the bridge, the primary one first, and, for a node, the subnets of its pods."""

    name: str
    ips: tuple[str, ...]
    pods: tuple[str, ...] = ()

    @property
    def ip(self) -> str:
        """Return the primary address."""
        return self.ips[0]

    @property
    def namespace(self) -> str:
        """Return the name of the machine's network namespace on the host."""
        return PREFIX + self.name


@dataclass(frozen=True)
class Plan:
    """All addresses of a lab: the host's end, the control plane's and one per node. Those of IPv6 follow from `subnet`, that of IPv4."""

    subnet: ipaddress.IPv4Network
    host: tuple[str, ...]
    control_plane: Address
    nodes: tuple[Address, ...]

    @property
    def server(self) -> str:
        """Return the URL of the API server."""
        return api_server(self.control_plane.ip)


def bracketed(ip: str) -> str:
    """Return an address as a URL has it: IPv6 in brackets."""
    return f"[{ip}]" if ":" in ip else ip


def api_server(ip: str, port: int = 6443) -> str:
    """Return the URL of an API server."""
    return f"https://{bracketed(ip)}:{port}"


def plan(nodes: int, subnet: str | None = None) -> Plan:
    """Return the addresses for that many nodes (1 to 9).

    `subnet` is the /24 of the bridge; without it the environment variable LAB_SUBNET, or 10.213.0.0/24.
    Raises ValueError for what cannot be laid out.
    """
    if not 1 <= nodes <= 9:
        raise ValueError(f"LAB_NODES is {nodes}; the lab has 1 to 9 nodes")
    network = ipaddress.IPv4Network(subnet or os.environ.get("LAB_SUBNET", "10.213.0.0/24"))
    if network.prefixlen != 24:
        raise ValueError(f"LAB_SUBNET is {network}; it has to be a /24")
    if FAMILY not in FAMILIES:
        raise ValueError(f"LAB_FAMILY is {FAMILY!r}; it has to be one of {', '.join(FAMILIES)}")
    # The same digits, so that a second lab differs in IPv6 where it differs in IPv4.
    ranges: dict[int, ipaddress.IPv4Network | ipaddress.IPv6Network] = {
        4: network,
        6: ipaddress.IPv6Network("fd00:" + ":".join(str(network[0]).split(".")[:3]) + "::/64"),
    }

    def addresses(number: int) -> tuple[str, ...]:
        return tuple(str(ranges[version][number]) for version in VERSIONS)

    def pods(number: int) -> tuple[str, ...]:
        subnets = {4: f"10.244.{number}.0/24", 6: f"fd00:10:244:{number}::/64"}
        return tuple(subnets[version] for version in VERSIONS)

    return Plan(
        subnet=network,
        host=addresses(1),
        control_plane=Address("control-plane", addresses(2)),
        nodes=tuple(Address(f"node-{n}", addresses(10 + n), pods(n)) for n in range(1, nodes + 1)),
    )


def ip(*arguments: str, check: bool = True) -> str:
    """Run `ip` and return what it printed; raises CalledProcessError unless `check` is off."""
    return subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True).stdout


def namespaces() -> list[str]:
    """Return the lab's network namespaces that exist."""
    return [line.split()[0] for line in ip("netns", "list", check=False).splitlines() if line.startswith(PREFIX)]


def connect_control_plane(lab: Plan) -> None:
    """Make the control plane's namespace, the bridge in it and the host's link to it, whatever of that is missing."""
    name = lab.control_plane.namespace
    if name not in namespaces():
        ip("netns", "add", name)
    ip("-n", name, "link", "set", "lo", "up")
    if not _link_exists(BRIDGE, name):
        ip("-n", name, "link", "add", BRIDGE, "type", "bridge")
    for address in lab.control_plane.ips:
        ip("-n", name, "address", "replace", *_on_link(address), "dev", BRIDGE)
    ip("-n", name, "link", "set", BRIDGE, "up")
    if not _link_exists(HOST_LINK):
        ip("link", "add", HOST_LINK, "type", "veth", "peer", "name", "host", "netns", name)
    ip("-n", name, "link", "set", "host", "master", BRIDGE, "up")
    for address in lab.host:
        ip("address", "replace", *_on_link(address), "dev", HOST_LINK)
    ip("link", "set", HOST_LINK, "up")
    for node in lab.nodes:
        _route(name, node)


def connect_node(lab: Plan, node: Address) -> None:
    """Make a node's namespace anew (a machine that starts has no connections and no rules) and plug it into the bridge."""
    disconnect(node)
    ip("netns", "add", node.namespace)
    ip("link", "add", "eth0", "netns", node.namespace, "type", "veth", "peer", "name", node.name, "netns", lab.control_plane.namespace)
    ip("-n", lab.control_plane.namespace, "link", "set", node.name, "master", BRIDGE, "up")
    for link in ("lo", "eth0"):
        ip("-n", node.namespace, "link", "set", link, "up")
    for address in node.ips:
        ip("-n", node.namespace, "address", "add", *_on_link(address), "dev", "eth0")
    # Service addresses exist only as rules, but a program on the node itself needs a route before those are looked at.
    for services in SERVICES.split(","):
        ip("-n", node.namespace, "route", "add", services, "dev", "eth0")
    for other in lab.nodes:
        if other != node:
            _route(node.namespace, other)


def disconnect(machine: Address) -> None:
    """Remove a machine's namespace with everything in it; no error when it is not there."""
    remove_namespace(machine.namespace)


def remove_namespace(name: str) -> None:
    """Remove a network namespace, also one whose creation was cut short."""
    ip("netns", "delete", name, check=False)
    Path("/run/netns", name).unlink(missing_ok=True)


def remove_all() -> None:
    """Remove every namespace of the lab and the host's link."""
    for name in namespaces():
        remove_namespace(name)
    ip("link", "delete", HOST_LINK, check=False)


def _link_exists(link: str, namespace: str | None = None) -> bool:
    where = ["-n", namespace] if namespace else []
    return bool(ip(*where, "link", "show", "dev", link, check=False))


def _on_link(address: str) -> list[str]:
    """Return what `ip address` takes: the address with its link's prefix; nobody else has it, so IPv6 need not ask first."""
    return [f"{address}/64", "nodad"] if ":" in address else [f"{address}/24"]


def _route(namespace: str, node: Address) -> None:
    for pods, gateway in zip(node.pods, node.ips, strict=True):
        ip("-n", namespace, "route", "replace", pods, "via", gateway)
