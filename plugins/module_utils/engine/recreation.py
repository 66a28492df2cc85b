"""Makes a StatefulSet anew without its pods: deleted with the propagation policy `Orphan`, and created again.

Between the two the pods run without it. A run that is interrupted there has left no StatefulSet, or one that is being deleted; the next
run creates it, from the inventory alone.
"""

from __future__ import annotations

import json
from typing import Any

from ..cluster import Cluster, ClusterError
from .comparison import FIELD_MANAGER, visible
from .kinds import key_of, path_of
from .snapshot import Item
from .waiting import Waiting

NOTE = "re-created, its pods stay"
# Held by the garbage collector until no pod names the object as its owner any more.
_FINALIZER = "orphan"


def recreated(cluster: Cluster, desired: Item, before: Item, planned: Item, waiting: Waiting) -> Item:
    """Return the StatefulSet that was made in place of `before`. `planned` is what applying would have made of that one.

    What others have added stays, and stays theirs: without the annotation of `kubectl rollout restart` every pod would be replaced.
    """
    options = {"propagationPolicy": "Orphan", "preconditions": {"uid": before["metadata"]["uid"]}}
    body, headers = json.dumps(options).encode(), {"content-type": "application/json"}
    answer = cluster.request("DELETE", path_of(before), headers=headers, body=body)
    if answer.status not in (200, 202, 404):
        raise ClusterError(f"{key_of(before)} cannot be made anew, which its larger volumes need: {answer.reason()}")
    wait_until_gone(cluster, before, waiting)
    managers = [entry for entry in planned["metadata"].get("managedFields") or [] if entry.get("subresource") != "status"]
    if all(entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" for entry in managers):
        return _applied(cluster, desired)
    # Interrupted here, the additions are ours, and the next run removes them.
    _applied(cluster, visible(planned))
    return cluster.object("PATCH", path_of(before), body={"metadata": {"managedFields": managers}})


def _applied(cluster: Cluster, item: Item) -> Item:
    query = [("fieldManager", FIELD_MANAGER), ("force", "true")]
    answer = cluster.request("PATCH", path_of(item), query, {"content-type": "application/apply-patch+yaml"}, json.dumps(item).encode())
    if answer.status not in (200, 201):
        raise ClusterError(f"{key_of(item)} was rejected by the cluster; its pods run without it until the next run: {answer.reason()}")
    return answer.object()


def is_interrupted(item: dict[str, Any]) -> bool:
    """Whether an object that is being deleted is a StatefulSet whose pods stay, so that it is to be made anew."""
    return item["kind"] == "StatefulSet" and (item["metadata"].get("finalizers") or []) == [_FINALIZER]


def wait_until_gone(cluster: Cluster, before: Item, waiting: Waiting) -> None:
    """Wait until an object that is being deleted is gone, or another one has its name. Raises ClusterError when it stays."""
    uid = before["metadata"]["uid"]

    def left() -> str:
        answer = cluster.request("GET", path_of(before))
        gone = answer.status == 404 or answer.object()["metadata"].get("uid") != uid
        return "" if gone else f"{key_of(before)}: being deleted, its pods stay; waiting for the garbage collector of the cluster"

    if line := waiting.until_nothing(left):
        raise ClusterError(f"{line}, which has not done it within {waiting.seconds:.0f} s (observability_wait_timeout). Run again")
