"""What an object is like, as far as it is ours: pure functions over objects of the Kubernetes API.

The API server notes for each object which manager has applied which field (`metadata.managedFields`, Kubernetes API 1.36, FieldsV1). The
object projected onto the fields of one manager changes exactly when a server-side apply of the same object would change something: when
one of the fields has another value, is gone, or is no longer that manager's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

FIELD_MANAGER = "observability.stack"
# Written by the API server at every change.
_COUNTED = ("resourceVersion", "generation", "managedFields", "uid", "creationTimestamp", "selfLink")


def digest(value: Any) -> str:
    """Return a short digest of plain data; 96 bits, against chance and not against an enemy."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()[:24]


def own_fields(item: Mapping[str, Any], manager: str = FIELD_MANAGER) -> list[tuple[str, dict[str, Any]]]:
    """Return what the manager has applied: the version of the API in which it did, and the fields; those of the status are not ours."""
    return [
        (str(entry.get("apiVersion")), entry.get("fieldsV1") or {})
        for entry in item["metadata"].get("managedFields") or []
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")
    ]


def live_digest(item: Mapping[str, Any], manager: str = FIELD_MANAGER) -> str:
    """Return a digest of what is ours in an object of the cluster: our fields, and their values.

    It does not say which object that is: one that was removed and applied again is as good as the first.
    """
    fields = own_fields(item, manager)
    return digest([fields, [projection(item, entry) for _version, entry in fields]])


def metadata_digest(item: Mapping[str, Any]) -> str:
    """Return a digest that changes with every change of an object, for one whose content is not to be read."""
    return digest([item["metadata"].get("uid"), item["metadata"].get("resourceVersion")])


def projection(value: Any, fields: Mapping[str, Any]) -> Any:
    """Return a value without what is not in `fields`, a node of `fieldsV1`; what is in it and not there is null.

    The order of a list's items is part of the result. Items that are not found by their keys leave the whole list in it.
    """
    steps = {step: below for step, below in fields.items() if step != "."}
    if not steps:
        return value
    found: dict[str, Any] = {}
    order: list[tuple[int, str]] = []
    for step, below in steps.items():
        sort, _colon, name = step.partition(":")
        if sort == "f":
            inside = value.get(name) if isinstance(value, Mapping) else None
            found[step] = projection(inside, below)
            continue
        place = _place(value, sort, name)
        if place is None:
            return value
        order.append((place, step))
        found[step] = projection(value[place], below)
    return {"fields": found, "order": [step for _place_in_list, step in sorted(order)]} if order else found


def _place(value: Any, sort: str, name: str) -> int | None:
    """Return the place in a list of the item with these keys (`k`), this value (`v`), or this number (`i`)."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    wanted = json.loads(name)
    for place, item in enumerate(value):
        if sort == "k":
            same = isinstance(item, Mapping) and all(item.get(key) == text for key, text in wanted.items())
        else:
            same = item == wanted if sort == "v" else place == wanted
        if same:
            return place
    return None


def visible(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without what the API server and the controllers write: for a comparison, and for people."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in _COUNTED}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}


def is_same(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether applying has changed nothing: neither a value nor that the field is ours."""
    return visible(before) == visible(after) and own_fields(before) == own_fields(after)


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the paths at which two objects differ, for people; that of a list's item has its name where it has one."""
    return list(dict.fromkeys(_differing(visible(before), visible(after), "")))


def _differing(before: Any, after: Any, path: str) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            if name in before and name in after:
                yield from _differing(before[name], after[name], f"{path}.{name}" if path else name)
            else:
                yield f"{path}.{name}" if path else name
        return
    if isinstance(before, list) and isinstance(after, list):
        ours, theirs = _by_name(before), _by_name(after)
        if ours is not None and theirs is not None and list(ours) == list(theirs):
            for name in ours:
                yield from _differing(ours[name], theirs[name], f"{path}[{name}]")
            return
    yield path


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    """Return the items of a list by their names, or by their places; None when two have the same name."""
    named = {str(item.get("name", place)) if isinstance(item, Mapping) else str(place): item for place, item in enumerate(items)}
    return named if len(named) == len(items) else None
