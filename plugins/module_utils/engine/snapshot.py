"""What a stack has on a cluster, read in one go: the record, and every object with its labels. Of Secrets the metadata only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ..cluster import METADATA, Cluster, ClusterError
from . import record
from .kinds import BY_KIND, KINDS, Kind, key_of

# Requests at the same time.
THREADS = 4

Item = dict[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """The objects with the labels of one stack, by key; `namespaces`: which were read; `entries`: the record, by role."""

    objects: Mapping[str, Item] = field(default_factory=dict)
    entries: Mapping[str, record.Entry] = field(default_factory=dict)
    namespaces: Sequence[str] = ()


def read(cluster: Cluster, namespaces: Sequence[str], labels: Mapping[str, str]) -> Snapshot:
    """Return what there is with these labels, in these namespaces, in those that carry the labels, and in none.

    Raises ClusterError when something cannot be read.
    """
    found = selected(cluster, [(_NAMESPACES, "")], labels)
    every = list(dict.fromkeys([*namespaces, *(item["metadata"]["name"] for item in found)]))
    places = [(kind, place) for kind in KINDS if kind is not _NAMESPACES for place in (every if kind.namespaced else [""])]
    found += selected(cluster, places, labels)
    objects = {key_of(item): item for item in found}
    entries = record.entries(objects.get(f"ConfigMap {namespaces[0]}/{record.NAME}"))
    # Without the labels: an adopted namespace, or an object that has lost them.
    unlabelled = [key for entry in entries.values() for key in entry.objects if key not in objects]
    with ThreadPoolExecutor(THREADS) as pool:
        objects |= {key: item for key, item in zip(unlabelled, pool.map(lambda key: _get(cluster, key), unlabelled), strict=True) if item}
    return Snapshot(objects, entries, every)


def selected(cluster: Cluster, places: Sequence[tuple[Kind, str]], labels: Mapping[str, str]) -> list[Item]:
    """Return the objects of some kinds in some namespaces with these labels, in the order of `places`."""
    selector = ",".join(f"{key}={value}" for key, value in labels.items())

    def listed(place: tuple[Kind, str]) -> list[Item]:
        kind, namespace = place
        return _list(cluster, kind, namespace, selector)

    with ThreadPoolExecutor(THREADS) as pool:
        return [item for items in pool.map(listed, places) for item in items]


def _list(cluster: Cluster, kind: Kind, namespace: str, selector: str) -> list[Item]:
    answer = cluster.request("GET", kind.path(namespace), [("labelSelector", selector)], METADATA if kind.kind == "Secret" else None)
    # A kind that this cluster does not have.
    if answer.status == 404:
        return []
    if answer.status == 403:
        raise ForbiddenError(f"{kind.resource} cannot be listed{f' in {namespace}' if namespace else ''}: {answer.reason()}")
    if answer.status != 200:
        raise ClusterError(f"{kind.resource} cannot be listed: {answer.reason()}")
    # The items of a list name neither their kind nor its version.
    return [{**item, "apiVersion": kind.api_version, "kind": kind.kind} for item in answer.items()]


def _get(cluster: Cluster, key: str) -> Item | None:
    kind, _space, place = key.partition(" ")
    namespace, _slash, name = place.rpartition("/")
    row = BY_KIND.get(kind.partition(".")[0])
    # Somebody may have edited the record: a key without a name would be a list.
    if row is None or not name:
        return None
    answer = cluster.request("GET", row.path(namespace, name))
    if answer.status == 404:
        return None
    if answer.status == 403:
        raise ForbiddenError(f"{key} cannot be read: {answer.reason()}")
    if answer.status != 200:
        raise ClusterError(f"{key} cannot be read: {answer.reason()}")
    return answer.object()


class ForbiddenError(ClusterError):
    """These credentials may not read something."""


_NAMESPACES = next(kind for kind in KINDS if kind.kind == "Namespace")
