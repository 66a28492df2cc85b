"""Filters over the checked model of an inventory. Their documentation is beside this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.stack import (
    catalogue,
    components,
    graph,
    kubernetes,
    network_policies,
    placement,
)
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import labels, selector
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.plugin_utils.native import as_filter, with_stack


def component(stack: Stack, name: str, **inputs: Any) -> dict[str, Any]:
    """See component.yml."""
    row = catalogue.component(name)
    return {
        "metadata": kubernetes.metadata(stack, name),
        "cluster_metadata": kubernetes.cluster_metadata(stack, name),
        "selector": selector(stack, name),
        "replicas": stack.replicas.get(name),
        "pod_metadata": kubernetes.pod_metadata(stack, name),
        "pod": kubernetes.pod(name),
        "container": kubernetes.container(stack, name),
        "ports": dict(row.ports),
        "host": stack.hosts.get(name, ""),
        "settings": components.module(name).settings(stack, **inputs),
    }


def objects(
    stack: Stack,
    name: str,
    rendered: Sequence[dict[str, Any]],
    pod: Mapping[str, Any] | None = None,
    service: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """See objects.yml."""
    if name in _OTHERS:
        return [*rendered, *_OTHERS[name](stack)]
    catalogue.component(name)
    written = [*kubernetes.accounts(stack, name), *kubernetes.configured(name, rendered), *kubernetes.bindings(stack, name, rendered)]
    made = [
        *kubernetes.services(stack, name, service or {}),
        *kubernetes.disruption_budgets(stack, name),
        *network_policies.policies(stack, name),
    ]
    return placement.placed(stack, name, [*written, *made], pod or {})


def removal_plan(stack: Stack) -> dict[str, Any]:
    """See removal_plan.yml."""
    on_nodes: dict[str, str] = {}
    for name in stack.installed():
        on_nodes |= getattr(components.module(name), "on_nodes", lambda _stack: {})(stack)
    return graph.removal_plan(stack, on_nodes)


# The roles that are no components, and what follows from the model for each.
_OTHERS: dict[str, Callable[[Stack], list[dict[str, Any]]]] = {
    "namespaces": lambda _stack: [],
    "network_policies": lambda stack: [*network_policies.default_deny(stack), *network_policies.parties(stack)],
}


class FilterModule:
    """Offer the filters over the model."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        functions = (component, labels, objects, kubernetes.pod_security, removal_plan)
        return {function.__name__: as_filter(function.__name__, with_stack(function)) for function in functions}
