"""Whether a cluster is as an inventory wants it, without rendering anything: pure decisions over a snapshot."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping

from ..stack.labels import COMPONENT
from ..stack.rollouts import rollout
from . import record
from .comparison import live_digest, metadata_digest, own_fields
from .kinds import BY_KIND, title_of
from .snapshot import Item, Snapshot


def differing(inputs: Mapping[str, str], found: Snapshot, names: Mapping[str, str], now: datetime.datetime) -> dict[str, list[str]]:
    """Return the roles whose objects have to be rendered and compared, in the order of `inputs`, each with the reasons.

    `inputs` maps each role of the inventory to the digest of what its objects follow from, `names` to the component label of its pods.
    """
    reasons = {role: list(_reasons(digest, found, found.entries.get(role), names[role], now)) for role, digest in inputs.items()}
    return {role: why for role, why in reasons.items() if why}


def _reasons(inputs: str, found: Snapshot, entry: record.Entry | None, name: str, now: datetime.datetime) -> Iterator[str]:
    if entry is None:
        yield "no run has recorded it"
        return
    if entry.inputs != inputs:
        yield "its part of the inventory, or of the collection, is another one"
    if now - entry.checked > record.GOOD_FOR or entry.checked > now + record.GOOD_FOR:
        yield f"it was compared last on {entry.checked:%Y-%m-%d}"
    for key, (_desired, live) in entry.objects.items():
        item = found.objects.get(key)
        if item is None:
            yield f"{key} is missing"
        elif item["metadata"].get("deletionTimestamp"):
            yield f"{key} is being deleted"
        elif live_digest(item) != live:
            yield f"{key} was changed"
    for key, digest in entry.secrets.items():
        item = found.objects.get(key)
        if item is None:
            yield f"{key} is missing"
        elif metadata_digest(item) != digest:
            yield f"{key} was changed"
    for item in found.objects.values():
        own = (item["metadata"].get("labels") or {}).get(COMPONENT) == name
        if own and BY_KIND[item["kind"]].workload and not rollout(item).done:
            yield f"{title_of(item)} is not ready"


def left_over(found: Snapshot, desired: Collection[str]) -> list[Item]:
    """Return what earlier runs have applied and the inventory no longer produces. `desired` has the keys of what it produces.

    What a stack has applied has its labels, and its fields are those of this collection's manager. What holds data stays in any case.
    """
    return [
        item
        for key, item in found.objects.items()
        if key not in desired and own_fields(item) and not BY_KIND[item["kind"]].data and not item["metadata"].get("deletionTimestamp")
    ]


def recorded(entries: Mapping[str, record.Entry], roles: Collection[str]) -> dict[str, list[str]]:
    """Return the keys of the objects that the record has for some roles, by role."""
    return {role: list(entry.objects) for role, entry in entries.items() if role in roles}
