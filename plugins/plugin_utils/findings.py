"""What the tasks of a role do in each of the playbooks, and the fact in which a comparison collects what it finds, task by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# A list of findings (module_utils/engine/drift.py); preflight empties it.
DRIFT = "observability_drift"
# The playbooks set it for all roles, by `module_defaults`: objects and Secrets are applied, compared with those on the cluster, written to
# files (of Secrets the names only), or the Secrets alone are made.
MODE: dict[str, Any] = {"mode": {"type": "str", "choices": ["apply", "compare", "render", "secrets"], "default": "apply"}}


def facts(variables: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fact with these findings added."""
    return {DRIFT: [*variables.get(DRIFT, []), *findings]}
