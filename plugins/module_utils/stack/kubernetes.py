"""Kubernetes objects, and parts of them, that follow from a row of the catalogue."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from . import catalogue
from .addressing import headless
from .connections import CONNECTIONS
from .labels import labels, selector
from .model import Stack
from .quantities import quantity

# What Go may use of a container's memory limit, in percent; the rest is for what the Go runtime does not count.
GO_MEMORY_PERCENT = 80
WORKLOADS = ("StatefulSet", "DaemonSet", "Deployment")
CHECKSUM = "observability.stack/configuration"


def metadata(stack: Stack, component: str, name: str = "") -> dict[str, Any]:
    """Return the metadata of an object of a component, in the namespace of the component."""
    return {
        "name": name or catalogue.workload_name(component),
        "namespace": stack.namespace_of(component),
        "labels": labels(stack, component),
    }


def cluster_metadata(stack: Stack, component: str) -> dict[str, Any]:
    """Return the metadata of an object of a component that is in no namespace; its name has that of the stack's."""
    return {"name": f"{stack.namespace}-{catalogue.workload_name(component)}", "labels": labels(stack, component)}


def pod_metadata(stack: Stack, component: str) -> dict[str, Any]:
    """Return the metadata of a component's pods; the annotations let the Prometheus pair scrape them, as it does any application's."""
    row = catalogue.component(component)
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": str(row.ports[row.metrics])} if row.scraped else {}
    return {"labels": labels(stack, component), "annotations": annotations}


def pod(component: str) -> dict[str, Any]:
    """Return what the pods of every component have in their `spec`: the account, and a user that is not root.

    A component without a `user` in the catalogue says in its template which one it runs as.
    """
    row = catalogue.component(component)
    security: dict[str, Any] = {"seccompProfile": {"type": "RuntimeDefault"}}
    if row.user:
        security |= {"runAsNonRoot": True, "runAsUser": row.user, "runAsGroup": row.user}
    if row.user and row.volume:
        security |= {"fsGroup": row.user, "fsGroupChangePolicy": "OnRootMismatch"}
    account: dict[str, Any] = {"serviceAccountName": catalogue.workload_name(component)} if row.account else {}
    return {**account, **({} if row.account else {"automountServiceAccountToken": False}), "securityContext": security}


def container(stack: Stack, component: str) -> dict[str, Any]:
    """Return what the container of every component has: image, ports, probes, and no privileges."""
    row = catalogue.component(component)
    # Outlasts the time in which clients still see this replica behind the Service.
    # Of a single replica an ingress may send nothing more to a pod that ends: to wait longer is only a longer outage.
    sleep = max(row.pre_stop, row.queries) if stack.replicas.get(component, 0) > 1 else row.pre_stop
    lifecycle = {"lifecycle": {"preStop": {"sleep": {"seconds": sleep}}}} if sleep else {}
    return {
        "name": catalogue.workload_name(component),
        "image": stack.images[component],
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": name, "containerPort": number, "protocol": "TCP"} for name, number in row.ports.items()],
        **probes(component),
        **lifecycle,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def accounts(stack: Stack, component: str) -> list[dict[str, Any]]:
    """Return the ServiceAccount of a component; it has a token only if the component talks to the Kubernetes API."""
    if not catalogue.component(component).account or not stack.installs(component):
        return []
    token = {} if _uses_api(component) else {"automountServiceAccountToken": False}
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(stack, component), **token}]


def _uses_api(component: str) -> bool:
    return any(row.source == component and row.target == "api_server" for row in CONNECTIONS)


def bindings(stack: Stack, component: str, rendered: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a binding to the component's ServiceAccount for each Role and ClusterRole among its rendered objects."""
    subject = {"kind": "ServiceAccount", "name": catalogue.workload_name(component), "namespace": stack.namespace_of(component)}
    return [
        {
            "apiVersion": role["apiVersion"],
            "kind": f"{role['kind']}Binding",
            "metadata": dict(role["metadata"]),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role["kind"], "name": role["metadata"]["name"]},
            "subjects": [subject],
        }
        for role in rendered
        if role["kind"] in ("Role", "ClusterRole")
    ]


def configured(component: str, rendered: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rendered objects, with a checksum of the ConfigMaps among them as an annotation of the pods.

    So a changed configuration rolls the pods, unless the component reads it while it runs; a changed label does not.
    """
    found = copy.deepcopy(list(rendered))
    content = [item.get(key) for item in found if item["kind"] == "ConfigMap" for key in ("data", "binaryData")]
    if not content or catalogue.component(component).reloads:
        return found
    checksum = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    for item in found:
        if item["kind"] in WORKLOADS:
            item["spec"]["template"]["metadata"].setdefault("annotations", {})[CHECKSUM] = checksum
    return found


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
        return {"httpGet": {"path": path, "port": row.health}} if path else {"tcpSocket": {"port": row.health}}

    liveness = {**get(row.live), "periodSeconds": 30, "failureThreshold": 10, "timeoutSeconds": 5}
    return {
        "startupProbe": {**get(row.live or row.ready), "periodSeconds": 2, "failureThreshold": 300, "timeoutSeconds": 2},
        "readinessProbe": {**get(row.ready), "periodSeconds": 2, "failureThreshold": 8, "timeoutSeconds": 3},
        **({"livenessProbe": liveness} if row.live else {}),
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
    # Without a workload that needs it for the names of its pods, it is for several replicas to find each other.
    if row.headless and (row.workload == "StatefulSet" or stack.replicas[component] > 1):
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
