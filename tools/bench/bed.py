"""The cluster: a real control plane on the loopback address, with nodes and pods that kwok keeps ready without containers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from tools.bench import objects
from tools.lab import build, cluster, loopback, volumes

HERE = Path(__file__).resolve().parent
COMPONENTS = HERE / "components.yml"
# Leases are renewed after a quarter of it. The controller manager calls a node unhealthy after 50 s.
_LEASE_SECONDS = 120


@contextlib.contextmanager
def running(nodes: int, report: Callable[[str], None]) -> Iterator[loopback.ControlPlane]:
    """Yield a cluster with that many ready nodes; what is missing of its programs is built before."""
    with loopback.running(loopback.ALL, report) as control_plane:
        build.build_all(build.components(COMPONENTS), report)
        control_plane.kubectl("apply", "--filename", str(cluster.MANIFESTS / "base.yaml"))
        control_plane.start("kwok", _kwok(control_plane))
        add_nodes(control_plane, nodes)
        yield control_plane


def add_nodes(control_plane: loopback.ControlPlane, count: int) -> None:
    """Add nodes until there are that many, and wait until all are ready."""
    names = [f"node-{number}" for number in range(1, count + 1)]
    for name in names:
        # Where the provisioner makes the volumes of this node.
        (control_plane.place.volumes / name / volumes.ON_HOST).mkdir(parents=True, exist_ok=True)
    missing = sorted(set(names) - set(_ready_nodes(control_plane)))
    if missing:
        control_plane.kubectl("create", "--filename=-", given=objects.dump(_node(name) for name in missing))
    control_plane.wait(lambda: set(names) <= set(_ready_nodes(control_plane)), f"{count} nodes are ready", 180)


def remove(control_plane: loopback.ControlPlane, stack: Sequence[objects.Object]) -> None:
    """Remove the objects of a stack, with its volumes and its namespaces."""
    spaces = objects.namespaces(stack)
    there = set(control_plane.kubectl("get", "namespace", "--output=name").split())
    for space in (space for space in spaces if f"namespace/{space}" in there):
        # Pods first: the controller of namespaces waits as long as their grace period, whether they end sooner or not.
        control_plane.kubectl("delete", ",".join(objects.WORKLOADS), f"--namespace={space}", "--all", "--cascade=foreground")
    control_plane.kubectl("delete", "namespace", "--ignore-not-found", *spaces)
    control_plane.kubectl("delete", "--ignore-not-found", *objects.cluster_scoped(stack))

    def without_volumes() -> bool:
        found = json.loads(control_plane.kubectl("get", "persistentvolume", "--output=json"))["items"]
        return all(item["spec"]["claimRef"]["namespace"] not in spaces for item in found)

    control_plane.wait(without_volumes, "the volumes of the removed stack are gone")


def secrets(control_plane: loopback.ControlPlane, namespace: str) -> list[dict[str, Any]]:
    """Return the Secrets of a namespace."""
    found: list[dict[str, Any]] = json.loads(control_plane.kubectl("get", "secret", f"--namespace={namespace}", "--output=json"))["items"]
    return found


def helm() -> str:
    """Return the path of Helm."""
    return str(build.binary("helm", COMPONENTS))


def versions() -> dict[str, str]:
    """Return the version of each program that is built from a module."""
    table = yaml.safe_load((build.HERE / "components.yml").read_text()) | yaml.safe_load(COMPONENTS.read_text())
    return {name: table[name]["version"] for name in ("etcd", "kubernetes", "kwok", "helm")}


def _kwok(control_plane: loopback.ControlPlane) -> list[str]:
    return [
        str(build.binary("kwok", COMPONENTS)),
        f"--kubeconfig={control_plane.kubeconfig}",
        f"--config={HERE / 'kwok.yaml'}",
        "--manage-all-nodes",
        f"--node-lease-duration-seconds={_LEASE_SECONDS}",
    ]


def _ready_nodes(control_plane: loopback.ControlPlane) -> list[str]:
    found = json.loads(control_plane.kubectl("get", "node", "--output=json"))["items"]
    # The controller manager takes this off a moment after the node is ready; until then no pod goes there.
    return [item["metadata"]["name"] for item in found if not any("not-ready" in taint["key"] for taint in item["spec"].get("taints", []))]


def _node(name: str) -> dict[str, Any]:
    """Return a node with room for any number of pods of any size."""
    room = {"cpu": "10000", "memory": "100Ti", "ephemeral-storage": "100Ti", "pods": "10000"}
    addresses = [{"type": "InternalIP", "address": loopback.IP}, {"type": "Hostname", "address": name}]
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    status = {"capacity": room, "allocatable": room, "addresses": addresses}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": status}
