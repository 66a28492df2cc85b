"""What people are told about changed objects."""

from __future__ import annotations

from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.stack import changes


def changed(kind: str, before: Any, after: Any) -> dict[str, Any]:
    return {
        "changed": True,
        "method": "update",
        "result": {"kind": kind, "metadata": {"name": "x"}},
        "diff": {"before": before, "after": after},
    }


def test_changes_are_told_field_by_field() -> None:
    one = changed("StatefulSet", {"spec": {"replicas": 2, "same": 1}}, {"spec": {"replicas": 3, "same": 1, "args": ["a"]}})
    assert changes.object_changes(one) == ["StatefulSet x: update", "  spec.args[0]: None -> 'a'", "  spec.replicas: 2 -> 3"]


def test_of_several_objects_only_those_that_changed_are_told() -> None:
    results = [changed("Service", {"a": 1}, {"a": 2}), {**changed("Service", {}, {}), "changed": False}]
    assert changes.object_changes({"changed": True, "result": {"results": results}}) == ["Service x: update", "  a: 1 -> 2"]


def test_what_the_api_server_counts_is_no_change_of_its_own() -> None:
    one = changed(
        "Service", {"metadata": {"generation": 1, "resourceVersion": "7"}}, {"metadata": {"generation": 2, "resourceVersion": "8"}}
    )
    assert changes.object_changes(one) == ["Service x: update"]


def test_a_secret_is_named_and_its_values_are_not() -> None:
    lines = changes.object_changes(changed("Secret", {"data": {"password": "b2xk"}}, {"data": {"password": "bmV3"}}))
    assert lines == ["Secret x: update"]
