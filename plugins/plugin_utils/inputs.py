"""What the objects of a role follow from, as one digest: nothing has to be rendered as long as it stays the same."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import jinja2
import yaml
from ansible.release import __version__ as ansible_version
from ansible_collections.observability.stack.plugins.module_utils.engine.comparison import digest
from ansible_collections.observability.stack.plugins.module_utils.stack import objects
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.plugin_utils.inventory import ROOT

# What differs between two machines, or two runs, and is in no object.
_ELSEWHERE = (
    "output_directory",
    "namespace_state",
    "kubeconfig",
    "context",
    "current_context",
    "always_render",
    "wait_timeout",
    "allow_unready_replicas",
    "storage_check",
)
_VERSIONS = (ansible_version, jinja2.__version__, yaml.__version__)
_SHARED = ("roles/common", "plugins", "versions.yml")


def digests(stack: Stack, given: Mapping[str, Any]) -> dict[str, str]:
    """Return a digest for each role of the stack that has objects, in the order in which they are applied.

    It covers the model, what the inventory gives for the role's variables (`given`, name -> value), the role's files with those that all
    roles share, and what renders them. A role reads no variable of another one; `tests/unit/test_contracts.py` holds that.
    """
    model = {name: value for name, value in stack.to_dict().items() if name not in _ELSEWHERE}
    shared = [model, _files(*_SHARED), _VERSIONS]
    return {role: digest([shared, _given(role, given), _files(f"roles/{role}")]) for role in objects.roles(stack)}


def _given(role: str, given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name.startswith(f"{role}_")}


@functools.cache
def _files(*places: str) -> str:
    """Return a digest of the files in some places of the collection."""
    content = hashlib.sha256()
    for place in places:
        start = ROOT / place
        for path in sorted(start.rglob("*")) if start.is_dir() else [start]:
            if path.is_file() and path.suffix not in (".pyc", ".md"):
                content.update(f"{path.relative_to(ROOT)}\0".encode())
                content.update(path.read_bytes())
    return content.hexdigest()
