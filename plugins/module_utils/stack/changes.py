"""What a run has changed on the cluster, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def object_changes(applied: Mapping[str, Any]) -> list[str]:
    """Return a line for each object that a kubernetes.core.k8s task changed, with the fields that differ.

    `applied` is the registered result of the task, for one definition or for a list of them. Values of Secrets are not shown.
    """
    result = applied.get("result") or {}
    results = result.get("results") if isinstance(result, Mapping) and "results" in result else [applied]
    lines = []
    for one in results or []:
        if not one.get("changed"):
            continue
        content = one.get("result") or {}
        name = f"{content.get('kind')} {(content.get('metadata') or {}).get('name')}"
        diff = one.get("diff") or {}
        before, after = _leaves(diff.get("before") or {}), _leaves(diff.get("after") or {})
        if content.get("kind") == "Secret":
            before, after = {}, {}
        lines.append(f"{name}: {one.get('method', 'change')}")
        # Counted by the API server at every change, and no change of its own.
        paths = sorted((before.keys() | after.keys()) - {"metadata.generation", "metadata.resourceVersion"})
        lines += [f"  {path}: {before.get(path)!r} -> {after.get(path)!r}" for path in paths if before.get(path) != after.get(path)]
    return lines


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {key: leaf for name, item in value.items() for key, leaf in _leaves(item, f"{path}.{name}" if path else str(name)).items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return {key: leaf for number, item in enumerate(value) for key, leaf in _leaves(item, f"{path}[{number}]").items()}
    return {path: value}
