"""The state of a cluster that a run needs before it changes anything. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from urllib.parse import quote

from .cluster import METADATA, Answer, Cluster, ClusterError
from .engine.snapshot import THREADS

# Kinds of objects that another stack or owner may have under the names of this stack.
_KINDS = {
    "PodDisruptionBudget": "/apis/policy/v1/{}/poddisruptionbudgets",
    "StatefulSet": "/apis/apps/v1/{}/statefulsets",
    "DaemonSet": "/apis/apps/v1/{}/daemonsets",
    "Deployment": "/apis/apps/v1/{}/deployments",
    "Service": "/api/v1/{}/services",
    "ConfigMap": "/api/v1/{}/configmaps",
    "ServiceAccount": "/api/v1/{}/serviceaccounts",
    "Secret": "/api/v1/{}/secrets",
    "PersistentVolumeClaim": "/api/v1/{}/persistentvolumeclaims",
}
_CLASSES = {
    "/apis/storage.k8s.io/v1/storageclasses": "StorageClasses",
    "/apis/networking.k8s.io/v1/ingressclasses": "IngressClasses",
}
# Of which a run changes what cannot be changed at will, so their `spec` is read as well.
_READ = ("StatefulSet", "Deployment", "PersistentVolumeClaim", "PodDisruptionBudget")


class Reader:
    """Reads from a cluster, and collects in `unreadable` what these credentials may not read."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.unreadable: list[str] = []

    def get(self, path: str, what: str) -> dict[str, Any] | None:
        """Return what is at a path; None when nothing is, or when it may not be read. Raises ClusterError for any other answer."""
        answer = self._answer(path, what)
        found = answer.json() if answer else None
        if answer and not isinstance(found, dict):
            raise answer.unreadable("an object")
        return cast("dict[str, Any] | None", found)

    def items(self, path: str, what: str, *, metadata: bool = True) -> list[dict[str, Any]] | None:
        """Return the objects of a list; None when it may not be read."""
        answer = self._answer(path, what, METADATA if metadata else None)
        return answer.items() if answer else None

    def _answer(self, path: str, what: str, headers: Mapping[str, str] | None = None) -> Answer | None:
        answer = self._cluster.request("GET", path, headers=headers)
        if answer.status == 401:
            raise ClusterError(f"the API server {self._cluster.server} does not take the credentials (401 Unauthorized)")
        if answer.status == 403:
            self.unreadable.append(what)
            return None
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise ClusterError(f"the API server {self._cluster.server} answers {path} with {answer.excerpt()}")
        return answer


def survey(cluster: Cluster, namespaces: Sequence[str]) -> dict[str, Any]:
    """Return what the decisions in `stack/preflight.py` take. Raises ClusterError."""
    reader = Reader(cluster)
    with ThreadPoolExecutor(THREADS) as pool:
        asked = [pool.submit(reader.get, path, what) for path, what in (("/version", "its version"), ("/apis", "its API groups"))]
        listed = [pool.submit(reader.items, path, what, metadata=False) for path, what in _CLASSES.items()]
    version, groups = (one.result() or {} for one in asked)
    classes, ingress = (one.result() for one in listed)
    found = {
        "server": cluster.server,
        "version": str(version.get("gitVersion", "")),
        "groups": [group["name"] for group in groups.get("groups") or []],
        "storage_classes": None
        if classes is None
        else [
            {
                "name": item["metadata"]["name"],
                "annotations": item["metadata"].get("annotations") or {},
                "expands": item.get("allowVolumeExpansion") is True,
            }
            for item in classes
        ],
        "ingress_classes": None
        if ingress is None
        else [
            {
                "name": item["metadata"]["name"],
                "labels": item["metadata"].get("labels") or {},
                "controller": (item.get("spec") or {}).get("controller", ""),
            }
            for item in ingress
        ],
        "namespaces": {name: _namespace(reader, name) for name in dict.fromkeys(namespaces)},
    }
    return {**found, "unreadable": sorted(reader.unreadable)}


def _namespace(reader: Reader, name: str) -> dict[str, Any] | None:
    """Return `labels` and `objects` of a namespace; None when there is none, and no labels when it may not be looked at."""
    before = len(reader.unreadable)
    place = f"namespaces/{quote(name)}"
    found = reader.get(f"/api/v1/{place}", f"the namespace {name}")
    if found is None and len(reader.unreadable) == before:
        return None
    with ThreadPoolExecutor(THREADS) as pool:
        lists = pool.map(lambda kind: reader.items(_KINDS[kind].format(place), f"{kind}s in {name}", metadata=kind not in _READ), _KINDS)
    objects = [
        {
            "kind": kind,
            "name": item["metadata"]["name"],
            "labels": item["metadata"].get("labels") or {},
            "annotations": item["metadata"].get("annotations") or {},
            "spec": item.get("spec") or {},
        }
        for kind, items in zip(_KINDS, lists, strict=True)
        for item in items or []
    ]
    return {"labels": (found or {}).get("metadata", {}).get("labels") or {}, "objects": objects}
