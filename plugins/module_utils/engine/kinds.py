"""The kinds of objects that a stack is made of, and where the Kubernetes API has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class Kind:
    """One kind of objects. `data`: it holds what a stack cannot make again; `workload`: it has pods, which take time to end."""

    api_version: str
    kind: str
    namespaced: bool = True
    data: bool = False
    workload: bool = False

    @property
    def group(self) -> str:
        """The API group, empty for the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def resource(self) -> str:
        """The name in a path: "IngressClass" -> "ingressclasses", "NetworkPolicy" -> "networkpolicies"."""
        return plural(self.kind)

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the path of a list of objects or, with `name`, of one."""
        return path(self.api_version, self.kind, namespace if self.namespaced else "", name)


# In the order of removal: first what lets traffic in, then the workloads, and last what holds data.
KINDS = (
    Kind("networking.k8s.io/v1", "Ingress"),
    Kind("cert-manager.io/v1", "Certificate"),
    Kind("policy/v1", "PodDisruptionBudget"),
    Kind("apps/v1", "Deployment", workload=True),
    Kind("apps/v1", "DaemonSet", workload=True),
    Kind("apps/v1", "StatefulSet", workload=True),
    Kind("v1", "Service"),
    Kind("networking.k8s.io/v1", "NetworkPolicy"),
    Kind("v1", "ConfigMap"),
    Kind("rbac.authorization.k8s.io/v1", "RoleBinding"),
    Kind("rbac.authorization.k8s.io/v1", "Role"),
    Kind("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", namespaced=False),
    Kind("rbac.authorization.k8s.io/v1", "ClusterRole", namespaced=False),
    Kind("networking.k8s.io/v1", "IngressClass", namespaced=False),
    Kind("v1", "ServiceAccount"),
    Kind("v1", "ResourceQuota"),
    Kind("coordination.k8s.io/v1", "Lease"),
    Kind("v1", "Secret", data=True),
    Kind("v1", "PersistentVolumeClaim", data=True),
    Kind("v1", "Namespace", namespaced=False, data=True),
)
BY_KIND = {row.kind: row for row in KINDS}


def plural(kind: str) -> str:
    """Return the resource of a kind, as its path has it."""
    name = kind.lower()
    if name.endswith("y") and name[-2] not in "aeiou":
        return f"{name[:-1]}ies"
    return name + ("es" if name.endswith("s") else "s")


def path(api_version: str, kind: str, namespace: str = "", name: str = "") -> str:
    """Return the path of a list of objects or, with `name`, of one."""
    root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
    place = f"/namespaces/{quote(namespace)}" if namespace else ""
    return f"{root}{place}/{plural(kind)}{'/' + quote(name, safe='') if name else ''}"


def path_of(item: Mapping[str, Any]) -> str:
    """Return the path of an object."""
    metadata = item["metadata"]
    return path(item["apiVersion"], item["kind"], metadata.get("namespace", ""), metadata["name"])


def key_of(item: Mapping[str, Any]) -> str:
    """Return what identifies an object in its cluster, whatever version of its API it is in: "StatefulSet.apps observability/loki"."""
    metadata = item["metadata"]
    group = item["apiVersion"].rpartition("/")[0]
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{item['kind']}{'.' + group if group else ''} {place}{metadata['name']}"


def title_of(item: Mapping[str, Any]) -> str:
    """Return an object's name for people: "StatefulSet loki"."""
    return f"{item['kind']} {item['metadata']['name']}"
