"""What a run may not change on a cluster: decisions over what `survey.py` has read, before anything is applied."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import databases, object_storage, safety
from .addressing import headless
from .catalogue import CATALOGUE, workload_name
from .labels import COMPONENT, OF_ANY_STACK, labels, ownership, selector
from .messages import wrong
from .model import Stack
from .quantities import quantity

Facts = Mapping[str, Any]
Object = Mapping[str, Any]

# On a workload: where its data is.
PLACE = "observability.stack/data"
_PLACES: dict[str, Callable[[Stack, str], str]] = {
    "storage": object_storage.place,
    "database": lambda stack, _component: databases.place(stack),
}
_NAMES = {"storage": object_storage.NAME, "database": databases.NAME}
_PAGE = "docs/high-availability.md"
_VERSION = re.compile(r"v?(\d+)(?:\.(\d+))?")


def place(stack: Stack, component: str) -> str:
    """Return where a component keeps its data, as a text that changes when it is somewhere else; empty where that cannot be chosen."""
    shared = CATALOGUE[component].shared
    return _PLACES[shared](stack, component) if shared else ""


def located(stack: Stack, component: str, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the objects with a note on the workload about where its data is, which `rejections` reads."""
    if found := place(stack, component):
        for item in objects:
            if item["kind"] == CATALOGUE[component].workload:
                item["metadata"] = {**item["metadata"], "annotations": {**item["metadata"].get("annotations", {}), PLACE: found}}
    return objects


def rejections(stack: Stack, facts: Facts) -> Iterator[str]:
    """Return a sentence for each change that a roll-out cannot make, or that would lose data."""
    found = facts["namespaces"].get(stack.namespace)
    objects = found["objects"] if found else []
    own = [item for item in objects if ownership(stack).items() <= item["labels"].items()]
    for component in stack.installed():
        if CATALOGUE[component].own_namespace:
            continue
        for workload in own:
            if (workload["kind"], workload["name"]) == (CATALOGUE[component].workload, workload_name(component)) and workload["spec"]:
                for check in (_moved, _older, _fewer, _fixed):
                    yield from check(stack, component, workload)
        volumes = [
            item
            for item in own
            if item["kind"] == "PersistentVolumeClaim" and item["labels"].get(COMPONENT) == workload_name(component) and item["spec"]
        ]
        if volumes and stack.claims(component):
            yield from _resized(stack, component, volumes, facts["storage_classes"])
    yield from _budgets(stack, [item for item in objects if not OF_ANY_STACK.items() <= (item.get("labels") or {}).items()])


def _moved(stack: Stack, component: str, workload: Object) -> Iterator[str]:
    wanted = place(stack, component)
    # Releases before the note had volumes only.
    there = workload["annotations"].get(PLACE, "volume")
    if wanted and there != wanted and not stack.allow_storage_change:
        yield (
            f"{_NAMES[CATALOGUE[component].shared]} puts the data of {CATALOGUE[component].title} into another place ({wanted}), and "
            f"what it has ({there}) is not moved: queries would not find it any more. Go back, or move it as {_PAGE} has it "
            "and set observability_allow_storage_change to true for one run"
        )


def _older(stack: Stack, component: str, workload: Object) -> Iterator[str]:
    row = CATALOGUE[component]
    running, wanted = _version(_container(workload).get("image", "")), _version(stack.images[component])
    if not row.newer_data or not running or not wanted or stack.allow_downgrade:
        return
    shown = f"observability_images has {component} {'.'.join(map(str, wanted))}; the cluster runs {'.'.join(map(str, running))}"
    if row.newer_data == "major" and running[0] != wanted[0]:
        yield (
            f"{shown}, and another major version of {row.title} cannot read its data: dump and load them, or stay with {running[0]} "
            "(observability_allow_downgrade: true lets it pass)"
        )
    elif row.newer_data == "minor" and wanted < running:
        yield (
            f"{shown}, whose data an older minor version may not be able to read: take {'.'.join(map(str, running))} or newer "
            "(observability_allow_downgrade: true lets it pass)"
        )


