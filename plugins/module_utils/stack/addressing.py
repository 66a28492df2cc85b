"""Addresses inside the cluster: of Services, of single replicas, of the members of a ring."""

from __future__ import annotations

from . import catalogue
from .model import Stack

TENANT_HEADER = "X-Scope-OrgID"


def service_host(stack: Stack, name: str) -> str:
    """Return the DNS name of a Service in the stack's namespace."""
    return f"{name}.{stack.namespace}.svc.{stack.cluster_domain}"


def headless(component: str) -> str:
    """Return the name of the Service that gives each replica of a component a DNS name."""
    return f"{catalogue.workload_name(component)}-headless"


def pod_names(stack: Stack, component: str) -> list[str]:
    """Return the pod names of a StatefulSet, in order: ["prometheus-0", "prometheus-1"]; none for another workload."""
    if catalogue.component(component).workload != "StatefulSet":
        return []
    return [f"{catalogue.workload_name(component)}-{ordinal}" for ordinal in range(stack.replicas[component])]


def url(stack: Stack, component: str, port: str = "http", path: str = "", pod: str = "") -> str:
    """Return the URL of a component's Service or, with `pod`, of that pod. Raises ValueError for a component or port there is not."""
    number = catalogue.port(component, port)
    name = f"{pod}.{headless(component)}" if pod else catalogue.workload_name(component)
    return f"http://{service_host(stack, name)}:{number}{path}"


def replica_urls(stack: Stack, component: str, path: str) -> dict[str, str]:
    """Return the URL of each replica of a component, by pod name; empty when the component is switched off."""
    if not stack.has(component):
        return {}
    return {pod: url(stack, component, path=path, pod=pod) for pod in pod_names(stack, component)}


def memberlist_address(stack: Stack, component: str) -> str:
    """Return where the members of a component find each other: the headless Service, which answers with every pod, ready or not."""
    return f"dns+{service_host(stack, headless(component))}:{catalogue.port(component, 'memberlist')}"


def tenant_headers(stack: Stack) -> dict[str, str]:
    """Return the HTTP header with the tenant of the stack; empty where there are no tenants."""
    return {TENANT_HEADER: stack.tenant} if stack.tenant else {}
