"""Filters over objects of the Kubernetes API. Their documentation is beside this file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import bcrypt
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.observability.stack.plugins.plugin_utils import _workloads
from ansible_collections.observability.stack.plugins.plugin_utils._plain import plain


def _shim(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that hands plain data to a pure function."""

    def filtered(*arguments: Any) -> Any:
        return function(*plain(list(arguments)))

    return filtered


def _checksum(objects: Any) -> str:
    listed = objects if isinstance(objects, list) else [objects]
    content = [item.get(key) for item in listed for key in ("data", "binaryData")]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _base64_values(data: Any) -> dict[str, str]:
    if not isinstance(data, dict):
        raise AnsibleFilterError(f"base64_values takes a mapping of keys to strings, not {type(data).__name__}")
    return {key: base64.b64encode(str(value).encode()).decode() for key, value in data.items()}


def _basic_auth(password: str, user: str) -> dict[str, str]:
    hashed = f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=10)).decode()}"
    # `htpasswd` is the key that the F5 controller reads, `auth` the one of community controllers.
    return {"username": user, "password": password, "htpasswd": hashed, "auth": hashed}


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
            "base64_values": _shim(_base64_values),
            "basic_auth": _shim(_basic_auth),
            "checksum": _shim(_checksum),
            "manifest": _shim(_manifest),
            "object_changes": _shim(_workloads.object_changes),
        }
