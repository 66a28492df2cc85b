"""Which components an inventory switches on, with how many replicas and under which public host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .catalogue import CATALOGUE, public_components
from .fields import Fields, is_host
from .rows import Replicas

# What replicas share their data through, by the field of the model: the variable, and how an inventory says it.
SHARED = {
    "storage": (
        "observability_object_storage",
        "name a bucket for each of them, or set object_storage_enabled to true for an evaluation",
    ),
    "database": (
        "grafana_database",
        "SQLite has one writer: name a database, or set postgresql_enabled to true for an evaluation",
    ),
}


def enabled(fields: Fields) -> tuple[str, ...]:
    """Return the components that are switched on; a switch that is none counts as on."""
    found = []
    for component in CATALOGUE:
        name = f"{component}_enabled"
        if not isinstance(fields.values[name], bool):
            fields.reject(name, "it should be true or false")
        if fields.values[name] is not False:
            found.append(component)
    for component in found:
        row = CATALOGUE[component]
        missing = [f"{need}_enabled" for need in row.needs if need not in found]
        if missing:
            fields.reject(f"{component}_enabled", f"it needs {' and '.join(missing)} to be true as well")
        if row.serves and not any(choice in found for choice in row.serves):
            fields.reject(
                f"{component}_enabled",
                f"it needs at least one of {', '.join(f'{choice}_enabled' for choice in row.serves)}, or it would have nothing to do",
            )
    return tuple(found)


def provided(fields: Fields, switched_on: tuple[str, ...]) -> tuple[str, ...]:
    """Return the components that the cluster has already, of those that are switched on."""
    optional = [name for name, row in CATALOGUE.items() if row.optional_install]
    return tuple(name for name in optional if not fields.switch(f"{name}_install") and name in switched_on)


def replicas(fields: Fields, switched_on: tuple[str, ...], profile: str) -> dict[str, int]:
    """Return the number of pods of each component that has one, that of the profile where the inventory says 0; 0 where it is rejected."""
    found: dict[str, int] = {}
    for component, row in CATALOGUE.items():
        if row.workload == "DaemonSet":
            continue
        name, rule = f"{component}_replicas", row.replicas.get(profile, Replicas())
        count = rule.usual if rule.usual and fields.values[name] == 0 else fields.number(name)
        found[component] = count
        if component in switched_on and count and (count < rule.least or (rule.most is not None and count > rule.most)):
            right = str(rule.most) if rule.most == rule.least else f"{rule.least} or more"
            usual = f", or 0 for {rule.usual}" if rule.usual and right != str(rule.usual) else ""
            fields.reject(name, f"it should be {right}{usual}: {rule.why}")
    return found


def shared(fields: Fields, counts: Mapping[str, int], switched_on: tuple[str, ...], there: Mapping[str, Any]) -> None:
    """Reject several replicas of components that have nothing to share their data through; `there` has the fields of the model by name."""
    for field, (variable, right) in SHARED.items():
        several = [
            f"{counts[name]} replicas of {row.title}"
            for name, row in CATALOGUE.items()
            if row.shared == field and name in switched_on and counts[name] > 1 and f"{name}_replicas" not in fields.rejected
        ]
        if several and not there[field] and variable not in fields.rejected:
            fields.reject(variable, f"{' and '.join(several)} share their data through it; {right}")


def hosts(fields: Fields) -> dict[str, str]:
    """Return the public host name of each component that has one."""
    given = {component: fields.values[f"{component}_host"] for component in public_components()}
    found: dict[str, str] = {}
    # Those that an inventory gives come last, so that of two equal ones the given one is named.
    for component in sorted(given, key=lambda name: given[name] != ""):
        name = f"{component}_host"
        host = f"{component}.{fields.values['observability_domain']}" if given[component] == "" else given[component]
        if not is_host(host) and (given[component] != "" or is_host(fields.values["observability_domain"])):
            fields.reject(name, "it should be a DNS name in lower case, like grafana.example.com")
        for other, taken in found.items():
            if host == taken:
                fields.reject(name, f"{other}_host is {host!r} too; each component needs a host of its own")
        found[component] = str(host)
    return {component: found[component] for component in given}
