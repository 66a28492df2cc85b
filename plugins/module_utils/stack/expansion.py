"""What the state of claims whose volumes grow means, as pure functions over objects of the Kubernetes API.

A claim asks for more (`spec`), the driver of the storage enlarges the volume, and the kubelet its file system; then the claim has it
(`status.capacity`). Most drivers do it under a running pod; with others the file system waits for the next start of the pod (Kubernetes
documentation 1.36, "Persistent Volumes", "Expanding Persistent Volumes Claims").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .quantities import quantity

_PENDING = "FileSystemResizePending"
_HELP = (
    "the kubelet resizes that within a minute or, where the driver cannot do it under a running pod, when the pod starts again: if it "
    "stays so, delete the pods one after the other, each when the one before is ready"
)
_FAILED = ("ControllerResizeError", "NodeResizeError")


def growing(claims: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, bool]]:
    """Yield, for each claim that has not got yet what it asks for, a line about it, and whether that may need somebody."""
    for claim in claims:
        asked = ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage")
        status = claim.get("status") or {}
        there = (status.get("capacity") or {}).get("storage")
        # One without a volume is a matter of its pod.
        if not asked or not there or quantity(there) >= quantity(asked):
            continue
        name = f"PersistentVolumeClaim {claim['metadata']['name']}"
        conditions = {item["type"]: item for item in status.get("conditions") or [] if item.get("status") == "True"}
        failed = next((conditions[kind] for kind in _FAILED if kind in conditions), None)
        if failed:
            yield f"{name} does not grow from {there} to {asked}: {failed.get('message') or failed['type']}", True
        elif _PENDING in conditions:
            yield f"{name} has a volume of {asked} with a file system of {there}; {_HELP}", True
        else:
            yield f"{name} grows from {there} to {asked}", False
