"""What no roll-out can do safely, in the objects of a component: a guard for templates and for what is laid over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .catalogue import CATALOGUE

Item = Mapping[str, Any]
_WORKLOADS = ("StatefulSet", "DaemonSet", "Deployment")
# Kubernetes' own default.
_GRACE = 30


def problems(component: str, objects: Sequence[Item]) -> list[str]:
    """Return a sentence for each thing in the objects of a component with which a roll-out or a drain loses something or never ends."""
    workloads = [item for item in objects if item["kind"] in _WORKLOADS]
    found = [text for workload in workloads for check in (_grace, _surge) for text in check(component, workload)]
    for budget in (item for item in objects if item["kind"] == "PodDisruptionBudget"):
        found += [
            f"PodDisruptionBudget {budget['metadata']['name']}: {why}"
            for workload in workloads
            if selects(budget["spec"], workload["spec"]["template"]["metadata"].get("labels") or {})
            and (why := blocks(budget["spec"], workload["spec"].get("replicas", 1)))
        ]
    return found


def selects(budget: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a disruption budget is for pods with these labels; one without a selector is for none, with an empty one for all."""
    selector = budget.get("selector")
    if selector is None:
        return False
    return (selector.get("matchLabels") or {}).items() <= labels.items() and all(
        _matches(expression, labels) for expression in selector.get("matchExpressions") or []
    )


def _matches(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or []
    if expression["operator"] in ("Exists", "DoesNotExist"):
        return bool((value is not None) == (expression["operator"] == "Exists"))
    return bool((value in values) == (expression["operator"] == "In"))


def blocks(budget: Mapping[str, Any], replicas: int) -> str:
    """Return why a disruption budget never lets one of so many pods go, empty when it does."""
    if "maxUnavailable" in budget:
        allowed = _share(budget["maxUnavailable"], replicas)
        limit = f"maxUnavailable {budget['maxUnavailable']}"
    else:
        limit = f"minAvailable {budget.get('minAvailable', 1)}"
        allowed = replicas - _share(budget.get("minAvailable", 1), replicas)
    if allowed > 0:
        return ""
    return f"{limit} of {replicas} lets no pod go, so it blocks every drain; it should leave room for one"


def _share(value: Any, replicas: int) -> int:
    """Return the pods that a number or a percentage stands for; Kubernetes rounds up."""
    if isinstance(value, str) and value.endswith("%"):
        return -(-int(value.removesuffix("%")) * replicas // 100)
    return int(value)


def _grace(component: str, workload: Item) -> Iterator[str]:
    spec = workload["spec"]["template"]["spec"]
    grace = spec.get("terminationGracePeriodSeconds", _GRACE)
    sleep = max([_sleep(container) for container in spec["containers"]], default=0)
    drain = CATALOGUE[component].drain
    if grace < sleep + drain:
        yield (
            f"{_title(workload)}: terminationGracePeriodSeconds is {grace}, which ends the pod before it has drained; it should be "
            f"at least {sleep + drain}: preStop takes {sleep} s, the drain up to {drain} s"
        )


def _sleep(container: Mapping[str, Any]) -> int:
    action = ((container.get("lifecycle") or {}).get("preStop") or {}).get("sleep") or {}
    return int(action.get("seconds", 0))


def _surge(_component: str, workload: Item) -> Iterator[str]:
    spec = workload["spec"]["template"]["spec"]
    if not _surges(workload):
        return
    taken = sorted({port["hostPort"] for container in spec["containers"] for port in container.get("ports") or [] if port.get("hostPort")})
    if taken or spec.get("hostNetwork"):
        what = f"host ports {', '.join(map(str, taken))}" if taken else "the network of its node"
        yield (
            f"{_title(workload)}: a surge needs {what} twice on a node, which waits for ever where every node has a pod; "
            "maxSurge should be 0 and maxUnavailable 1"
        )
    claims = [volume["name"] for volume in spec.get("volumes") or [] if "persistentVolumeClaim" in volume]
    if claims:
        yield (
            f"{_title(workload)}: the new pod of a surge waits for the volume {', '.join(claims)}, which the old one has; "
            "the strategy should be Recreate"
        )


def _surges(workload: Item) -> bool:
    if workload["kind"] == "Deployment":
        strategy = workload["spec"].get("strategy") or {}
        # Kubernetes' default is a quarter, rounded up.
        surge = (strategy.get("rollingUpdate") or {}).get("maxSurge", "25%")
        return strategy.get("type", "RollingUpdate") == "RollingUpdate" and surge not in (0, "0%")
    rolling = (workload["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return workload["kind"] == "DaemonSet" and rolling.get("maxSurge", 0) not in (0, "0%")


def _title(workload: Item) -> str:
    return f"{workload['kind']} {workload['metadata']['name']}"
