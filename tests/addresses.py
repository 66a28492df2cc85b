"""Targets of the URLs in a configuration, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.observability.stack.plugins.module_utils.stack import addressing, catalogue
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack

from tests.inventories import component_settings


def texts(data: Any) -> Iterator[str]:
    """Return every string in nested data."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for item in data.values():
            yield from texts(item)
    elif isinstance(data, list):
        for item in data:
            yield from texts(item)


def targets(model: Stack, data: Any) -> list[tuple[str, str]]:
    """Return component and pod ("" for the Service) of every URL in a configuration; fail on one that leads nowhere."""
    suffix = f".{model.namespace}.svc.{model.cluster_domain}"
    by_service = {catalogue.workload_name(component): component for component in CATALOGUE}
    found = []
    for text in texts(data):
        if "://" not in text:
            continue
        address = urlsplit(text)
        host = address.hostname or ""
        assert host.endswith(suffix), text
        *pod, name = host.removesuffix(suffix).split(".")
        component = by_service[name.removesuffix("-headless")]
        row = CATALOGUE[component]
        assert address.port in row.ports.values(), text
        if name.endswith("-headless"):
            assert row.headless
            assert pod[0] in addressing.pod_names(model, component)
        else:
            assert row.service
            assert not pod
        found.append((component, pod[0] if pod else ""))
    return found


def configurations(model: Stack) -> dict[str, dict[str, Any]]:
    """Return everything that is computed for each component that the stack installs."""
    return {component: component_settings(model, component) for component in model.installed()}
