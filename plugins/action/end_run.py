"""The action `end_run`: another run may change the stack from here on. Documented in plugins/modules."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine.lease import DURATION
from ansible_collections.observability.stack.plugins.plugin_utils.on_cluster import STACK, ClusterAction

# Seconds for a Lease that ends by itself.
_PATIENCE = 10.0


class ActionModule(ClusterAction):
    """Give the Lease back."""

    SPEC: ClassVar[dict[str, Any]] = {**STACK}

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return `released`, whether this run held the Lease."""
        stack = self.stack(options)
        if self._task.check_mode:
            return {"changed": False, "released": False}
        try:
            released = self.lease(self.cluster(stack, patience=_PATIENCE, known=False), stack).release()
        except ClusterError as error:
            # What the run has done is done.
            warning = f"other runs on this stack wait for up to {DURATION} s: {error}"
            return {"changed": False, "released": False, "warnings": [warning]}
        return {"changed": False, "released": released}
