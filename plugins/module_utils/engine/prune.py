"""Removes objects in the order that loses nothing: what lets traffic in, workloads from the first sender to the last store, the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..cluster import Cluster, ClusterError
from ..stack.labels import COMPONENT
from .kinds import KINDS, path_of, title_of
from .waiting import Waiting

Item = dict[str, Any]


def batches(items: Sequence[Item], waves: Sequence[Sequence[str]]) -> list[list[Item]]:
    """Return the objects in the batches in which they are removed. `waves`: values of the component label, senders first."""

    def by_kind(names: set[str]) -> list[Item]:
        return [item for kind in KINDS for item in items if item["kind"] == kind.kind and kind.kind in names]

    kinds = [kind.kind for kind in KINDS]
    workloads = {kind.kind for kind in KINDS if kind.workload}
    first = next(place for place, kind in enumerate(KINDS) if kind.workload)
    pods = by_kind(workloads)

    def wave(item: Item) -> int:
        name = (item["metadata"].get("labels") or {}).get(COMPONENT)
        return next((place for place, names in enumerate(waves) if name in names), len(waves))

    found = [by_kind(set(kinds[:first]))]
    found += [[item for item in pods if wave(item) == place] for place in range(len(waves) + 1)]
    found.append(by_kind(set(kinds[first:]) - workloads))
    return [batch for batch in found if batch]


def prune(cluster: Cluster, items: Sequence[Item], waves: Sequence[Sequence[str]], waiting: Waiting) -> None:
    """Remove the objects, and wait for each batch. Raises ClusterError when one is still there when the time is over."""
    for batch in batches(items, waves):
        for item in batch:
            _delete(cluster, item)
            waiting.say(f"{title_of(item)}: removed")

        def left(batch: Sequence[Item] = batch) -> str:
            return ", ".join(_left(cluster, batch))

        if names := waiting.until_nothing(left, "waiting until these have ended: "):
            raise ClusterError(f"still there after {waiting.seconds:.0f} s (observability_wait_timeout): {names}")


def _delete(cluster: Cluster, item: Item) -> None:
    # A workload is gone when its pods have ended, not before; and never another object that has taken the name meanwhile.
    options = {"propagationPolicy": "Foreground", "preconditions": {"uid": item["metadata"]["uid"]}}
    answer = cluster.request("DELETE", path_of(item), headers={"content-type": "application/json"}, body=json.dumps(options).encode())
    if answer.status not in (200, 202, 404, 409):
        raise ClusterError(f"{title_of(item)} cannot be removed: {answer.reason()}")


def _left(cluster: Cluster, items: Sequence[Item]) -> Iterator[str]:
    for item in items:
        answer = cluster.request("GET", path_of(item))
        if answer.status == 200 and answer.object()["metadata"].get("uid") == item["metadata"]["uid"]:
            yield title_of(item)
