"""The action of `preflight`: `cluster_info` reads on the host of the task, the controller decides. Documented in plugins/modules."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.observability.stack.plugins.module_utils.stack import preflight
from ansible_collections.observability.stack.plugins.module_utils.stack.model import InventoryError, Stack
from ansible_collections.observability.stack.plugins.module_utils.stack.validation import STACK_DEFAULTS
from ansible_collections.observability.stack.plugins.plugin_utils.native import native

SPEC = {
    "stack": {"type": "dict", "required": True},
    "purpose": {"type": "str", "choices": ["apply", "verify", "remove"], "default": "apply"},
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
}
_CLAIMS = ("cluster_name", "kubeconfig", "context", "namespace")


class ActionModule(ActionBase):
    """Read, decide, hand over."""

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the model with what was found, or a failure whose message lists every problem."""
        result: dict[str, Any] = super().run(tmp, task_vars) or {}
        _result, options = self.validate_argument_spec(SPEC)
        variables = dict(task_vars or {})
        stack = Stack.from_dict(native(options["stack"]))
        kubeconfig, context = options["kubeconfig"] or "", options["context"] or ""
        answer: dict[str, Any] = self._execute_module(
            module_name="observability.stack.cluster_info",
            module_args={
                "namespaces": list(dict.fromkeys([stack.namespace, *(stack.namespace_of(name) for name in stack.installed())])),
                "current_context": stack.current_context,
                "kubeconfig": kubeconfig,
                "context": context,
            },
            task_vars=variables,
        )
        if answer.get("failed"):
            return {**result, **answer}
        problems = preflight.conflicts(variables["inventory_hostname"], _claims(variables))
        facts = answer.get("facts")
        if facts is None:
            problems.append(preflight.access_problem(kubeconfig, context, answer.get("no_answer", "")))
        else:
            problems += preflight.rejections(stack, facts, options["purpose"])
        if facts is None or problems:
            error = InventoryError(problems)
            return {**result, "failed": True, "msg": str(error), "problems": problems}
        warnings = [f"not looked at, because these credentials may not read it: {', '.join(facts['unreadable'])}"]
        seen = dataclasses.replace(stack, namespace_state=preflight.namespace_state(stack, facts))
        return {
            **result,
            "changed": False,
            "facts": facts,
            "warnings": warnings if facts["unreadable"] else [],
            "ansible_facts": {"observability_stack": seen.to_dict()},
        }


def _claims(variables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what each host of the group, the one of the task at least, claims for its stack; what cannot be evaluated is left out."""
    found: dict[str, dict[str, Any]] = {}
    hosts = variables["hostvars"]
    for host in {variables["inventory_hostname"], *variables["groups"].get("observability", [])}:
        claims = {}
        for claim in _CLAIMS:
            name = f"observability_{claim}"
            try:
                claims[claim] = native(hosts[host].get(name, STACK_DEFAULTS[name]))
            except AnsibleError:
                continue
        found[host] = claims
    return dict(sorted(found.items()))
