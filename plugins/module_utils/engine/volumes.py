"""Volumes of a StatefulSet that grow. Pure, but for `grow`.

A StatefulSet never changes its `volumeClaimTemplates` (Kubernetes 1.36, pkg/apis/apps/validation). The steps of a larger size are: the
claims that exist grow, the StatefulSet is deleted without its pods, and made anew; it adopts the pods by its selector, and the pods are
not replaced as long as their template is the same: their revision is found again by its content (1.36, pkg/controller/statefulset,
getStatefulSetRevisions). The claims grow first, so that after an interruption the template still shows what is left to do.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..cluster import Cluster, ClusterError
from ..stack.quantities import quantity
from .comparison import FIELD_MANAGER
from .kinds import BY_KIND, path_of
from .snapshot import Item

# The field that never changes.
FIELD = "spec.volumeClaimTemplates"
Sizes = dict[str, tuple[str, str]]
_CLAIM = BY_KIND["PersistentVolumeClaim"]
_MERGE = {"content-type": "application/merge-patch+json"}


def resized(before: Mapping[str, Any], desired: Mapping[str, Any]) -> Sizes:
    """Return the claim templates whose size is another one than before, each with both sizes; none of what is no StatefulSet."""
    if desired["kind"] != "StatefulSet":
        return {}
    there, wanted = (dict(_sizes(item)) for item in (before, desired))
    return {name: (there[name], size) for name, size in wanted.items() if name in there and quantity(there[name]) != quantity(size)}


def _sizes(stateful_set: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for template in stateful_set["spec"].get("volumeClaimTemplates") or []:
        size = ((template["spec"].get("resources") or {}).get("requests") or {}).get("storage")
        if size:
            yield template["metadata"]["name"], str(size)


def with_sizes(stateful_set: Mapping[str, Any], sizes: Mapping[str, str]) -> Item:
    """Return a StatefulSet whose claim templates have these sizes."""
    found: Item = copy.deepcopy(dict(stateful_set))
    for template in found["spec"].get("volumeClaimTemplates") or []:
        if template["metadata"]["name"] in sizes:
            template["spec"]["resources"]["requests"]["storage"] = sizes[template["metadata"]["name"]]
    return found


def title(sizes: Sizes) -> str:
    """Return what changes, for people: "volumes grow from 20Gi to 30Gi"."""
    return "; ".join(
        f"volumes grow from {old} to {new}" if quantity(new) > quantity(old) else f"new volumes have {new} instead of {old}"
        for old, new in dict.fromkeys(sizes.values())
    )


def grow(cluster: Cluster, stateful_set: Mapping[str, Any], before: Mapping[str, Any], *, dry: bool) -> None:
    """Give every claim of a StatefulSet that is smaller the new size, those of pods that are not there as well.

    Raises ClusterError with the API server's reason; nothing was deleted then.
    """
    sizes = resized(before, stateful_set)
    for claim in _claims(cluster, stateful_set):
        name = claim["metadata"]["name"]
        wanted = next((new for template, (_old, new) in sizes.items() if _is_of(name, template, stateful_set)), None)
        requested = ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0")
        if wanted is None or claim["metadata"].get("deletionTimestamp") or quantity(requested) >= quantity(wanted):
            continue
        query = [("fieldManager", FIELD_MANAGER), *([("dryRun", "All")] if dry else [])]
        body = {"spec": {"resources": {"requests": {"storage": wanted}}}}
        answer = cluster.request("PATCH", path_of(claim), query, _MERGE, json.dumps(body).encode())
        if answer.status != 200:
            unbound = "" if claim["spec"].get("volumeName") else "; it has no volume yet: delete it with its pod, which makes another one"
            raise ClusterError(f"PersistentVolumeClaim {name} cannot grow from {requested} to {wanted}: {answer.reason()}{unbound}")


def _claims(cluster: Cluster, stateful_set: Mapping[str, Any]) -> list[Item]:
    # The controller puts these labels on the claims that it makes.
    labels = stateful_set["spec"]["selector"]["matchLabels"]
    where = _CLAIM.path(stateful_set["metadata"]["namespace"])
    found = cluster.items(where, [("labelSelector", ",".join(f"{key}={value}" for key, value in labels.items()))])
    return [{**item, "apiVersion": _CLAIM.api_version, "kind": _CLAIM.kind} for item in found]


def _is_of(claim: str, template: str, stateful_set: Mapping[str, Any]) -> bool:
    return re.fullmatch(rf"{re.escape(template)}-{re.escape(stateful_set['metadata']['name'])}-\d+", claim) is not None
