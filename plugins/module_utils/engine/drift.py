"""Drift: how a cluster differs from its inventory, and who has made it so. Pure: objects, answers of dry runs and the record go in.

A finding is plain data, documented in docs/drift.md: `difference`, `object`, `next_run`, `reason` and `fields`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ..stack.labels import COMPONENT
from . import lease, ownership, record, recreation
from .comparison import is_same, own_fields
from .kinds import BY_KIND, key_of
from .snapshot import Item, Snapshot

Finding = dict[str, Any]

# The number of the report's format; it grows when a key changes its meaning or is gone.
SCHEMA = 1
# Each difference with whether it is drift, in the order of the report.
DIFFERENCES = {
    "rejected": True,
    "missing": True,
    "changed": True,
    "added": True,
    "extra": True,
    "certificate": True,
    # Volumes and Secrets of a component that is switched off: no run removes them, and none needs them.
    "kept": False,
}
# What people read of a change, beside the values.
_NOTES = {"missing": "missing", "order": "order", "ownership": "ownership lost"}
# Made by runs themselves.
_OF_RUNS = (record.NAME, lease.NAME)


def finding(difference: str, key: str, next_run: str, reason: str = "", fields: Sequence[Mapping[str, Any]] = ()) -> Finding:
    """Return a finding about the object with that key."""
    return {"difference": difference, "object": key, "next_run": next_run, "reason": reason, "fields": [dict(field) for field in fields]}


def missing(key: str, reason: str = "") -> Finding:
    """Return the finding that an object is not there."""
    return finding("missing", key, "creates it", reason)


def rejected(key: str, reason: str) -> Finding:
    """Return the finding that the API server does not take an object as the inventory has it."""
    return finding("rejected", key, "fails", reason)


def compared(desired: Item, before: Item | None, after: Item, *, inventory_changed: bool, note: str = "") -> list[Finding]:
    """Return the findings about one object.

    `before` is the object on the cluster, `after` what a run would make of it (the answer of a dry run), `inventory_changed` whether the
    record says that the inventory wanted something else at the last run, `note` how it is changed where it cannot be applied.
    """
    key = key_of(desired)
    if before is None:
        return [missing(key)]
    if since := before["metadata"].get("deletionTimestamp"):
        if recreation.is_interrupted(before):
            return [missing(key, f"it is being deleted since {since}, its pods stay")]
        return [finding("missing", key, "fails", f"it is being deleted since {since}; a run creates it when it is gone")]
    found = []
    if not is_same(before, after):
        fields = list(_changed(before, after, inventory_changed=inventory_changed))
        reason = note or ("" if fields else "fields of it belonged to another manager")
        found.append(finding("changed", key, "re-creates it" if note else "changes it", reason, fields))
    added = list(_added(after))
    if added:
        found.append(finding("added", key, "leaves it", fields=added))
    return found


def _changed(before: Item, after: Item, *, inventory_changed: bool) -> Iterator[dict[str, Any]]:
    paths = list(dict.fromkeys(ownership.differences(before, after)))
    for path in paths:
        here, there = ownership.value_at(before, path), ownership.value_at(after, path)
        change = "missing" if here is None else "surplus" if there is None else "different"
        if change == "different" and any(ownership.node(fields, path) for fields in ownership.own(before)):
            # Below it single items are owned: only their order is another one.
            change = "order"
        values = {"cluster": _value(path, here), "inventory": _value(path, there)}
        yield _field(path, change, before, inventory_changed=inventory_changed, **values)
    ours, wanted = ownership.own(before), ownership.own(after)
    owned = [path for fields in wanted for path in ownership.leaves(fields, ours)]
    owned += [path for fields in ours for path in ownership.leaves(fields, wanted)]
    for path in dict.fromkeys(owned):
        if not any(path[: len(other)] == other or other[: len(path)] == path for other in paths):
            yield _field(path, "ownership", before, inventory_changed=inventory_changed)


def _field(path: ownership.Path, change: str, before: Item, *, inventory_changed: bool, **values: Any) -> dict[str, Any]:
    """Return a field with the cause of its difference: another manager, which the API server has noted; the inventory; or neither.

    Whoever removes a field is not noted.
    """
    writers = [entry for entry in ownership.others(before) if ownership.node(entry.get("fieldsV1") or {}, path) is not None]
    ours = any(ownership.node(fields, path) is not None for fields in ownership.own(before))
    shared = {"path": ownership.shown(path), "change": change, "cluster": None, "inventory": None, **values}
    # What others own together with us has our value, and was not changed by them.
    if writers and change != "order" and not (ours and change in ("different", "surplus")):
        return {**shared, "cause": "manager", **_by(max(writers, key=lambda entry: entry.get("time") or ""))}
    nobody = {"manager": "", "subresource": "", "time": ""}
    known = inventory_changed or (ours and change != "order")
    return {**shared, "cause": "inventory" if known else "unknown", **nobody}


def _by(entry: ownership.Entry) -> dict[str, str]:
    return {name: entry.get(name) or "" for name in ("manager", "subresource", "time")}


def _value(path: ownership.Path, value: Any) -> Any:
    """Return a value that may be shown: a number, a boolean, an image. Any other may be confidential, or long."""
    return value if isinstance(value, (bool, int, float)) or (isinstance(value, str) and path[-1] == "f:image") else None


def _added(after: Item) -> Iterator[dict[str, Any]]:
    ours = ownership.own(after)
    for entry in ownership.others(after):
        for path in ownership.leaves(entry.get("fieldsV1") or {}, ours):
            yield _addition(ownership.shown(path), _value(path, ownership.value_at(after, path)), entry)


def _addition(path: str, value: Any, entry: ownership.Entry) -> dict[str, Any]:
    return {"path": path, "change": "added", "cluster": value, "inventory": None, "cause": "manager", **_by(entry)}


def not_produced(found: Snapshot, desired: Collection[str], components: Collection[str]) -> list[Finding]:
    """Return the findings about objects with the labels of the stack that the inventory does not produce.

    `desired` has the keys of what it produces, `components` the values of the component label that it uses. What a controller has made of
    another object is that controller's, and is left out.
    """
    findings = []
    for key, item in found.objects.items():
        metadata = item["metadata"]
        owned = any(owner.get("controller") for owner in metadata.get("ownerReferences") or [])
        if key in desired or owned or metadata["name"] in _OF_RUNS or metadata.get("deletionTimestamp"):
            continue
        if BY_KIND[item["kind"]].data:
            if (metadata.get("labels") or {}).get(COMPONENT) not in components:
                findings.append(finding("kept", key, "leaves it", "it holds data; remove it by hand when nobody needs that"))
        elif own_fields(item):
            findings.append(finding("extra", key, "removes it", "an earlier run has applied it"))
        else:
            fields = [_addition("", None, entry) for entry in ownership.others(item)]
            findings.append(finding("extra", key, "leaves it", "it has the labels of this stack, and no run has applied it", fields))
    return findings


def without(findings: Sequence[Finding], managers: Collection[str]) -> list[Finding]:
    """Return the findings without what these managers have added; what they have changed of ours, or scaled, stays."""
    kept = []
    for each in findings:
        if each["difference"] not in ("added", "extra") or not each["fields"]:
            kept.append(each)
            continue
        fields = [field for field in each["fields"] if field["manager"] not in managers or field["subresource"]]
        if fields:
            kept.append({**each, "fields": fields})
    return kept


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings in the order of the report, which does not depend on that of the run."""
    order = list(DIFFERENCES)
    return sorted(findings, key=lambda each: (order.index(each["difference"]), each["object"]))


