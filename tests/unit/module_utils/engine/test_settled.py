"""Is there anything to do, and what is there too much, by a snapshot."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.engine import comparison, record, settled
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import key_of
from ansible_collections.observability.stack.plugins.module_utils.engine.snapshot import Snapshot
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import COMPONENT

NOW = datetime.datetime(2026, 1, 8, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


def item(kind: str, name: str, manager: str = comparison.FIELD_MANAGER, **changes: Any) -> dict[str, Any]:
    version = {"StatefulSet": "apps/v1"}.get(kind, "v1")
    fields = [{"manager": manager, "operation": "Apply", "fieldsV1": {"f:data": {}}}]
    metadata = {"name": name, "namespace": "x", "uid": name, "resourceVersion": "1", "labels": {COMPONENT: "loki"}, "managedFields": fields}
    return {"apiVersion": version, "kind": kind, "metadata": metadata | changes.pop("metadata", {}), **changes}


MAP, SECRET = item("ConfigMap", "loki", data={"a": "1"}), item("Secret", "password")
READY = item("StatefulSet", "loki", spec={"replicas": 1}, status={"readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1})
UNREADY = item("StatefulSet", "loki", spec={"replicas": 1}, status={})


def entry(**changes: Any) -> record.Entry:
    live = {key_of(MAP): ("", comparison.live_digest(MAP)), key_of(READY): ("", comparison.live_digest(READY))}
    given = {"inputs": "a", "checked": NOW - DAY, "objects": live, "secrets": {key_of(SECRET): comparison.metadata_digest(SECRET)}}
    return record.Entry(**{**given, **changes})


def unlabelled(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "metadata": {key: value for key, value in found["metadata"].items() if key != "labels"}}


def snapshot(*items: dict[str, Any], entries: dict[str, record.Entry] | None = None) -> Snapshot:
    return Snapshot({key_of(each): each for each in items}, {"loki": entry()} if entries is None else entries, ["x"])


DIFFERING: list[tuple[str, Snapshot, list[str]]] = [
    ("nothing to do", snapshot(MAP, SECRET, READY), []),
    ("no record", snapshot(MAP, SECRET, READY, entries={}), ["no run has recorded it"]),
    ("a record of another role", snapshot(MAP, SECRET, READY, entries={"mimir": entry()}), ["no run has recorded it"]),
    (
        "other inputs",
        snapshot(MAP, SECRET, READY, entries={"loki": entry(inputs="b")}),
        ["its part of the inventory, or of the collection, is another one"],
    ),
    ("too long ago", snapshot(MAP, SECRET, READY, entries={"loki": entry(checked=NOW - 8 * DAY)}), ["it was compared last on 2025-12-31"]),
    (
        "in the far future",
        snapshot(MAP, SECRET, READY, entries={"loki": entry(checked=NOW + 8 * DAY)}),
        ["it was compared last on 2026-01-16"],
    ),
    ("a clock that is a little ahead", snapshot(MAP, SECRET, READY, entries={"loki": entry(checked=NOW + DAY)}), []),
    ("an object is missing", snapshot(SECRET, READY), ["ConfigMap x/loki is missing"]),
    ("an object was changed", snapshot({**MAP, "data": {"a": "2"}}, SECRET, READY), ["ConfigMap x/loki was changed"]),
    (
        "an object is being deleted",
        snapshot(item("ConfigMap", "loki", data={"a": "1"}, metadata={"deletionTimestamp": "2026"}), SECRET, READY),
        ["ConfigMap x/loki is being deleted"],
    ),
    ("a Secret is missing", snapshot(MAP, READY), ["Secret x/password is missing"]),
    (
        "a Secret was written",
        snapshot(MAP, item("Secret", "password", metadata={"resourceVersion": "2"}), READY),
        ["Secret x/password was changed"],
    ),
    ("a workload is not ready", snapshot(MAP, SECRET, UNREADY), ["StatefulSet loki is not ready"]),
    (
        "a workload of another component is not ready",
        snapshot(MAP, SECRET, READY, item("StatefulSet", "mimir", metadata={"labels": {COMPONENT: "mimir"}}, spec={}, status={})),
        [],
    ),
    ("objects without labels", snapshot(unlabelled(MAP), SECRET, unlabelled(READY)), []),
    ("an object too many", snapshot(MAP, SECRET, READY, item("ConfigMap", "more")), []),
]


@pytest.mark.parametrize(("found", "reasons"), [row[1:] for row in DIFFERING], ids=[row[0] for row in DIFFERING])
def test_differing(found: Snapshot, reasons: list[str]) -> None:
    assert settled.differing({"loki": "a"}, found, {"loki": "loki"}, NOW) == ({"loki": reasons} if reasons else {})


def test_roles_come_in_the_order_of_the_inputs() -> None:
    inputs = {"prometheus": "", "loki": "a", "alloy": ""}
    found = settled.differing(inputs, snapshot(MAP, SECRET, READY), dict.fromkeys(inputs, "none"), NOW)
    assert list(found) == ["prometheus", "alloy"]


EXTRA: list[tuple[str, dict[str, Any], bool]] = [
    ("ours, no longer produced", item("ConfigMap", "old"), True),
    ("still produced", MAP, False),
    ("made by somebody else", item("ConfigMap", "old", manager="kubectl"), False),
    ("a Secret", item("Secret", "old"), False),
    ("a claim", item("PersistentVolumeClaim", "old"), False),
    ("a namespace", item("Namespace", "old"), False),
    ("on its way out", item("ConfigMap", "old", metadata={"deletionTimestamp": "2026"}), False),
    ("without any manager", item("ConfigMap", "old", metadata={"managedFields": None}), False),
]


@pytest.mark.parametrize(("found", "is_extra"), [row[1:] for row in EXTRA], ids=[row[0] for row in EXTRA])
def test_extra(found: dict[str, Any], is_extra: bool) -> None:
    found_extra = settled.left_over(snapshot(found, entries={}), {key_of(MAP)})
    assert found_extra == ([found] if is_extra else [])


def test_recorded() -> None:
    assert settled.recorded({"loki": entry(), "mimir": entry()}, ["loki"]) == {"loki": [key_of(MAP), key_of(READY)]}
