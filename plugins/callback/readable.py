"""The callback `readable`: Ansible's output without what says nothing."""

from __future__ import annotations

DOCUMENTATION = """
name: readable
type: stdout
short_description: Ansible's output without what says nothing
version_added: 0.1.0
description:
  - The output of P(ansible.builtin.default#callback), except that without C(-v) it has no lines about included files and roles, and none
    about tasks of this collection that have changed something, because these print every object that they change.
  - An error of such a task is printed once. Messages of C(debug) are always printed.
  - With C(-v) every host of every task is printed, whatever O(display_ok_hosts) and O(display_skipped_hosts) are.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as stdout in the configuration, C(stdout_callback=observability.stack.readable)
author:
  - observability.stack contributors (@observability)
"""

from typing import Any

from ansible import constants
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as Default

_PREFIX = "observability.stack."
_DEBUG = ("debug", "ansible.builtin.debug", "ansible.legacy.debug")


class CallbackModule(Default):
    """Leave out what the verbosity does not ask for; the rest is Ansible's."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "observability.stack.readable"

    def get_option(self, k: str, hostvars: Any = None) -> Any:
        """Return the value of an option; with -v every result is shown."""
        if k in ("display_ok_hosts", "display_skipped_hosts") and self._display.verbosity:
            return True
        return super().get_option(k, hostvars)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """Print what is included only with -v."""
        if self._display.verbosity:
            super().v2_playbook_on_include(included_file)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Print a result, unless its task has printed what there is to say."""
        if self._display.verbosity:
            if _ours(result) and self._display.verbosity < 3:
                # The model of the inventory and what the cluster has, which are long.
                for key in ("ansible_facts", "facts"):
                    result.result.pop(key, None)
            super().v2_runner_on_ok(result)
        elif _ours(result) and "diff" not in result.result:
            self._handle_warnings_and_exception(result)
        elif result.task.action in _DEBUG and "msg" in result.result:
            message = result.result["msg"]
            for line in message if isinstance(message, list) else str(message).splitlines():
                self._display.display(f"[{result.host.get_name()}] {line}")
        elif not isinstance(result.task, TaskInclude):
            super().v2_runner_on_ok(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Print a failure; those of this collection are messages for people, and say it once."""
        if self._display.verbosity or not _ours(result) or "msg" not in result.result:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        if self._last_task_banner != result.task._uuid:
            self._print_task_banner(result.task)
        result.result.pop("exception", None)
        self._handle_warnings_and_exception(result)
        self._display.display(f"fatal: [{result.host.get_name()}]: FAILED! =>", color=constants.COLOR_ERROR)
        for line in str(result.result["msg"]).splitlines():
            self._display.display(f"  {line}", color=constants.COLOR_ERROR)


def _ours(result: Any) -> bool:
    return str(result.task.action).startswith(_PREFIX)
