"""Filters over objects of the Kubernetes API. Their documentation is beside this file."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable
from typing import Any

import yaml
from ansible_collections.observability.stack.plugins.module_utils.stack import certificates, changes, passwords
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import labels
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.plugin_utils.native import as_filter


def secret_objects(secrets: Any, model: Any, component: str) -> list[dict[str, Any]]:
    """See secret_objects.yml."""
    stack = Stack.from_dict(model)
    if not isinstance(secrets, list) or not all(isinstance(secret, dict) and isinstance(secret.get("data"), dict) for secret in secrets):
        raise ValueError("it takes a list of mappings with `name` and `data`, a mapping of keys to strings")
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret["name"], "namespace": stack.namespace, "labels": labels(stack, component)},
            "type": secret.get("type", "Opaque"),
            "data": {key: base64.b64encode(str(value).encode()).decode() for key, value in secret["data"].items()},
        }
        for secret in secrets
    ]


def certificate_plan(secrets: Any, name: str, hosts: Any, domain: str) -> dict[str, Any]:
    """See certificate_plan.yml."""
    if certificates.MISSING:
        raise ValueError(f"it needs the Python package cryptography ({certificates.MISSING})")
    return certificates.certificate_plan(secrets, name, hosts, domain, datetime.datetime.now(datetime.UTC))


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines line by line, where YAML allows it."""

    def ignore_aliases(self, *_unused: Any) -> bool:
        return True


_Dumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)
)


def manifest(objects: Any) -> str:
    """See manifest.yml."""
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000, explicit_start=True)


class FilterModule:
    """Offer the functions over objects."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        functions = (passwords.basic_auth, certificate_plan, manifest, changes.object_changes, secret_objects)
        return {function.__name__: as_filter(function.__name__, function) for function in functions}
