"""Kubernetes objects, and parts of them, that follow from a row of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import catalogue
from .addressing import headless
from .labels import labels, selector
from .model import Stack
from .quantities import quantity

# What Go may use of a container's memory limit, in percent; the rest is for what the Go runtime does not count.
GO_MEMORY_PERCENT = 80


def metadata(stack: Stack, component: str, name: str = "") -> dict[str, Any]:
    """Return the metadata of an object of a component, in the namespace of the component."""
    return {
        "name": name or catalogue.workload_name(component),
        "namespace": stack.namespace_of(component),
        "labels": labels(stack, component),
    }


def container_ports(component: str) -> list[dict[str, Any]]:
    """Return a container's `ports`."""
    return [{"name": name, "containerPort": number, "protocol": "TCP"} for name, number in catalogue.component(component).ports.items()]


def scrape_annotations(component: str) -> dict[str, str]:
    """Return the annotations by which the Prometheus pair scrapes a component's pods, as it does any application's."""
    row = catalogue.component(component)
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(row.ports[row.metrics])} if row.scraped else {}


def probes(component: str) -> dict[str, Any]:
    """Return the probes of a component's container.

    The startup probe asks whether the process answers at all; it may take ten minutes, for a database that is migrated. A store that
    replays its write-ahead log answers already: however long that takes, it is not killed for it, which would only start it anew.
    The readiness probe gates traffic, and asks for what the component itself calls ready: replayed, and member of its rings. It fails for
    as long as something else is missing. The liveness probe must therefore ask for nothing but the process: it catches one that
    hangs, after five minutes.
    """
    row = catalogue.component(component)

    def get(path: str) -> dict[str, Any]:
        return {"path": path, "port": row.health}

    return {
        "startupProbe": {"httpGet": get(row.live), "periodSeconds": 2, "failureThreshold": 300, "timeoutSeconds": 2},
        "readinessProbe": {"httpGet": get(row.ready), "periodSeconds": 2, "failureThreshold": 8, "timeoutSeconds": 3},
        "livenessProbe": {"httpGet": get(row.live), "periodSeconds": 30, "failureThreshold": 10, "timeoutSeconds": 5},
    }


def pod_ip_arguments(flags: Iterable[str]) -> list[str]:
    """Return arguments that give flags the pod's address; the environment variable POD_IP has to hold that.

    Mimir and Loki register an address of their own with the others. By themselves they look for a private IPv4 address, and a pod with a
    public or an IPv6 address does not start. Flags, because they also win over a section that the inventory adds, and because Kubernetes
    expands the address in them: their own expansion (-config.expand-env) would expand every `$` in the inventory's settings too. A given
    address may be IPv6; the switches for IPv6 (`instance_enable_ipv6`) only decide which one is looked for (dskit, ring.GetInstanceAddr).
    """
    return [f"-{flag}=$(POD_IP)" for flag in flags]


def go_memory_limit(resources: Mapping[str, Any]) -> str:
    """Return GOMEMLIMIT, in bytes, for a container with these resources.

    It is lower than the memory limit, which would come too late: the kernel counts more than Go does. Raises ValueError when there is no
    limit, or when it is no Kubernetes quantity.
    """
    limit = (resources.get("limits") or {}).get("memory")
    try:
        return str(int(quantity(limit) * GO_MEMORY_PERCENT / 100))
    except ValueError as error:
        raise ValueError(f"limits.memory is {limit!r}; it should be a Kubernetes quantity like 1Gi") from error


def pod_security(stack: Stack) -> str:
    """Return the Pod Security level that the namespace can enforce: `restricted`, unless a component looks at its node's directories."""
    return "privileged" if any(catalogue.component(name).host_paths for name in stack.installed()) else "restricted"


def services(stack: Stack, component: str, extra: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the Services of a component: the one for clients, and the headless one that gives each replica a name.

    `extra` is laid over the first one: `metadata` and `spec`, whose `ports` map the name of a port to further fields of it.
    """
    row = catalogue.component(component)
    if not row.service or not stack.installs(component):
        return []
    ports = [
        {"name": name, "port": number, "targetPort": name, "protocol": "TCP"}
        for name, number in row.ports.items()
        if not row.offered or name in row.offered
    ]
    spec = dict(extra.get("spec", {}))
    more = spec.pop("ports", {})
    common = {"ipFamilyPolicy": "PreferDualStack", "selector": selector(stack, component)}
    found = [
        _object("v1", "Service", {**metadata(stack, component), **extra.get("metadata", {})},
                {**common, **spec, "ports": [{**item, **more.get(item["name"], {})} for item in ports]})
    ]  # fmt: skip
    if row.headless:
        # Members find each other before they are ready.
        spec = {**common, "clusterIP": "None", "publishNotReadyAddresses": True, "ports": ports}
        found.append(_object("v1", "Service", metadata(stack, component, headless(component)), spec))
    return found


def disruption_budgets(stack: Stack, component: str) -> list[dict[str, Any]]:
    """Return the PodDisruptionBudget of a component: one pod may go at a time; one on a single pod would block every drain."""
    if stack.replicas.get(component, 0) < 2 or catalogue.component(component).own_namespace or not stack.installs(component):
        return []
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": selector(stack, component)}}
    return [_object("policy/v1", "PodDisruptionBudget", metadata(stack, component), spec)]


def _object(api_version: str, kind: str, described: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": dict(described), "spec": dict(spec)}
