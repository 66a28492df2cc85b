"""Filters over objects of the Kubernetes API. Their documentation is beside this file."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
from collections.abc import Callable
from typing import Any

import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.observability.stack.plugins.plugin_utils import _certificates, _passwords, _wiring, _workloads
from ansible_collections.observability.stack.plugins.plugin_utils._plain import plain
from ansible_collections.observability.stack.plugins.plugin_utils._stack import Stack


def _shim(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that hands plain data to a pure function."""

    def filtered(*arguments: Any) -> Any:
        return function(*plain(list(arguments)))

    return filtered


def _checksum(objects: Any) -> str:
    listed = objects if isinstance(objects, list) else [objects]
    content = [item.get(key) for item in listed for key in ("data", "binaryData")]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _secret_objects(secrets: Any, model: Any, component: str) -> list[dict[str, Any]]:
    stack = Stack.from_dict(model)
    if not isinstance(secrets, list) or not all(isinstance(secret, dict) and isinstance(secret.get("data"), dict) for secret in secrets):
        raise AnsibleFilterError("secret_objects takes a list of mappings with `name` and `data`, a mapping of keys to strings")
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret["name"], "namespace": stack.namespace, "labels": _wiring.labels(stack, component)},
            "type": secret.get("type", "Opaque"),
            "data": {key: base64.b64encode(str(value).encode()).decode() for key, value in secret["data"].items()},
        }
        for secret in secrets
    ]


def _basic_auth(password: str, user: str) -> dict[str, str]:
    return _passwords.basic_auth(password, user)


def _certificate_plan(secrets: Any, name: str, hosts: Any, domain: str) -> dict[str, Any]:
    return _certificates.certificate_plan(secrets, name, hosts, domain, datetime.datetime.now(datetime.UTC))


class _Manifest(yaml.SafeDumper):
    """Writes a text of several lines line by line, where YAML allows it."""

    def ignore_aliases(self, *_: Any) -> bool:
        return True


_Manifest.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)
)


def _manifest(objects: Any) -> str:
    return yaml.dump_all(objects, Dumper=_Manifest, sort_keys=False, allow_unicode=True, width=1000, explicit_start=True)


class FilterModule:
    """Offer the functions over objects."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "basic_auth": _shim(_basic_auth),
            "certificate_plan": _shim(_certificate_plan),
            "checksum": _shim(_checksum),
            "manifest": _shim(_manifest),
            "object_changes": _shim(_workloads.object_changes),
            "secret_objects": _shim(_secret_objects),
        }
