"""Filters over the checked model of an inventory. Their documentation is beside this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.stack import (
    catalogue,
    components,
    graph,
    kubernetes,
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
        "claims": stack.claims(name),
        "pod_metadata": kubernetes.pod_metadata(stack, name),
        "pod": kubernetes.pod(name),
        "container": kubernetes.container(stack, name),
        "ports": dict(row.ports),
        "host": stack.hosts.get(name, ""),
        "rules": getattr(components.module(name), "rules", lambda _stack: {})(stack),
        "settings": components.module(name).settings(stack, **inputs),
    }


def removal_plan(stack: Stack) -> dict[str, Any]:
    """See removal_plan.yml."""
    on_nodes: dict[str, str] = {}
    for name in stack.installed():
        on_nodes |= getattr(components.module(name), "on_nodes", lambda _stack: {})(stack)
    return graph.removal_plan(stack, on_nodes)


class FilterModule:
    """Offer the filters over the model."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        functions = (component, labels, kubernetes.pod_security, removal_plan)
        return {function.__name__: as_filter(function.__name__, with_stack(function)) for function in functions}