def _fewer(stack: Stack, component: str, workload: Object) -> Iterator[str]:
    """Check that replicas go one by one: two may hold two of the three copies of something that is not in the object storage yet."""
    running, wanted = workload["spec"].get("replicas", 1), stack.replicas.get(component, 0)
    copies = CATALOGUE[component].shared != "" and CATALOGUE[component].workload == "StatefulSet"
    if copies and wanted < running - 1 and not stack.allow_storage_change:
        yield (
            f"{component}_replicas is {wanted}; the cluster runs {running}, and with several of them at once the only copies of recent "
            f"data may go: take {running - 1}, and less once that is done; or flush them first as {_PAGE} has it, and set "
            "observability_allow_storage_change to true for one run"
        )


def _fixed(stack: Stack, component: str, workload: Object) -> Iterator[str]:
    """Check what Kubernetes never changes on a workload. What the collection sets is the same in every release; others may differ."""
    spec = workload["spec"]
    wanted: dict[str, Any] = {"selector.matchLabels": selector(stack, component)}
    there: dict[str, Any] = {"selector.matchLabels": (spec.get("selector") or {}).get("matchLabels")}
    if workload["kind"] == "StatefulSet":
        wanted |= {"serviceName": headless(component), "podManagementPolicy": "Parallel"}
        there |= {name: spec.get(name) for name in ("serviceName", "podManagementPolicy")}
    for field, value in wanted.items():
        if there[field] != value:
            yield (
                f"{workload['kind']} {workload['name']} in {stack.namespace} has {field} {there[field]!r}, which cannot be changed to "
                f"{value!r}: delete it with `--cascade=orphan`, which leaves its pods running, and run again"
            )
    for claim in spec.get("volumeClaimTemplates") or []:
        before, now = claim["spec"].get("storageClassName", ""), stack.pods[component].get("storage_class", "")
        if before != now:
            name = "observability_storage_class" if now == stack.storage_class else f"{component}_pod.storage_class"
            yield (
                f"{name} is {now!r}; the volumes of {CATALOGUE[component].title} have {before!r}, which cannot be changed where there is "
                f"data: take {before!r}{' (leave it out)' if not before else ''}"
            )


def _resized(stack: Stack, component: str, volumes: list[Object], classes: list[Object] | None) -> Iterator[str]:
    name, wanted = f"{component}_storage_size", stack.storage_sizes[component]
    requested = {item["name"]: ((item["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0") for item in volumes}
    largest = max(requested, key=lambda volume: quantity(requested[volume]))
    if quantity(wanted) < quantity(requested[largest]):
        yield wrong(
            name,
            "",
            wanted,
            f"the volume {largest} has {requested[largest]}, and no volume gets smaller: take {requested[largest]} or more",
        )
        return
    fixed = {item["name"] for item in classes or [] if not item.get("expands")}
    stuck = sorted({item["spec"].get("storageClassName", "") for item in volumes} & fixed)
    smallest = min(requested, key=lambda volume: quantity(requested[volume]))
    if stuck and quantity(wanted) > quantity(requested[smallest]):
        yield wrong(
            name,
            "",
            wanted,
            f"the volume {smallest} has {requested[smallest]}, and the StorageClass {', '.join(stuck)} cannot grow volumes "
            f"(allowVolumeExpansion): take {requested[smallest]}, or a class that can, with new volumes",
        )


def _budgets(stack: Stack, others: list[Object]) -> Iterator[str]:
    """Check the budgets that others have made for pods of this stack: where a pod has two, or one lets none go, a drain fails."""
    for budget in (item for item in others if item["kind"] == "PodDisruptionBudget" and item["spec"]):
        for component in stack.installed():
            replicas = stack.replicas.get(component, 0)
            if CATALOGUE[component].own_namespace or not safety.selects(budget["spec"], labels(stack, component)):
                continue
            why = "is for them too, and the eviction of a pod with two budgets fails" if replicas > 1 else ""
            why = why or (safety.blocks(budget["spec"], replicas) if replicas else "")
            if why:
                yield (
                    f"observability_namespace is {stack.namespace!r}; PodDisruptionBudget {budget['name']} there selects the pods of "
                    f"{CATALOGUE[component].title}, and it {why}. Remove it, or have it select other pods"
                )


def _container(workload: Object) -> Mapping[str, Any]:
    containers = (((workload["spec"].get("template") or {}).get("spec") or {}).get("containers")) or [{}]
    return containers[0] or {}


def _version(image: str) -> tuple[int, ...]:
    """Return major and minor version of an image, as far as its tag has them; empty where it is none, or only a digest."""
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    match = _VERSION.match(tag)
    return tuple(int(part) for part in match.groups() if part is not None) if match else ()
