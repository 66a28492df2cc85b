"""Every object on a cluster outside one stack, and which of them have changed since.

`python -m tests.molecule.snapshot take|compare FILE INSTANCE` reads build/provider.yml. It ends with 1 when an object is gone, is another
one, or differs in its labels, annotations, owners or content.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster

from tests.inventories import ROOT

INSTANCE = "app.kubernetes.io/instance"
# They change by themselves: reports, elections, and addresses of pods.
LIVELY = ("Event", "Lease", "Endpoints", "EndpointSlice", "PodMetrics", "NodeMetrics", "APIService", "CSINode", "ComponentStatus")
# Counted or written by the cluster at every change of a status.
_COUNTED = ("resourceVersion", "managedFields", "creationTimestamp", "selfLink")


def resources(cluster: Cluster) -> Iterator[str]:
    """Yield the path of every list of objects that a cluster offers."""
    versions = [group["preferredVersion"]["groupVersion"] for group in cluster.object("GET", "/apis")["groups"]]
    for root in ["/api/v1", *(f"/apis/{version}" for version in versions)]:
        for resource in cluster.object("GET", root)["resources"]:
            if "list" in resource["verbs"] and "/" not in resource["name"] and resource["kind"] not in LIVELY:
                yield f"{root}/{resource['name']}"


def belongs_to(item: Mapping[str, Any], instance: str) -> bool:
    """Whether an object is of that stack, a volume of one of its claims, or the address of one of its Services."""
    if (item["metadata"].get("labels") or {}).get(INSTANCE) == instance:
        return True
    spec = item.get("spec") or {}
    owner = spec.get("claimRef") or spec.get("parentRef") or {}
    return owner.get("namespace") == instance.split(".", 1)[0] and not str(owner.get("name")).startswith("data-database-")


def take(cluster: Cluster, instance: str) -> dict[str, str]:
    """Return a digest of every object that is not of `instance`, by its path, name and uid, without its status."""
    found = {}
    for path in resources(cluster):
        for item in cluster.object("GET", path)["items"] or []:
            if not belongs_to(item, instance):
                metadata = {key: value for key, value in item["metadata"].items() if key not in _COUNTED}
                content = {key: value for key, value in item.items() if key not in ("metadata", "status")}
                name = f"{path} {metadata.get('namespace', '')} {metadata['name']} {metadata['uid']}"
                found[name] = hashlib.sha256(json.dumps([metadata, content], sort_keys=True).encode()).hexdigest()
    return found


def main() -> int:
    """Take a snapshot, or compare with one."""
    command, file, instance = sys.argv[1:]
    access = yaml.safe_load((ROOT / "build/provider.yml").read_text())
    cluster = Cluster(access["observability_kubeconfig"], access["observability_context"], "default")
    now = take(cluster, instance)
    if command == "take":
        Path(file).write_text(json.dumps(now))
        print(f"{len(now)} objects are not of the stack {instance}")
        return 0
    before = json.loads(Path(file).read_text())
    changed = [name for name, digest in before.items() if now.get(name) != digest]
    print("\n".join([f"changed or gone: {name}" for name in changed] + [f"{len(before)} objects of others, {len(changed)} changed"]))
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
