"""The action of `verify_data_path`: the module verifies on the host of the task, the controller prints. Documented in plugins/modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.observability.stack.plugins.module_utils.verify.report import shown


class ActionModule(ActionBase):
    """Verify, and print the table, whatever the settings show of the result of a task."""

    _supports_check_mode = False

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the result of the module."""
        result: dict[str, Any] = super().run(tmp, task_vars) or {}
        variables = dict(task_vars or {})
        verified: dict[str, Any] = self._execute_module(
            module_name="observability.stack.verify_data_path", module_args=self._task.args, task_vars=variables
        )
        if not verified.get("failed"):
            several = len(variables.get("ansible_play_hosts_all", ())) > 1
            lines = shown(verified["connections"], verified["depth"], verified["versions"])
            # In one piece, so that the lines of two hosts do not mix.
            self._display.display(
                "\n".join(f"{variables['inventory_hostname']}: {line}" for line in lines) if several else "\n".join(lines)
            )
        return {**result, **verified}
