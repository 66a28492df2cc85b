"""What the last run has left on the cluster: a ConfigMap with an entry for each role, from which the next run sees that nothing is to do.

It holds digests and names only. A missing or a wrong entry means that everything of that role is rendered and compared again.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..cluster import Cluster, ClusterError
from .kinds import BY_KIND

_CONFIG_MAP = BY_KIND["ConfigMap"]
NAME = "observability-stack-state"
# For this long an entry is good. What follows from the date, such as the certificate, is looked at that often at least.
GOOD_FOR = datetime.timedelta(days=7)


@dataclass(frozen=True)
class Entry:
    """What a role has applied.

    `inputs`: digest of all that its objects follow from; `checked`: when that was; `objects`: for each key the digests of the desired
    object and of our part of the one on the cluster (`comparison.live_digest`); `secrets`: for each key the digest of its metadata.
    """

    inputs: str
    checked: datetime.datetime
    objects: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def dump(self) -> str:
        """Return the entry as text."""
        return json.dumps(
            {
                "inputs": self.inputs,
                "checked": self.checked.isoformat(timespec="seconds"),
                "objects": {key: list(digests) for key, digests in self.objects.items()},
                "secrets": dict(self.secrets),
            },
            separators=(",", ":"),
        )


def load(text: str) -> Entry | None:
    """Return the entry in a text; None when it is none, whoever wrote it."""
    try:
        found = json.loads(text)
        checked = datetime.datetime.fromisoformat(found["checked"])
        objects = {str(key): (str(desired), str(live)) for key, (desired, live) in found["objects"].items()}
        secrets = {str(key): str(value) for key, value in found["secrets"].items()}
        if checked.tzinfo is None:
            return None
        return Entry(str(found["inputs"]), checked, objects, secrets)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def entries(config_map: Mapping[str, Any] | None) -> dict[str, Entry]:
    """Return the entries of the ConfigMap by role."""
    data = (config_map or {}).get("data") or {}
    return {role: entry for role, text in data.items() if (entry := load(text)) is not None}


def read(cluster: Cluster, namespace: str) -> dict[str, Entry]:
    """Return the entries on the cluster by role; none where there is no record. Raises ClusterError."""
    answer = cluster.request("GET", _CONFIG_MAP.path(namespace, NAME))
    if answer.status not in (200, 404):
        raise ClusterError(f"the ConfigMap {NAME} cannot be read: {answer.reason()}")
    return entries(answer.object()) if answer.status == 200 else {}


def write(cluster: Cluster, namespace: str, labels: Mapping[str, str], changes: Mapping[str, Entry | None]) -> None:
    """Write the entries of some roles, and remove those that are null; the others stay. Raises ClusterError."""
    data = {role: entry.dump() if entry else None for role, entry in changes.items()}
    where = _CONFIG_MAP.path(namespace, NAME)
    answer = cluster.send("PATCH", where, {"data": data})
    if answer.status == 404:
        made = {role: text for role, text in data.items() if text is not None}
        answer = cluster.send("POST", _CONFIG_MAP.path(namespace), {**config_map(namespace, labels), "data": made})
    # Made meanwhile, or by this request when it was sent a first time.
    if answer.status == 409:
        answer = cluster.send("PATCH", where, {"data": data})
    if answer.status not in (200, 201):
        raise ClusterError(f"the ConfigMap {NAME} cannot be written: {answer.reason()}")


def config_map(namespace: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return the ConfigMap without entries."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "namespace": namespace, "labels": dict(labels)}}
