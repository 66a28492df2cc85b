"""Inventories for tests: what the roles' defaults say, with changes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.observability.stack.plugins.module_utils.stack import components, validation
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.model import InventoryError, Stack

ROOT = Path(__file__).resolve().parents[1]
# What the settings of a component take beside the model.
INPUTS: dict[str, dict[str, Any]] = {
    "otel_collector": {"resources": {"limits": {"memory": "1Gi"}}},
    "grafana": {"secrets": {}},
    "ingress": {"auth_secret": "users", "issuer": {"name": "letsencrypt"}},
}


def load(path: str) -> Any:
    """Return the content of a YAML file of the repository."""
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def roles() -> list[str]:
    """Return the names of the roles."""
    return sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())


def values(**changes: Any) -> dict[str, Any]:
    """Return the variables of an inventory that names its cluster and takes every default, with changes."""
    found = dict(validation.STACK_DEFAULTS)
    for defaults in sorted(ROOT.glob("roles/*/defaults/main.yml")):
        found |= load(str(defaults)) or {}
    return {**found, "observability_cluster_name": "test", **changes}


def stack(**changes: Any) -> Stack:
    """Return the checked model of such an inventory. Raises InventoryError."""
    return validation.parse(values(**changes), load("versions.yml"))


def problems(**changes: Any) -> list[str]:
    """Return the sentences about what is wrong with such an inventory."""
    try:
        stack(**changes)
    except InventoryError as error:
        return error.problems
    return []


def component_settings(model: Stack, component: str, **inputs: Any) -> dict[str, Any]:
    """Return the settings of a component, with inputs that its role could give."""
    found: dict[str, Any] = components.module(component).settings(model, **{**INPUTS.get(component, {}), **inputs})
    return found


def combinations() -> Iterator[Stack]:
    """Return the model of every combination of switched-on components that the inventory may ask for."""
    given, versions = values(), load("versions.yml")
    for switches in itertools.product((True, False), repeat=len(CATALOGUE)):
        chosen = {f"{component}_enabled": on for component, on in zip(CATALOGUE, switches, strict=True)}
        try:
            yield validation.parse({**given, **chosen}, versions)
        except InventoryError:
            continue
