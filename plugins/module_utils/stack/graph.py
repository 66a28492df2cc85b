"""Orders and tables that follow from the connections."""

from __future__ import annotations

from typing import Any

from . import catalogue
from .catalogue import CATALOGUE
from .connections import CONNECTIONS, active
from .labels import INSTANCE, ownership
from .model import Stack


def removal_waves() -> list[list[str]]:
    """Return the components in the order of their removal: each after those that push data to it, so that they can deliver what they hold.

    The components of one wave go together. Raises ValueError when data goes round in a circle.
    """
    waiting = {name: _senders(name) for name in CATALOGUE}
    waves: list[list[str]] = []
    while waiting:
        wave = [name for name, senders in waiting.items() if not senders & waiting.keys()]
        if not wave:
            raise ValueError(f"data goes round in a circle between {', '.join(waiting)}")
        waves.append(wave)
        waiting = {name: senders for name, senders in waiting.items() if name not in wave}
    return waves


def removal_names() -> list[list[str]]:
    """Return the same order in values of the component label."""
    return [[catalogue.workload_name(name) for name in wave] for wave in removal_waves()]


def namespaces(stack: Stack) -> list[str]:
    """Return the namespaces that hold objects of the stack, its own first."""
    return list(dict.fromkeys([stack.namespace, *(stack.namespace_of(name) for name in stack.installed())]))


def _senders(component: str) -> set[str]:
    """Return the components that push data to one, or keep theirs there; what has a namespace of its own sends as an application does."""
    sources = {row.source for row in CONNECTIONS if row.purpose in ("push", "store") and row.target == component}
    applications = {name for name, row in CATALOGUE.items() if row.own_namespace} if "application" in sources else set()
    return (sources & CATALOGUE.keys()) | applications


def queue_table(stack: Stack) -> list[dict[str, Any]]:
    """Return one row per connection that can lose or queue data: `name`, `carries`, `protocol`, `to`, `lost` and `queue` (metrics)."""
    return [
        {
            "name": row.name,
            "carries": row.carries,
            "protocol": row.protocol,
            "to": row.to,
            "lost": [f"{component}: {name}" for component, names in row.lost.items() for name in names],
            "queue": [f"{component}: {name}" for component, names in row.queue.items() for name in names],
        }
        for row in active(stack)
        if row.lost
    ]


def mermaid(stack: Stack) -> str:
    """Return the connections with a number whose components are switched on, as a Mermaid flowchart along the flow of the data."""
    edges = []
    for row in active(stack):
        if row.step or row.source == "user":
            label = f"{row.step}: {row.carries}" if row.step else "HTTPS"
            edges.append((*row.flow, label))
    nodes = dict.fromkeys(end for source, target, _label in edges for end in (source, target))
    lines = ["flowchart LR", *(f'  {node}["{titled(stack, node)}"]' for node in nodes)]
    lines += [f'  {source} -->|"{label}"| {target}' for source, target, label in edges]
    return "\n".join(lines) + "\n"


def titled(stack: Stack, node: str) -> str:
    """Return the name for people of an end of a connection, with the number of its pods where there are several: "Prometheus ×2"."""
    count = stack.replicas.get(node, 0) if stack.has(node) else 0
    return catalogue.title(node) + (f" ×{count}" if count > 1 else "")


# --- removal --------------------------------------------------------------------------------------------------------------


def removal_plan(stack: Stack, on_nodes: dict[str, str]) -> dict[str, Any]:
    """Return the input of a removal.

    `instance` and `selector`: its value of the instance label, and the labels of its objects; `namespaces`: where they are, the stack's own
    first; `waves`: values of the component label, in the order of removal; `unlabelled`: what its components make at run time, without
    labels (`api_version`, `kind`, `name`, and `data`, whether it goes with the data only); `host`: the directory on every node (`root` and
    `name`) and an image that can remove it, or null.
    """
    labels = ownership(stack)
    unlabelled = []
    if stack.installs("ingress"):
        # Of the election among the controller's replicas.
        lease = {"api_version": "coordination.k8s.io/v1", "kind": "Lease", "name": catalogue.workload_name("ingress"), "data": False}
        unlabelled.append(lease)
    return {
        "instance": labels[INSTANCE],
        "selector": labels,
        "namespaces": namespaces(stack),
        "waves": removal_names(),
        "unlabelled": unlabelled,
        "host": on_nodes or None,
    }
