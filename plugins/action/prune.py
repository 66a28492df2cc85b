"""The action `prune`: removes what the inventory no longer produces. Documented in plugins/modules."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine import prune, record, settled, snapshot
from ansible_collections.observability.stack.plugins.module_utils.engine.comparison import visible
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND, key_of, title_of
from ansible_collections.observability.stack.plugins.module_utils.stack import graph, objects
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import ownership
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.plugin_utils.on_cluster import STACK, ClusterAction


class ActionModule(ClusterAction):
    """Compare what the stack has on the cluster with what the roles have applied, in this run or, by the record, in earlier ones."""

    SPEC: ClassVar[dict[str, Any]] = {
        **STACK,
        "applied": {"type": "dict", "default": {}},
    }

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return `objects`, a line for each that was removed, and `diff`."""
        stack = self.stack(options)
        cluster = self.cluster(stack)
        dry = bool(self._task.check_mode)
        found = snapshot.read(cluster, graph.namespaces(stack), ownership(stack))
        desired = settled.recorded(found.entries, dict.fromkeys(objects.roles(stack))) | options["applied"]
        missing = [role for role in objects.roles(stack) if role not in desired]
        if missing:
            raise ClusterError(f"nothing is removed, since it is not known what these roles have applied: {', '.join(missing)}")
        items = settled.left_over(found, {key for keys in desired.values() for key in keys})
        stale = [role for role in found.entries if role not in objects.roles(stack)]
        if (items or stale) and not dry:
            lease = self.lease(cluster, stack)
            lease.hold(stack.wait_timeout, self.say)
            # Pods that deliver what they hold may take longer to end than a Lease lasts.
            keep = functools.partial(lease.keep, stack.wait_timeout, self.say)
            prune.prune(cluster, items, graph.removal_names(), stack.wait_timeout, self.say, keep)
            _forget(cluster, stack, stale)
        elif dry:
            for item in items:
                self.say(f"{title_of(item)}: removed")
        diff = [{"before_header": key_of(item), "after_header": key_of(item), "before": visible(item), "after": {}} for item in items]
        return {
            "changed": bool(items),
            "objects": [f"{title_of(item)}: removed" for item in items],
            **({"diff": diff} if self._task.diff else {}),
        }


def _forget(cluster: Cluster, stack: Stack, roles: list[str]) -> None:
    """Remove the entries of roles that are no longer part of the stack: a snapshot would ask for each of their objects."""
    if not roles:
        return
    answer = cluster.send("PATCH", BY_KIND["ConfigMap"].path(stack.namespace, record.NAME), {"data": dict.fromkeys(roles)})
    if answer.status not in (200, 404):
        raise ClusterError(f"the ConfigMap {record.NAME} cannot be written: {answer.reason()}")
