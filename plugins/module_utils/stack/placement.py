"""Laying what a site adds to pods over the rendered objects. What a template sets stays."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from . import object_storage
from .messages import wrong
from .model import Stack
from .pod_keys import KEYS, item_name

# A name of the cluster has four dots. With the five that Kubernetes asks for, each of the search domains is tried first; and when a node
# with a DNS server is lost, each of those lookups may wait for its answer, by default five seconds.
_DNS = {"options": [{"name": "ndots", "value": "2"}, {"name": "timeout", "value": "2"}, {"name": "attempts", "value": "4"}]}


def placed(stack: Stack, component: str, objects: Sequence[dict[str, Any]], pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rendered objects of a component with `pod`, its checked and merged `<role>_pod`, laid over them.

    Every pod runs on a Linux node and has what it needs for object storage. Unless the site says how itself, replicas are spread over the
    nodes as `observability_spread` says, in the profile `ha` over zones too, and names are looked up as `_DNS` says.
    What a template sets stays. Raises ValueError with every clash between the two.
    """
    found = copy.deepcopy(list(objects))
    clashing: list[str] = []
    for item in found:
        targets = _targets(item)
        for wanted in ({"node_selector": {"kubernetes.io/os": "linux"}}, object_storage.credentials(stack, component), pod):
            for name, value in wanted.items():
                for target in targets.get(KEYS[name].on, []):
                    clashing += [
                        wrong(f"{component}_pod", name, clash, f"{item['kind']} {item['metadata']['name']} has it already")
                        for clash in _lay(target, name, value)
                    ]
        for template in targets.get("pod", []):
            template["spec"].setdefault("dnsConfig", copy.deepcopy(_DNS))
            _spread(stack.spread, item, template["spec"])
            _spread_over_zones(stack.profile, item, template["spec"])
    if clashing:
        raise ValueError("; ".join(clashing))
    return found


def _targets(item: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return what can be laid over in an object, by the `on` of the keys."""
    if item["kind"] in ("StatefulSet", "DaemonSet", "Deployment"):
        return {"pod": [item["spec"]["template"]], "claim": item["spec"].get("volumeClaimTemplates", [])}
    return {"ServiceAccount": {"account": [item]}, "PersistentVolumeClaim": {"claim": [item]}}.get(item["kind"], {})


def _lay(target: dict[str, Any], name: str, value: Any) -> list[str]:
    """Lay the value of a key over its place in `target`, in place; return what is there with another value, which stays."""
    if not value:
        return []
    key = KEYS[name]
    place: Any = target
    for step in key.path[:-1]:
        place = place[step] if isinstance(step, int) else place.setdefault(step, {})
    last = key.path[-1]
    if isinstance(value, dict):
        there = place.setdefault(last, {})
        clashes = [item for item in value if item in there and there[item] != value[item]]
        there.update({item: text for item, text in value.items() if item not in there})
        return clashes
    if isinstance(value, list):
        there = place.setdefault(last, [])
        known = {item_name(key, item): item for item in there}
        clashes = []
        for item in ({"name": secret} for secret in value) if key.shape == "names" else value:
            if item_name(key, item) not in known:
                there.append(copy.deepcopy(item))
            elif known[item_name(key, item)] != item:
                clashes.append(item_name(key, item))
        return clashes
    if place.setdefault(last, value) != value:
        return [value]
    return []


def _spread(spread: str, workload: Mapping[str, Any], spec: dict[str, Any]) -> None:
    """Spread the replicas of a workload over the nodes, unless its pods have constraints already.

    A surge must not count the pods that it replaces: with as many nodes as replicas there would be no place for it.
    """
    if workload["kind"] == "DaemonSet" or workload["spec"].get("replicas", 1) < 2 or "topologySpreadConstraints" in spec:
        return
    spec["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule" if spread == "required" else "ScheduleAnyway",
            # Nodes whose taints keep the pods out are no place to spread to.
            "nodeTaintsPolicy": "Honor",
            "labelSelector": {"matchLabels": dict(workload["spec"]["selector"]["matchLabels"])},
            **({"matchLabelKeys": ["pod-template-hash"]} if workload["kind"] == "Deployment" else {}),
        }
    ]


def _spread_over_zones(profile: str, workload: Mapping[str, Any], spec: dict[str, Any]) -> None:
    """In `ha`, prefer a zone without another replica, unless the pods have an anti-affinity already.

    Not a spread constraint: one by zone would end the spread over nodes where nodes have no zones, because the scheduler does not score
    nodes that lack the label of one of the constraints (Kubernetes 1.36, plugin PodTopologySpread).
    """
    if profile != "ha" or workload["kind"] == "DaemonSet" or workload["spec"].get("replicas", 1) < 2:
        return
    selector = {"matchLabels": dict(workload["spec"]["selector"]["matchLabels"])}
    term = {"topologyKey": "topology.kubernetes.io/zone", "labelSelector": selector}
    spec.setdefault("affinity", {}).setdefault(
        "podAntiAffinity", {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]}
    )
