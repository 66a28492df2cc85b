"""All objects of a component, or of a role that is none: those of its templates, and those that follow from the model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from . import catalogue, changes, kubernetes, network_policies, placement, safety
from .model import Stack

Item = dict[str, Any]

# The roles that are no components, and what follows from the model for each.
_OTHERS: dict[str, Callable[[Stack], list[Item]]] = {
    "namespaces": lambda _stack: [],
    "network_policies": lambda stack: [*network_policies.default_deny(stack), *network_policies.parties(stack)],
}

# The waves that have pods.
_PODS = ("storage", "backends", "agents")


def objects(
    stack: Stack,
    name: str,
    rendered: Sequence[Item],
    pod: Mapping[str, Any] | None = None,
    service: Mapping[str, Any] | None = None,
) -> list[Item]:
    """Return the objects of a role; `rendered` are those of its templates.

    `pod` is its merged `<role>_pod`, `service` is laid over its Service. Raises ValueError when `pod` clashes with a template, and
    for what no roll-out could do safely.
    """
    if name in _OTHERS:
        return [*rendered, *_OTHERS[name](stack)]
    catalogue.component(name)
    written = [*kubernetes.accounts(stack, name), *kubernetes.configured(name, rendered), *kubernetes.bindings(stack, name, rendered)]
    made = [
        *kubernetes.services(stack, name, service or {}),
        *kubernetes.disruption_budgets(stack, name),
        *network_policies.policies(stack, name),
    ]
    found = changes.located(stack, name, placement.placed(stack, name, [*written, *made], pod or {}))
    if unsafe := safety.problems(name, found):
        raise ValueError("; ".join(unsafe))
    return found


def waves(stack: Stack) -> dict[str, list[str]]:
    """Return the roles that have objects on the cluster, by wave, in the order in which they are applied.

    What backends and Grafana keep their data in is ready before them, and the backends before what sends to them and queries them. The
    policies of the namespace come last, when every pod has its own.
    """
    storage = [name for name in stack.enabled if catalogue.component(name).evaluation]
    backends = [name for name in stack.enabled if catalogue.component(name).backend]
    return {
        "namespace": ["namespaces"],
        "storage": storage,
        "backends": backends,
        "agents": [name for name in stack.enabled if name not in (*storage, *backends)],
        "network_policies": ["network_policies"] if stack.network_policies else [],
    }


def plan(stack: Stack, wanted: Collection[str], *, first: bool) -> list[dict[str, Any]]:
    """Return the waves of a run that applies these roles: `name`, `roles` and, for a wave of pods, `wait`, the options of `wait_ready`.

    What a wave keeps its data in is ready before it, and everything at the end. At a `first` installation nothing flows yet: agents do
    not wait for backends, and no pod has to have been ready for its `minReadySeconds`, which protect those that it replaces.
    """
    found = {name: [role for role in wave if role in wanted] for name, wave in waves(stack).items()}
    if first:
        found["agents"] = [*found.pop("backends"), *found["agents"]]
    pods = [name for name, wave in found.items() if wave and name in _PODS]
    waits: dict[str, dict[str, Any]] = {name: {"kinds": ["StatefulSet"], "available": False} for name in pods[:-1]}
    waits |= {name: {"available": False} if first else {} for name in pods[-1:]}
    run = [{"name": name, "roles": wave} for name, wave in found.items() if wave]
    return [{**wave, "wait": waits[wave["name"]]} if wave["name"] in waits else wave for wave in run]


def roles(stack: Stack) -> list[str]:
    """Return the roles of all waves, in their order."""
    return [role for wave in waves(stack).values() for role in wave]
