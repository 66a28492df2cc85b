"""Removes one stack from a cluster, and nothing that is not its own.

First objects by its labels, then its directories on the nodes, then its namespaces.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from .cluster import METADATA, Answer, Cluster, ClusterError
from .engine.kinds import KINDS, Kind, path
from .node_directories import DirectoryRemoval, is_ready
from .stack.labels import COMPONENT

Item = dict[str, Any]
Row = Mapping[str, Any]
PAUSE = 0.5
# Kinds that others write about objects, or that go with their owner.
_DERIVED = ("Event", "Endpoints", "EndpointSlice", "PodMetrics")
# What clusters put into every namespace.
_EVERYWHERE = {
    "ConfigMap": ("kube-root-ca.crt", "istio-ca-root-cert", "openshift-service-ca.crt"),
    "ServiceAccount": ("default",),
}
_TOKEN_OF = "kubernetes.io/service-account.name"  # noqa: S105 - an annotation


def is_foreign(kind: str, metadata: Mapping[str, Any], selector: Mapping[str, str]) -> bool:
    """Whether a namespace must not be removed because of an object, which belongs to another owner.

    Not foreign are the stack's own objects, those that go with an owner, and what a cluster puts into every namespace.
    """
    labels = metadata.get("labels") or {}
    if selector.items() <= labels.items() or metadata.get("ownerReferences") or kind in _DERIVED:
        return False
    if _TOKEN_OF in (metadata.get("annotations") or {}):
        return False
    return metadata["name"] not in _EVERYWHERE.get(kind, ())


@dataclass
class Removal:
    """One removal. `removed` and `kept` hold a line for people about each thing that went, and about each that stays, and why."""

    cluster: Cluster
    plan: Mapping[str, Any]
    data: bool
    timeout: float
    dry: bool = False
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    _namespaces: list[str] = field(default_factory=list)
    _stuck: set[str] = field(default_factory=set)
    _deleted: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Remove everything in the order of KINDS, the workloads by waves. Raises ClusterError when something could not be removed."""
        # Those that the stack has made for a component that is switched off by now as well.
        made = self._list(path("v1", "Namespace"), self._labels())
        self._namespaces = list(dict.fromkeys([*self.plan["namespaces"], *(item["metadata"]["name"] for item in made)]))
        rows = [row for row in KINDS if row.kind != "Namespace" and (self.data or not row.data)]
        workloads = [row for row in rows if row.workload]
        for row in rows:
            if not row.workload:
                self._remove([row], self._labels())
            elif row is workloads[0]:
                self._remove_workloads(workloads)
        for row in self.plan["unlabelled"]:
            if self.data or not row["data"]:
                self._remove_named(row)
        if self.data:
            if self.plan["host"]:
                self._remove_directories(self.plan["host"])
            for namespace in self._namespaces:
                self._remove_namespace(namespace)

    # --- objects ---

    def _labels(self, components: Sequence[str] = ()) -> str:
        """Return the label selector for the stack's objects, or for those of some of its components."""
        among = f",{COMPONENT} in ({','.join(components)})" if components else ""
        return _selector(self.plan["selector"]) + among

    def _remove_workloads(self, rows: Sequence[Kind]) -> None:
        """Remove the workloads wave by wave, so that each component can deliver what it holds; what is of no known component comes last."""
        for wave in self.plan["waves"]:
            self._remove(rows, self._labels(wave))
        self._remove(rows, self._labels())

    def _list(self, where: str, selector: str) -> list[Item]:
        answer = self.cluster.request("GET", where, [("labelSelector", selector)], METADATA)
        # A kind that this cluster does not have, or a namespace that is gone.
        if answer.status == 404:
            return []
        return _expect(answer, f"list {where}").items()

    def _remove(self, rows: Sequence[Kind], selector: str) -> None:
        """Remove the objects of some kinds all at once; workloads are gone when this returns."""
        waiting = []
        for row in rows:
            for place in self._namespaces if row.namespaced else [""]:
                where = row.path(place)
                found = self._list(where, selector)
                for item in found:
                    self._delete(row.kind, f"{where}/{quote(item['metadata']['name'], safe='')}", item["metadata"])
                if found and row.workload:
                    waiting.append((where, place))
        for where, place in () if self.dry else waiting:
            self._wait(where, selector, place)

    def _remove_named(self, row: Row) -> None:
        where = path(row["api_version"], row["kind"], self.plan["namespaces"][0], row["name"])
        answer = self.cluster.request("GET", where)
        if answer.status != 404:
            self._delete(row["kind"], where, _expect(answer, f"read {where}").object()["metadata"])

    def _delete(self, kind: str, where: str, metadata: Mapping[str, Any]) -> None:
        # What only ends late, or stays because nothing is deleted in a dry run, is found again by the next selector.
        if metadata["uid"] in self._deleted:
            return
        self._deleted.add(metadata["uid"])
        self.removed.append(f"{kind} {metadata['name']}")
        if self.dry:
            return
        # A workload is gone when its pods have ended, not before; and never another object that has taken the name meanwhile.
        options = {"propagationPolicy": "Foreground", "preconditions": {"uid": metadata["uid"]}}
        answer = self.cluster.request("DELETE", where, headers={"content-type": "application/json"}, body=json.dumps(options).encode())
        if answer.status not in (404, 409):
            _expect(answer, f"delete {where}")

    def _wait(self, where: str, selector: str, namespace: str) -> None:
        """Wait until no object is left; one whose last pods are on nodes that do not answer is reported, and goes when they are back."""
        end = time.monotonic() + self.timeout
        while found := self._list(where, selector):
            stuck = self._stuck_pods(namespace, {(item["metadata"].get("labels") or {}).get(COMPONENT) for item in found})
            if stuck:
                new = {pod: node for pod, node in stuck.items() if pod not in self._stuck}
                self.kept += [f"the pod {pod}, until its node {node} is ready again or out of the cluster" for pod, node in new.items()]
                self._stuck |= new.keys()
                return
            if time.monotonic() > end:
                raise ClusterError(f"{where}: still there after {self.timeout:.0f} s (observability_wait_timeout): {_names(found)}")
            time.sleep(PAUSE)

    def _stuck_pods(self, namespace: str, components: set[str | None]) -> dict[str, str]:
        """Return the pods that are left of these components, and their nodes, when all of them are to end on nodes that are not ready."""
        query = [("labelSelector", _selector(self.plan["selector"]))]
        found = self.cluster.items(path("v1", "Pod", namespace), query)
        pods = [pod for pod in found if pod["metadata"]["labels"].get(COMPONENT) in components]
        if not pods or not all(pod["metadata"].get("deletionTimestamp") for pod in pods):
            return {}
        left = {pod["metadata"]["name"]: pod["spec"].get("nodeName", "") for pod in pods}
        ready = {item["metadata"]["name"] for item in self.cluster.nodes() if is_ready(item)}
        return left if not ready & set(left.values()) else {}

    # --- namespaces ---

    def _remove_namespace(self, name: str) -> None:
        where = path("v1", "Namespace", name=name)
        answer = self.cluster.request("GET", where)
        if answer.status == 404:
            return
        metadata = _expect(answer, f"read {where}").object()["metadata"]
        if not self.plan["selector"].items() <= (metadata.get("labels") or {}).items():
            self.kept.append(f"the namespace {name}: it was there before this stack")
            return
        foreign = sorted(self._foreign(name))
        if foreign:
            self.kept.append(f"the namespace {name}, because of what others have in it: {', '.join(foreign)}")
            return
        self._delete("Namespace", where, metadata)
        end = time.monotonic() + self.timeout
        while not (self.dry or self._stuck) and self.cluster.request("GET", where).status != 404:
            if time.monotonic() > end:
                raise ClusterError(f"the namespace {name} is still there after {self.timeout:.0f} s (observability_wait_timeout)")
            time.sleep(PAUSE)

    def _foreign(self, namespace: str) -> Iterator[str]:
        """Yield objects in a namespace that are not of this stack; kinds that may not be listed count as such."""
        ours = {(row["kind"], row["name"]) for row in self.plan["unlabelled"]}
        for api_version, kind, resource in self._namespaced():
            root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
            answer = self.cluster.request("GET", f"{root}/namespaces/{quote(namespace)}/{resource}", headers=METADATA)
            if answer.status in (404, 405):
                continue
            if answer.status != 200:
                yield f"{resource} (cannot be listed: HTTP {answer.status})"
                continue
            for item in answer.items():
                name = item["metadata"]["name"]
                if (kind, name) not in ours and is_foreign(kind, item["metadata"], self.plan["selector"]):
                    yield f"{kind} {name}"

    def _namespaced(self) -> Iterator[tuple[str, str, str]]:
        """Yield API version, kind and resource of everything that a namespace can hold."""
        groups = _expect(self.cluster.request("GET", "/apis"), "list the API groups").json()["groups"]
        for version in ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups)]:
            answer = self.cluster.request("GET", f"/api/{version}" if version == "v1" else f"/apis/{version}")
            if answer.status != 200:
                self.kept.append(f"whatever is of {version}, which does not answer (HTTP {answer.status})")
                continue
            for resource in answer.json()["resources"]:
                if resource["namespaced"] and "list" in resource["verbs"] and "/" not in resource["name"]:
                    yield version, resource["kind"], resource["name"]

    def _remove_directories(self, host: Mapping[str, str]) -> None:
        namespace = self.plan["namespaces"][0]
        if self.cluster.request("GET", path("v1", "Namespace", name=namespace)).status == 404:
            where = f"{host['root']}/{host['name']} on the nodes, if it is there"
            self.kept.append(f"{where}: without the namespace {namespace} nothing can run to remove it")
            return
        directories = DirectoryRemoval(self.cluster, host, self.plan["selector"], self.timeout, self.removed, self.kept)
        directories.run(dry=self.dry)


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _names(items: Sequence[Item]) -> str:
    return ", ".join(item["metadata"]["name"] for item in items)


def _expect(answer: Answer, what: str) -> Answer:
    if not 200 <= answer.status < 300:
        raise ClusterError(f"cannot {what}: {answer.excerpt()}")
    return answer
