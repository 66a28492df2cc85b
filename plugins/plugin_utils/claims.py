"""What each host of the inventory claims for its stack, evaluated about once for each run instead of once for each host."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible_collections.observability.stack.plugins.module_utils.stack.validation import STACK_DEFAULTS
from ansible_collections.observability.stack.plugins.plugin_utils.native import native

Claims = dict[str, dict[str, Any]]

_CLAIMS = ("cluster_name", "kubeconfig", "context", "namespace", "object_storage")


def claims(variables: Mapping[str, Any]) -> Claims:
    """Return the claims of each host of the group, of the one of the task at least; what cannot be evaluated is left out.

    Evaluating the variables of a host takes a millisecond: a hundred hosts that look at all of them would take longer over it than over
    everything else. So they are kept in Ansible's temporary directory, which all workers of a run share, and which ends with it.
    """
    host = variables["inventory_hostname"]
    kept = Path(constants.DEFAULT_LOCAL_TMP) / "observability-stack-claims.json"
    with contextlib.suppress(FileNotFoundError):
        found: Claims = json.loads(kept.read_text(encoding="utf-8"))
        if host in found:
            return found
    hosts = variables["hostvars"]
    found = {name: _claimed(hosts[name]) for name in sorted({host, *variables["groups"].get("observability", [])})}
    # Several workers may be here at the same time; each writes the same, and none reads half of it. Without the directory each evaluates.
    written = kept.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        written.write_text(json.dumps(found), encoding="utf-8")
        written.replace(kept)
    return found


def _claimed(variables: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for claim in _CLAIMS:
        name = f"observability_{claim}"
        with contextlib.suppress(AnsibleError):
            found[claim] = native(variables.get(name, STACK_DEFAULTS[name]))
    return found