def summary(findings: Sequence[Finding]) -> dict[str, int]:
    """Return how many findings of each sort there are."""
    return {name: sum(each["difference"] == name for each in findings) for name in DIFFERENCES}


def drifted(findings: Sequence[Finding]) -> bool:
    """Whether there is any drift among the findings."""
    return any(DIFFERENCES[each["difference"]] for each in findings)


def table(findings: Sequence[Finding]) -> list[str]:
    """Return the findings as lines for people: one for each object, and below it one for each field."""
    widths = [max((len(each[name]) for each in findings), default=0) for name in ("difference", "object")]
    lines = []
    for each in findings:
        reason = f" ({each['reason']})" if each["reason"] else ""
        lines.append(f"{each['difference']:{widths[0]}}  {each['object']:{widths[1]}}  the next run {each['next_run']}{reason}")
        lines += [f"{'':{widths[0]}}    {_text(field)}: {_cause(field)}" for field in each["fields"] if field["path"]]
    return lines


def _text(field: Mapping[str, Any]) -> str:
    notes = [_NOTES[field["change"]]] if field["change"] in _NOTES else []
    notes += [f"{where}: {field[where]}" for where in ("cluster", "inventory") if field[where] is not None]
    return f"{field['path']} ({', '.join(notes)})" if notes else str(field["path"])


def _cause(field: Mapping[str, Any]) -> str:
    if field["cause"] != "manager":
        return {"inventory": "the inventory has changed", "unknown": "it is not known who"}[field["cause"]]
    name = f"{field['manager']} ({field['subresource']})" if field["subresource"] else field["manager"]
    return f"by {name}, {field['time']}" if field["time"] else f"by {name}"
