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

# A second lab on the same machine needs a name, a folder and addresses of its own.
NAME = os.environ.get("LAB_NAME", "obslab")
PREFIX = f"{NAME}-"
HOST_LINK = f"{NAME}0"
BRIDGE = "bridge0"
PODS = "10.244.0.0/16"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"


@dataclass(frozen=True)
class Address:
    """Where a machine is: its name, its address on the bridge and, for a node, the subnet of its pods."""

    name: str
    ip: str
    pods: str | None = None

    @property
    def namespace(self) -> str:
        """Return the name of the machine's network namespace on the host."""
        return PREFIX + self.name


@dataclass(frozen=True)
class Plan:
    """All addresses of a lab: the host's end, the control plane's and one per node."""

    subnet: ipaddress.IPv4Network
    host: str
    control_plane: Address
    nodes: tuple[Address, ...]


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
    return Plan(
        subnet=network,
        host=str(network[1]),
        control_plane=Address("control-plane", str(network[2])),
        nodes=tuple(Address(f"node-{n}", str(network[10 + n]), f"10.244.{n}.0/24") for n in range(1, nodes + 1)),
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
    ip("-n", name, "address", "replace", f"{lab.control_plane.ip}/24", "dev", BRIDGE)
    ip("-n", name, "link", "set", BRIDGE, "up")
    if not _link_exists(HOST_LINK):
        ip("link", "add", HOST_LINK, "type", "veth", "peer", "name", "host", "netns", name)
    ip("-n", name, "link", "set", "host", "master", BRIDGE, "up")
    ip("address", "replace", f"{lab.host}/24", "dev", HOST_LINK)
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
    ip("-n", node.namespace, "address", "add", f"{node.ip}/24", "dev", "eth0")
    # Service addresses exist only as rules, but a program on the node itself needs a route before those are looked at.
    ip("-n", node.namespace, "route", "add", SERVICES, "dev", "eth0")
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


def _route(namespace: str, node: Address) -> None:
    assert node.pods is not None
    ip("-n", namespace, "route", "replace", node.pods, "via", node.ip)
