"""What of an object is ours, by the notes that the API server keeps."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.engine import comparison

PORTS = [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}]
HTTP, DNS = 'k:{"port":80,"protocol":"TCP"}', 'k:{"port":53,"protocol":"UDP"}'

PROJECTIONS: list[tuple[str, Any, dict[str, Any], Any]] = [
    ("a value", {"replicas": 1, "other": 2}, {"f:replicas": {}}, {"f:replicas": 1}),
    ("a value that is gone", {"other": 2}, {"f:replicas": {}}, {"f:replicas": None}),
    ("a map below", {"spec": {"a": 1, "b": 2}}, {"f:spec": {"f:a": {}}}, {"f:spec": {"f:a": 1}}),
    ("a map that is gone", {}, {"f:spec": {"f:a": {}}}, {"f:spec": {"f:a": None}}),
    ("an atomic map, whole", {"selector": {"a": "1", "b": "2"}}, {"f:selector": {}}, {"f:selector": {"a": "1", "b": "2"}}),
    ("an atomic list, whole", {"args": ["x", "y"]}, {"f:args": {}}, {"f:args": ["x", "y"]}),
    ("a map that is ours itself", {"labels": {"a": "1"}}, {"f:labels": {".": {}, "f:a": {}}}, {"f:labels": {"f:a": "1"}}),
    (
        "items by their keys, in their order",
        {"ports": PORTS},
        {"f:ports": {HTTP: {".": {}, "f:name": {}}, DNS: {"f:name": {}}}},
        {"f:ports": {"fields": {HTTP: {"f:name": "http"}, DNS: {"f:name": "dns"}}, "order": [HTTP, DNS]}},
    ),
    (
        "one of several items",
        {"ports": PORTS},
        {"f:ports": {DNS: {"f:name": {}}}},
        {"f:ports": {"fields": {DNS: {"f:name": "dns"}}, "order": [DNS]}},
    ),
    ("an item that is gone: the whole list", {"ports": PORTS[:1]}, {"f:ports": {DNS: {"f:name": {}}}}, {"f:ports": PORTS[:1]}),
    ("a list that is gone", {}, {"f:ports": {DNS: {"f:name": {}}}}, {"f:ports": None}),
    (
        "an item of a set",
        {"finalizers": ["b", "a"]},
        {"f:finalizers": {'v:"a"': {}}},
        {"f:finalizers": {"fields": {'v:"a"': "a"}, "order": ['v:"a"']}},
    ),
    ("an item by its place", {"list": [7, 8]}, {"f:list": {"i:1": {}}}, {"f:list": {"fields": {"i:1": 8}, "order": ["i:1"]}}),
    ("a text where a map is expected", {"spec": "text"}, {"f:spec": {"f:a": {}}}, {"f:spec": {"f:a": None}}),
    ("a text where a list is expected", {"ports": "text"}, {"f:ports": {HTTP: {}}}, {"f:ports": "text"}),
]


@pytest.mark.parametrize(("value", "fields", "expected"), [row[1:] for row in PROJECTIONS], ids=[row[0] for row in PROJECTIONS])
def test_projection(value: Any, fields: dict[str, Any], expected: Any) -> None:
    assert comparison.projection(value, fields) == expected


def entry(manager: str = comparison.FIELD_MANAGER, **changes: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": "Apply", "apiVersion": "v1", "time": "1", "fieldsV1": {"f:data": {"f:key": {}}}, **changes}


def item(*entries: dict[str, Any], data: Any = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x", "managedFields": list(entries), **metadata},
        "data": data or {"key": "1"},
    }


BASE = item(entry(), uid="1", resourceVersion="1")
SAME = {
    "at another time": item(entry(time="2")),
    "counted on": item(entry(), resourceVersion="2", generation=3),
    "another object": item(entry(), uid="2"),
    "a further key": item(entry(), data={"key": "1", "more": "2"}),
    "a further manager": item(entry(), entry("kubectl", operation="Update")),
    "a status with our name": item(entry(), entry(subresource="status", fieldsV1={"f:status": {}})),
    "an update with our name": item(entry(), entry(operation="Update", fieldsV1={"f:data": {"f:more": {}}})),
    "a label": item(entry(), labels={"team": "x"}),
}
OTHER = {
    "another value": item(entry(), data={"key": "2"}),
    "no value": item(entry(), data={"more": "1"}),
    "fewer fields": item(entry(fieldsV1={})),
    "more fields": item(entry(fieldsV1={"f:data": {"f:key": {}, "f:more": {}}})),
    "no entry of ours": item(entry("kubectl")),
    "no entries": item(),
    "only an update with our name": item(entry(operation="Update")),
    "another version of the API": item(entry(apiVersion="v2")),
}


@pytest.mark.parametrize("name", SAME)
def test_the_digest_stays(name: str) -> None:
    assert comparison.live_digest(SAME[name]) == comparison.live_digest(BASE)


@pytest.mark.parametrize("name", OTHER)
def test_the_digest_changes(name: str) -> None:
    assert comparison.live_digest(OTHER[name]) != comparison.live_digest(BASE)


def test_the_order_of_items_of_ours_counts_and_that_of_others_does_not() -> None:
    fields: dict[str, Any] = {"f:ports": {HTTP: {"f:name": {}}, DNS: {"f:name": {}}}}
    other = {"name": "x", "port": 1, "protocol": "TCP"}
    straight = comparison.projection({"ports": PORTS}, fields)
    assert comparison.projection({"ports": [other, PORTS[0], other, PORTS[1]]}, fields) == straight
    assert comparison.projection({"ports": PORTS[::-1]}, fields) != straight


CHANGED: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("nothing", {"spec": {"a": 1}}, {"spec": {"a": 1}}, []),
    ("status only", {"status": 1}, {"status": 2}, []),
    ("a value", {"spec": {"a": 1, "b": 1}}, {"spec": {"a": 2, "b": 1}}, ["spec.a"]),
    ("a field more and one less", {"spec": {"a": 1}}, {"spec": {"b": 1}}, ["spec.a", "spec.b"]),
    ("an item by its name", {"c": [{"name": "x", "image": "1"}]}, {"c": [{"name": "x", "image": "2"}]}, ["c[x].image"]),
    ("an item by its place", {"c": [{"image": "1"}]}, {"c": [{"image": "2"}]}, ["c[0].image"]),
    ("other items", {"c": [{"name": "x"}]}, {"c": [{"name": "y"}]}, ["c"]),
    ("two of a name", {"c": [{"name": "x"}, {"name": "x"}]}, {"c": [{"name": "x"}]}, ["c"]),
    ("a list of texts", {"args": ["a", "b"]}, {"args": ["b", "a"]}, ["args[0]", "args[1]"]),
]


@pytest.mark.parametrize(("before", "after", "fields"), [row[1:] for row in CHANGED], ids=[row[0] for row in CHANGED])
def test_changed_fields(before: dict[str, Any], after: dict[str, Any], fields: list[str]) -> None:
    metadata = {"metadata": {"name": "x"}}
    assert comparison.changed_fields({**before, **metadata}, {**after, **metadata}) == fields
