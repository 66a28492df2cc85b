"""Requests, limits and quotas, as the API server takes them. Pure Python."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from ._sentences import nearest, wrong
from ._stack import Stack

# Kubernetes API conventions, "Quantity": a decimal number and a suffix, binary, decimal or an exponent.
_QUANTITY = re.compile(r"\+?([0-9]{1,18}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]{1,2})?")
_BINARY = {unit: Fraction(1024 ** (power + 1)) for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))}
_DECIMAL = {unit: Fraction(1000) ** power for unit, power in zip("num kMGTPE", range(-3, 7), strict=True) if unit != " "}
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


def quantity(value: Any) -> Fraction:
    """Return the number in a quantity of Kubernetes (`500m`, `4Gi`, 2). Raises ValueError for anything else, with what would be right."""
    match = None if isinstance(value, bool) else _QUANTITY.fullmatch(str(value))
    if not match:
        raise ValueError(f"it should be {_guess(str(value)) or 'a quantity like 500m, 2 or 4Gi'}")
    number, unit = Fraction(match[1]), match[2] or ""
    if unit[:1] in ("e", "E") and unit[1:]:
        return number * Fraction(10) ** int(unit[1:])
    return number * (_BINARY.get(unit) or _DECIMAL.get(unit) or 1)


def _guess(text: str) -> str:
    """Return what a quantity with a usual slip should have been: `4GB` -> "4Gi or 4G"; nothing when that is not plain."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kKmMgGtT])(?:i?[bB]|I)?", text.strip())
    if not match:
        return ""
    letter = match[2].upper()
    return f"{match[1]}{letter}i or {match[1]}{'k' if letter == 'K' else letter}"


def resource_problems(values: Mapping[str, Any], _stack: Stack) -> Iterator[str]:
    """Return a sentence for each wrong key, name or quantity in the `*_resources` of the roles."""
    for name in sorted(values):
        if name.endswith("_resources") and isinstance(values[name], Mapping):
            yield from requirements(name, values[name])
    name = "otel_collector_resources"
    limits = values[name].get("limits", {}) if isinstance(values[name], Mapping) else None
    if isinstance(limits, Mapping) and "memory" not in limits:
        yield f"{name} has no limits.memory; the collector's memory limiter and its GOMEMLIMIT are a share of it, write it like 1Gi"


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
