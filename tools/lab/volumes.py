"""The volume provisioner of the lab: a directory on the chosen node for each claim of the storage class `standard`.

A program of its own, one service of the control plane. It does what an external provisioner does: for a pending claim
with a chosen node it makes a directory there and a PersistentVolume of type `local` that is bound to the claim and to the node;
when the claim asks for more it says that there is more (a directory has no size); when the claim is gone it removes both.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

from kubernetes import client, config, watch
from kubernetes.utils.quantity import parse_quantity
from urllib3.exceptions import HTTPError

NAME = "lab.observability.stack/volumes"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
# The directory of the volumes: as the node sees it, and below the node's directory on the host.
ON_NODE = Path("/var/lib/volumes")
ON_HOST = Path("var/lib/volumes")


def volume(claim: Any, node: str, capacity: str) -> dict[str, Any]:
    """Return the PersistentVolume for a claim on a node."""
    name = f"pvc-{claim.metadata.uid}"
    selector = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        # With this annotation Kubernetes leaves the removal to the provisioner that it names.
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: NAME}, "labels": {"kubernetes.io/hostname": node}},
        "spec": {
            "accessModes": claim.spec.access_modes,
            "capacity": {"storage": capacity},
            "claimRef": {
                "kind": "PersistentVolumeClaim",
                "namespace": claim.metadata.namespace,
                "name": claim.metadata.name,
                "uid": claim.metadata.uid,
            },
            "local": {"path": str(ON_NODE / name)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [selector]}},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": claim.spec.storage_class_name,
        },
    }


def provision(core: client.CoreV1Api, claim: Any, directory: Path, classes: set[str]) -> None:
    """Make the volume of a claim that waits for one of ours and has a node chosen."""
    node = (claim.metadata.annotations or {}).get(SELECTED_NODE)
    if claim.status.phase != "Pending" or claim.spec.storage_class_name not in classes or claim.spec.volume_name or node is None:
        return
    wanted = volume(claim, node, claim.spec.resources.requests["storage"])
    (directory / node / ON_HOST / wanted["metadata"]["name"]).mkdir(exist_ok=True)
    try:
        core.create_persistent_volume(wanted)
        print(f"{claim.metadata.namespace}/{claim.metadata.name}: {wanted['metadata']['name']} on {node}", flush=True)
    except client.ApiException as error:
        if error.status != 409:  # made before, not bound yet
            raise


def expand(core: client.CoreV1Api, claim: Any, classes: set[str]) -> None:
    """Answer a bound claim of ours that asks for more than it has: first on the volume, as a resizer does it, then on the claim."""
    if claim.status.phase != "Bound" or claim.spec.storage_class_name not in classes:
        return
    wanted, there = claim.spec.resources.requests["storage"], (claim.status.capacity or {}).get("storage")
    if there is None or parse_quantity(wanted) <= parse_quantity(there):
        return
    core.patch_persistent_volume(claim.spec.volume_name, {"spec": {"capacity": {"storage": wanted}}})
    status = {"status": {"capacity": {"storage": wanted}}}
    core.patch_namespaced_persistent_volume_claim_status(claim.metadata.name, claim.metadata.namespace, status)
    print(f"{claim.metadata.namespace}/{claim.metadata.name}: from {there} to {wanted}", flush=True)


def release(core: client.CoreV1Api, directory: Path) -> None:
    """Remove our volumes whose claim is gone, with their data."""
    for found in core.list_persistent_volume().items:
        if (found.metadata.annotations or {}).get(PROVISIONED_BY) != NAME or found.status.phase not in ("Released", "Failed"):
            continue
        if found.spec.persistent_volume_reclaim_policy != "Delete":
            continue
        path = directory / found.metadata.labels["kubernetes.io/hostname"] / ON_HOST / found.metadata.name
        if path.exists():
            shutil.rmtree(path)
        core.delete_persistent_volume(found.metadata.name)
        print(f"{found.metadata.name}: removed", flush=True)


def main() -> None:
    """Serve the cluster of the kubeconfig in the first argument; the second is the lab's directory."""
    config.load_kube_config(sys.argv[1])
    directory = Path(sys.argv[2])
    core, storage = client.CoreV1Api(), client.StorageV1Api()
    while True:
        try:
            classes = {item.metadata.name for item in storage.list_storage_class().items if item.provisioner == NAME}
            release(core, directory)
            for event in watch.Watch().stream(core.list_persistent_volume_claim_for_all_namespaces, timeout_seconds=5):
                provision(core, event["object"], directory, classes)
                expand(core, event["object"], classes)
        except (client.ApiException, HTTPError, OSError) as error:
            print(f"trying again: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)
            time.sleep(1)


if __name__ == "__main__":
    main()
