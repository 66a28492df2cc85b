"""Who has written which field of an object: paths into `metadata.managedFields` (Kubernetes API 1.36, FieldsV1). Pure functions.

A path is a tuple of the steps that FieldsV1 has: `f:` and a field's name, `k:` and the keys of a list's item, `v:` and its value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .comparison import FIELD_MANAGER, visible

Path = tuple[str, ...]
Fields = Mapping[str, Any]
Entry = Mapping[str, Any]


def is_own(entry: Entry) -> bool:
    """Whether an entry of `managedFields` is that of this collection."""
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"


def entries(item: Mapping[str, Any]) -> list[Entry]:
    """Return who has written to an object, apart from its status."""
    return [entry for entry in item["metadata"].get("managedFields") or [] if entry.get("subresource") != "status"]


def own(item: Mapping[str, Any]) -> list[Fields]:
    """Return the fields that are ours."""
    return [entry.get("fieldsV1") or {} for entry in entries(item) if is_own(entry)]


def others(item: Mapping[str, Any]) -> list[Entry]:
    """Return the entries of all other managers."""
    return [entry for entry in entries(item) if not is_own(entry)]


def node(fields: Fields, path: Path) -> Fields | None:
    """Return what is owned at and below a path; None when nothing is, and nothing in it when a whole value is."""
    found = fields
    for step in path:
        if not found:
            return found
        if step not in found:
            return None
        found = found[step]
    return found


def shown(path: Path) -> str:
    """Return a path for people: "spec.template.spec.containers[loki].image", "metadata.labels[example.com/team]"."""
    text = ""
    for step in path:
        sort, _colon, name = step.partition(":")
        if sort == "k":
            text += f"[{'/'.join(str(value) for value in json.loads(name).values())}]"
        elif sort != "f" or "." in name or "/" in name:
            text += f"[{name}]"
        else:
            text += f".{name}" if text else name
    return text


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the paths at which two states of an object differ, but for what the API server counts and the status."""
    known = [entry.get("fieldsV1") or {} for item in (before, after) for entry in entries(item)]
    yield from _differences(visible(before), visible(after), (), known)


def _differences(before: Any, after: Any, path: Path, known: Sequence[Fields]) -> Iterator[Path]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            here = (*path, f"f:{name}")
            if name in before and name in after:
                yield from _differences(before[name], after[name], here, known)
            else:
                # What is only on one side is shown field by field where it was written field by field: a map of labels.
                yield from _single(before.get(name, after.get(name)), here, known)
        return
    if isinstance(before, list) and isinstance(after, list):
        keys = _keys(known, path)
        first, second = _by_key(before, keys), _by_key(after, keys)
        if first is not None and second is not None:
            for step in dict.fromkeys([*first, *second]):
                if step in first and step in second:
                    yield from _differences(first[step], second[step], (*path, step), known)
                else:
                    yield (*path, step)
            if [step for step in first if step in second] != [step for step in second if step in first]:
                yield path
            return
    yield path


def _single(value: Any, path: Path, known: Sequence[Fields]) -> Iterator[Path]:
    granular = any(step.startswith("f:") for fields in known for step in node(fields, path) or ())
    if granular and isinstance(value, Mapping) and value:
        for name, below in value.items():
            yield from _single(below, (*path, f"f:{name}"), known)
    else:
        yield path


def _keys(known: Sequence[Fields], path: Path) -> list[str]:
    """Return the names of the keys of a list's items, as any manager's fields have them; none for a list that is one value."""
    for fields in known:
        for step in node(fields, path) or ():
            if step.startswith("k:"):
                return list(json.loads(step[2:]))
    return []


def _by_key(items: Sequence[Any], keys: Sequence[str]) -> dict[str, Any] | None:
    """Return the items of a list by their steps; None when they have no keys, or two have the same."""
    if not keys or not all(isinstance(item, Mapping) for item in items):
        return None
    found = {
        "k:" + json.dumps({key: item[key] for key in sorted(keys) if key in item}, separators=(",", ":"), ensure_ascii=False): item
        for item in items
    }
    return found if len(found) == len(items) else None


def leaves(fields: Fields, without: Sequence[Fields] = (), path: Path = ()) -> Iterator[Path]:
    """Yield the paths of what is owned and not in `without`; an item of a list as a whole where nothing of it is in that."""
    for step, below in fields.items():
        if step == ".":
            continue
        here = (*path, step)
        found = [found for each in without if (found := node(each, here)) is not None]
        deeper = [name for name in below if name != "."]
        if any(not each for each in found):
            continue
        if not found and (not step.startswith("f:") or (not deeper and "." not in below)):
            yield here
        elif deeper:
            yield from leaves(below, without, here)


def value_at(item: Any, path: Path) -> Any:
    """Return the value at a path; None when there is none."""
    for step in path:
        sort, _colon, name = step.partition(":")
        if sort == "f":
            item = item.get(name) if isinstance(item, Mapping) else None
        elif sort == "k" and isinstance(item, list):
            keys = json.loads(name)
            item = next((each for each in item if isinstance(each, Mapping) and all(each.get(key) == keys[key] for key in keys)), None)
        else:
            return None
    return item
