"""Requests, limits and quotas of an inventory, as the API server takes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from .messages import nearest, wrong
from .model import Stack
from .quantities import quantity

_BYTES = re.compile(r"(memory|ephemeral-storage|storage|hugepages-.+)")
# A container does not start with less (the runtimes' own minimum), and no machine has more.
_LEAST_BYTES = 6 * 2**20
_MOST_CPUS = 512
_NAMES = ("cpu", "memory", "ephemeral-storage")
_COUNTED = (
    "pods", "services", "services.loadbalancers", "services.nodeports", "secrets", "configmaps", "persistentvolumeclaims",
    "replicationcontrollers", "resourcequotas",
)  # fmt: skip
_QUALIFIED = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def resource_problems(values: Mapping[str, Any], _stack: Stack) -> Iterator[str]:
    """Return a sentence for each wrong key, name or quantity in the `*_resources` of the roles."""
    for name in sorted(values):
        if name.endswith("_resources") and isinstance(values[name], Mapping):
            yield from requirements(name, values[name])


def requirements(name: str, resources: Mapping[Any, Any]) -> Iterator[str]:
    """Return the sentences about one container's resources, the value of the variable `name`."""
    amounts: dict[str, dict[str, Fraction]] = {"requests": {}, "limits": {}}
    for kind, listed in resources.items():
        if kind not in amounts:
            reason = "the pods here have no resource claims" if kind == "claims" else "it has the keys requests and limits only"
            yield wrong(name, str(kind), listed, f"{reason}{nearest(kind, amounts)}")
        elif not isinstance(listed, Mapping):
            yield wrong(name, kind, listed, "it should be a mapping like {cpu: 500m, memory: 1Gi}")
        else:
            for resource, value in listed.items():
                problem, amount = _amount(resource, value)
                if problem:
                    yield wrong(name, f"{kind}.{resource}", value, problem)
                else:
                    amounts[kind][str(resource)] = amount
    for resource in amounts["requests"].keys() & amounts["limits"].keys():
        requested, limit = amounts["requests"][resource], amounts["limits"][resource]
        equal = resource not in _NAMES
        if requested > limit or (equal and requested != limit):
            right = f"it should be {'as' if equal else 'at most as'} much as limits.{resource}, {resources['limits'][resource]!r}"
            yield wrong(name, f"requests.{resource}", resources["requests"][resource], right)


def _amount(resource: Any, value: Any) -> tuple[str, Fraction]:
    """Return what is wrong with one line of resources, and the amount."""
    if not isinstance(resource, str) or not (resource in _NAMES or resource.startswith("hugepages-") or _QUALIFIED.fullmatch(resource)):
        return f"a resource is {', '.join(_NAMES)}, hugepages-<size>, or has a slash in its name{nearest(resource, _NAMES)}", Fraction(0)
    try:
        amount = quantity(value)
    except ValueError as error:
        return str(error), Fraction(0)
    if resource == "memory" and amount < _LEAST_BYTES:
        return f"that is {float(amount):g} bytes; write it like 512Mi", amount
    if _BYTES.fullmatch(resource) and amount.denominator != 1:
        return "it should be a whole number of bytes, like 512Mi", amount
    if resource == "cpu" and not Fraction(1, 1000) <= amount <= _MOST_CPUS:
        return f"that is {float(amount):g} processors; write it like 500m or 2", amount
    if "/" in resource and amount.denominator != 1:
        return "it should be a whole number", amount
    return "", amount


def quota_problems(values: Mapping[str, Any], _stack: Stack) -> Iterator[str]:
    """Return a sentence for each wrong line of `namespaces_quota` (Kubernetes documentation, "Resource Quotas")."""
    name = "namespaces_quota"
    quota = values[name]
    known = (*_NAMES, *_COUNTED, *(f"{kind}.{resource}" for kind in ("requests", "limits") for resource in _NAMES), "requests.storage")
    for resource, value in quota.items() if isinstance(quota, Mapping) else ():
        plain = str(resource).removeprefix("requests.")
        if resource not in known and not _QUALIFIED.fullmatch(plain) and not plain.startswith("hugepages-"):
            yield wrong(
                name, str(resource), value, f"a quota has names like pods, requests.cpu or count/jobs.batch{nearest(resource, known)}"
            )
            continue
        try:
            amount = quantity(value)
        except ValueError as error:
            yield wrong(name, str(resource), value, str(error))
            continue
        if amount.denominator != 1 and not str(resource).endswith("cpu"):
            yield wrong(name, str(resource), value, "it should be a whole number")
