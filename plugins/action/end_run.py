"""The action `end_run`: removes what the inventory no longer produces, records what it produces, and lets other runs change the stack.

Documented in plugins/modules.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine import prune, record, settled, snapshot
from ansible_collections.observability.stack.plugins.module_utils.engine.comparison import metadata_digest, visible
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND, key_of, title_of
from ansible_collections.observability.stack.plugins.module_utils.engine.lease import DURATION
from ansible_collections.observability.stack.plugins.module_utils.stack import graph, objects
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import COMPONENT, RUN, labels, ownership
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.plugin_utils.on_cluster import PATIENCE, STACK, ClusterAction

# Seconds for a Lease that ends by itself.
_PATIENCE = 10.0


class ActionModule(ClusterAction):
    """Compare what the stack has on the cluster with what the roles have applied, in this run or, by the record, in earlier ones."""

    SPEC: ClassVar[dict[str, Any]] = {
        **STACK,
        "applied": {"type": "dict", "default": {}},
        "inputs": {"type": "dict"},
        "present": {"type": "list", "elements": "str"},
        "failed_at": {"type": "str"},
    }

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return `objects`, a line for each that was removed, `diff`, and `released`; a failure where the run has failed."""
        stack, complete = self.stack(options), options["inputs"] is not None
        cluster = self.cluster(stack, patience=PATIENCE if complete else _PATIENCE, known=complete)
        items = self._completed(cluster, stack, options) if complete else []
        diff = [{"before_header": key_of(item), "after_header": key_of(item), "before": visible(item), "after": {}} for item in items]
        return {
            "changed": bool(items),
            "objects": [f"{title_of(item)}: removed" for item in items],
            **({"diff": diff} if self._task.diff else {}),
            **self._released(cluster, stack),
            **(_failure(options["failed_at"]) if options["failed_at"] else {}),
        }

    def _completed(self, cluster: Cluster, stack: Stack, options: Mapping[str, Any]) -> list[snapshot.Item]:
        """Remove what is left over, write the record, and return what was removed."""
        applied, roles = options["applied"], objects.roles(stack)
        entries = record.read(cluster, stack.namespace)
        desired = settled.recorded(entries, roles) | applied
        if missing := [role for role in roles if role not in desired]:
            raise ClusterError(f"nothing is removed, since it is not known what these roles have applied: {', '.join(missing)}")
        items = _left_over(cluster, stack, options["present"], {key for keys in desired.values() for key in keys})
        if self._task.check_mode:
            for item in items:
                self.say(f"{title_of(item)}: removed")
            return items
        if items:
            prune.prune(cluster, items, graph.removal_names(), self.hold(cluster, stack))
        changes = {role: None for role in entries if role not in roles} | _entries(cluster, stack, applied, options["inputs"])
        if changes:
            record.write(cluster, stack.namespace, labels(stack, RUN), changes)
        return items

    def _released(self, cluster: Cluster, stack: Stack) -> dict[str, Any]:
        """Give the Lease back. What the run has done is done, so it is no failure where that is not possible."""
        if self._task.check_mode:
            return {"released": False}
        try:
            return {"released": self.lease(cluster, stack).release()}
        except ClusterError as error:
            return {"released": False, "warnings": [f"other runs on this stack wait for up to {DURATION} s: {error}"]}


def _failure(task: str) -> dict[str, Any]:
    return {"failed": True, "msg": f"the run has ended at the task {task!r}, for the reason above; the next one goes on from there"}


def _left_over(cluster: Cluster, stack: Stack, present: Collection[str] | None, desired: Collection[str]) -> list[snapshot.Item]:
    """Return what is left over. The cluster is read only if preflight has seen something beyond what is desired, or could not look."""
    if present is not None and set(present) <= set(desired):
        return []
    return settled.left_over(snapshot.read(cluster, graph.namespaces(stack), ownership(stack)), desired)


def _entries(
    cluster: Cluster, stack: Stack, applied: Mapping[str, Mapping[str, Any]], inputs: Mapping[str, str]
) -> dict[str, record.Entry | None]:
    """Return the entries of the roles that were applied, with the Secrets that were generated for each: their metadata only."""
    roles = [role for role in applied if role in inputs]
    if not roles:
        return {}
    now = datetime.datetime.now(datetime.UTC)
    secrets: dict[str, dict[str, str]] = {}
    for item in snapshot.selected(cluster, [(BY_KIND["Secret"], stack.namespace)], ownership(stack)):
        secrets.setdefault(item["metadata"]["labels"].get(COMPONENT, ""), {})[key_of(item)] = metadata_digest(item)
    return {
        role: record.Entry(
            inputs[role],
            now,
            {key: (desired, live) for key, (desired, live) in applied[role].items()},
            secrets.get(labels(stack, role)[COMPONENT], {}),
        )
        for role in roles
    }
