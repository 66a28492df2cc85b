"""The action `prune`: removes what the inventory no longer produces. Documented in plugins/modules."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine import prune, settled, snapshot
from ansible_collections.observability.stack.plugins.module_utils.engine.comparison import visible
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import key_of, title_of
from ansible_collections.observability.stack.plugins.module_utils.stack import graph, objects
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import ownership
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.plugin_utils.on_cluster import ACCESS, STACK, ClusterAction


class ActionModule(ClusterAction):
    """Compare what the stack has on the cluster with what the roles have applied, in this run or, by the record, in earlier ones."""

    SPEC: ClassVar[dict[str, Any]] = {
        **STACK,
        **ACCESS,
        "applied": {"type": "dict", "default": {}},
        "timeout": {"type": "int", "default": 600},
    }

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return `objects`, a line for each that was removed, and `diff`."""
        stack = Stack.from_dict(options["stack"])
        cluster = self.cluster(options, stack.namespace)
        dry = bool(self._task.check_mode)
        found = snapshot.read(cluster, graph.namespaces(stack), ownership(stack))
        desired = settled.recorded(found.entries, dict.fromkeys(objects.roles(stack))) | options["applied"]
        missing = [role for role in objects.roles(stack) if role not in desired]
        if missing:
            raise ClusterError(f"nothing is removed, since it is not known what these roles have applied: {', '.join(missing)}")
        items = settled.left_over(found, {key for keys in desired.values() for key in keys})
        if items and not dry:
            lease = self.lease(cluster, stack)
            lease.hold(options["timeout"], self.say)
            # Pods that deliver what they hold may take longer to end than a Lease lasts.
            keep = functools.partial(lease.keep, options["timeout"], self.say)
            prune.prune(cluster, items, graph.removal_names(), options["timeout"], self.say, keep)
        elif dry:
            for item in items:
                self.say(f"{title_of(item)}: removed")
        diff = [{"before_header": key_of(item), "after_header": key_of(item), "before": visible(item), "after": {}} for item in items]
        return {
            "changed": bool(items),
            "objects": [f"{title_of(item)}: removed" for item in items],
            **({"diff": diff} if self._task.diff else {}),
        }
