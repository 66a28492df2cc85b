"""What a StatefulSet waits for before its pods are replaced: Kubernetes itself does not look at the pods that have the old template.

Its controller ends the pod with the highest number first, and goes on to the next one when that is available again; whether another pod
that still has the old template is ready makes no difference to it (Kubernetes 1.36, pkg/controller/statefulset/stateful_set_control.go,
unless the feature MaxUnavailableStatefulSet is on, which is off by default).
"""

from __future__ import annotations

import json

from ..cluster import Cluster, ClusterError
from ..stack import rollouts
from .comparison import FIELD_MANAGER
from .kinds import Kind, path_of, title_of
from .snapshot import Item, selected
from .waiting import Waiting

VARIABLE = "observability_allow_unready_replicas"
_POD = Kind("v1", "Pod")
_MERGE = {"content-type": "application/merge-patch+json"}


def replaces(before: Item, after: Item) -> bool:
    """Whether a change makes Kubernetes replace pods one after the other."""
    return bool(before["kind"] == "StatefulSet" and before["spec"].get("template") != after["spec"].get("template"))


def unready(cluster: Cluster, stateful_set: Item) -> str:
    """Return the pods that are not ready, and why, on one line; empty when the next one may be ended."""
    if rollouts.available(stateful_set):
        return ""
    pods = selected(cluster, [(_POD, stateful_set["metadata"]["namespace"])], stateful_set["spec"]["selector"]["matchLabels"])
    return "; ".join(f"{pod}: {why}" for pod, why in rollouts.held_back(stateful_set, pods).items())


def hold(cluster: Cluster, stateful_set: Item, waiting: Waiting) -> None:
    """Wait until the pods of a StatefulSet may be replaced. Raises ClusterError with the pods and what to do."""
    title = title_of(stateful_set)

    def left() -> str:
        why = unready(cluster, cluster.object("GET", path_of(stateful_set)))
        return f"{title}: its pods are replaced when all of them are ready; {why}" if why else ""

    if line := waiting.until_nothing(left):
        raise ClusterError(
            f"{line}. Kubernetes would end another one all the same, so nothing of it was changed within {waiting.seconds:.0f} s "
            f"(observability_wait_timeout). Make that pod ready, or delete it when a new one would be, and run again; if this change is "
            f"what makes it ready, set {VARIABLE} to true for one run"
        )


def scaled_down(cluster: Cluster, before: Item, after: Item, waiting: Waiting) -> bool:
    """Where there are to be fewer pods, end those before others are replaced; return whether it was so.

    Kubernetes would end one of each at the same time.
    """
    wanted = after["spec"].get("replicas", 1)
    if wanted >= before["spec"].get("replicas", 1):
        return False
    body = json.dumps({"spec": {"replicas": wanted}}).encode()
    answer = cluster.request("PATCH", path_of(before), [("fieldManager", FIELD_MANAGER)], _MERGE, body)
    if answer.status != 200:
        raise ClusterError(f"{title_of(before)} cannot be scaled to {wanted}: {answer.reason()}")

    def left() -> str:
        found = cluster.object("GET", path_of(before))
        # Pods that are ending count, until they have.
        there = (found.get("status") or {}).get("replicas", 0)
        return f"{title_of(before)}: its other pods are replaced when it has {wanted}; it has {there}" if there > wanted else ""

    if line := waiting.until_nothing(left):
        raise ClusterError(f"{line} after {waiting.seconds:.0f} s (observability_wait_timeout); run again when the others have ended")
    return True
