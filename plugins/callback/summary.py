"""The callback `summary`: at the end of a run on several clusters, what became of each."""

from __future__ import annotations

DOCUMENTATION = """
name: summary
type: aggregate
short_description: At the end of a run on several clusters, what became of each
version_added: 0.1.0
description:
  - Lists, for each host of the group C(observability), whether there was nothing to do, how many objects were created, changed or removed,
    or why it failed. Nothing is printed for a run on one cluster.
requirements:
  - enabled in the configuration, C(callbacks_enabled=observability.stack.summary)
author:
  - observability.stack contributors (@observability)
"""

from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible_collections.observability.stack.plugins.plugin_utils.summary import Outcome, summary

_PREFIX = "observability.stack."


class CallbackModule(CallbackBase):
    """Collect the results of each host; print them at the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "observability.stack.summary"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Begin without any host."""
        super().__init__(*arguments, **options)
        self._outcomes: dict[str, Outcome] = {}

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note what changed."""
        outcome = self._outcome(result)
        # The results of other tasks are of no interest, and they can be large.
        if outcome is None or not result.task.action.startswith(_PREFIX):
            return
        found = result.result
        outcome.changed |= bool(found.get("changed"))
        outcome.add(found.get("objects", []))
        outcome.settled |= bool(found.get("ansible_facts", {}).get("observability_run", {}).get("settled"))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Note why it failed."""
        outcome = self._outcome(result)
        if outcome is not None and not ignore_errors:
            outcome.failures.append(_message(result))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Note that the host was not reached."""
        self.v2_runner_on_failed(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print the summary. A failure that a playbook has handled is none."""
        failed = {host for host in self._outcomes if stats.failures.get(host) or stats.dark.get(host)}
        if len(self._outcomes) > 1:
            self._display.banner("CLUSTERS")
            for line in summary(self._outcomes, failed, check=bool(context.CLIARGS.get("check"))):
                self._display.display(line)

    def _outcome(self, result: Any) -> Outcome | None:
        """Return that of the host; none when it is no cluster."""
        if not any(group.name == "observability" for group in result.host.get_groups()):
            return None
        return self._outcomes.setdefault(result.host.get_name(), Outcome())


def _message(result: Any) -> str:
    """Return the message of a failure, and the task, where there is none that may be shown."""
    found = result.result
    items = [item for item in found.get("results", []) if item.get("failed")]
    message = (items[0] if items else found).get("msg")
    lines = "\n".join(map(str, message)) if isinstance(message, list) else str(message or "")
    return lines or f"the task {result.task.get_name()!r}"
