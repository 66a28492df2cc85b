"""The action of `check_inventory`: it runs on the controller, because that is where the inventory is. Documented in plugins/modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.observability.stack.plugins.plugin_utils import _inventory, _stack
from ansible_collections.observability.stack.plugins.plugin_utils._plain import plain

_FOR_PROMETHEUS = "; what is between double braces for Prometheus itself is marked !unsafe, or read with lookup('ansible.builtin.file', …)"


def computed(templar: Any, loader: Any, variables: Mapping[str, Any]) -> _inventory.Compute:
    """Return a function that evaluates `__<role>_config`, what a role computes for its component, as the role itself would."""

    def compute(role: str, values: Mapping[str, Any], model: _stack.Stack) -> Any:
        defaults = loader.load_from_file(str(_inventory.ROOT / f"roles/{role}/defaults/main.yml"), trusted_as_template=True)
        scope = {**variables, **defaults, **{name: values[name] for name in _inventory.known().names}, f"{role}_stack": model.to_dict()}
        return plain(templar.copy_with_new_env(available_variables=scope).template(defaults[f"__{role}_config"]))

    return compute


class ActionModule(ActionBase):
    """Gather, check, hand over."""

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the model as the fact `observability_stack`, or a failure whose message lists every problem of the inventory."""
        result: dict[str, Any] = super().run(tmp, task_vars) or {}
        variables = task_vars or {}
        problems, warnings = _inventory.unknown(variables)
        given: dict[str, Any] = {}
        for name in _inventory.known().names & variables.keys():
            try:
                given[name] = plain(self._templar.template(variables[name]))
            except AnsibleError as error:
                problems.append(f"{name} cannot be evaluated: {error.message}{_FOR_PROMETHEUS if name.startswith('prometheus_') else ''}")
        try:
            model, more = _inventory.check(given, computed(self._templar, self._loader, variables))
        except _stack.InventoryError as error:
            problems += error.problems
        if problems:
            failure = _stack.InventoryError(problems)
            return {**result, "failed": True, "msg": str(failure), "problems": problems, "warnings": warnings}
        return {**result, "changed": False, "warnings": warnings + more, "ansible_facts": {"observability_stack": model.to_dict()}}
