"""The action `end_run`: another run may change the stack from here on. Documented in plugins/modules."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.plugin_utils.on_cluster import ACCESS, STACK, ClusterAction


class ActionModule(ClusterAction):
    """Give the Lease back."""

    SPEC: ClassVar[dict[str, Any]] = {**STACK, **ACCESS}

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return nothing of interest."""
        stack = Stack.from_dict(options["stack"])
        if not self._task.check_mode:
            self.lease(self.cluster(options, stack.namespace, patience=0.0), stack).release()
        return {"changed": False}
