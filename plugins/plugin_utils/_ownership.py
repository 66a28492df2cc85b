"""What belongs to a stack and to no one else, so that a removal takes that and nothing more."""

from __future__ import annotations

from typing import Any

from . import _wiring
from ._stack import Stack

# On each node; below it a directory for each stack, by its instance.
HOST_DIRECTORY = "/var/lib/observability-stack"


def removal_plan(stack: Stack) -> dict[str, Any]:
    """Return what a removal has to know of a stack.

    `instance` and `selector`: its value of the instance label, and the labels of its objects; `namespaces`: where they are, the stack's own
    first; `unlabelled`: what its components make at run time, without labels (`api_version`, `kind`, `name`, and `data`, whether it goes
    with the data only); `host`: the directory on every node (`root` and `name`) and an image that can remove it, or null.
    """
    labels = _wiring.labels(stack, "common")
    unlabelled = []
    if stack.has("ingress_nginx") and stack.ingress_install:
        # Of the election among the controller's replicas.
        name = _wiring.CATALOGUE["ingress_nginx"].service
        unlabelled.append({"api_version": "coordination.k8s.io/v1", "kind": "Lease", "name": name, "data": False})
    on_nodes = stack.has("alloy") and stack.log_source == "files"
    return {
        "instance": _wiring.instance(stack),
        "selector": {key: value for key, value in labels.items() if key.rpartition("/")[2] in ("instance", "part-of", "managed-by")},
        "namespaces": [stack.namespace, *([stack.sample_namespace] if stack.has("sample_application") else [])],
        "unlabelled": unlabelled,
        # Alloy has written there, so its image is on these nodes already; it is one of the few of the stack that have `rm`.
        "host": {"root": HOST_DIRECTORY, "name": _wiring.instance(stack), "image": stack.images["alloy"]} if on_nodes else None,
    }
