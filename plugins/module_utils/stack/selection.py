"""Which components an inventory switches on, with how many replicas and under which public host."""

from __future__ import annotations

from .catalogue import CATALOGUE, public_components
from .fields import Fields, is_host


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


def replicas(fields: Fields, switched_on: tuple[str, ...]) -> dict[str, int]:
    """Return the number of pods of each component that has one; 0 where it is rejected."""
    found = {name: fields.number(f"{name}_replicas") for name, row in CATALOGUE.items() if row.workload != "DaemonSet"}
    for component, count in found.items():
        # The rules of `single` are the only ones so far.
        rule = CATALOGUE[component].replicas.get("single")
        if rule is None or component not in switched_on or not count:
            continue
        if count < rule.least or (rule.most is not None and count > rule.most):
            right = str(rule.most) if rule.most == rule.least else f"{rule.least} or more"
            fields.reject(f"{component}_replicas", f"it should be {right}: {rule.why}")
    return found


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
