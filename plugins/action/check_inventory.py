"""The action of `check_inventory`: it runs on the controller, because that is where the inventory is. Documented in plugins/modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.observability.stack.plugins.module_utils.stack.model import InventoryError, Stack
from ansible_collections.observability.stack.plugins.module_utils.stack.objects import waves
from ansible_collections.observability.stack.plugins.plugin_utils import inputs, inventory
from ansible_collections.observability.stack.plugins.plugin_utils.native import native

_FOR_PROMETHEUS = (
    "; what is between double braces for Prometheus itself has to be tagged !unsafe, or read with lookup('ansible.builtin.file', …)"
)


def computed(templar: Any, loader: Any, variables: Mapping[str, Any]) -> inventory.Compute:
    """Return a function that evaluates `__<role>_config`, what a role computes for its component, as the role itself would."""

    def compute(role: str, values: Mapping[str, Any], model: Stack) -> Any:
        computed_by_role = loader.load_from_file(str(inventory.ROOT / f"roles/{role}/vars/main.yml"), trusted_as_template=True)
        given = {name: values[name] for name in inventory.known().names}
        scope = {**variables, **computed_by_role, **given, "observability_stack": model.to_dict()}
        return native(templar.copy_with_new_env(available_variables=scope).template(computed_by_role[f"__{role}_config"]))

    return compute


class ActionModule(ActionBase):
    """Gather, check, hand over."""

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the model as the facts `observability_stack` and `observability_inputs`, or a failure that lists every problem."""
        result: dict[str, Any] = super().run(tmp, task_vars) or {}
        variables = task_vars or {}
        problems, warnings = inventory.unknown(variables)
        given: dict[str, Any] = {}
        for name in inventory.known().names & variables.keys():
            try:
                given[name] = native(self._templar.template(variables[name]))
            except AnsibleError as error:
                problems.append(f"{name} cannot be evaluated: {error.message}{_FOR_PROMETHEUS if name.startswith('prometheus_') else ''}")
        try:
            model, more = inventory.check(given, computed(self._templar, self._loader, variables))
        except InventoryError as error:
            problems += error.problems
        if problems:
            failure = InventoryError(problems)
            return {**result, "failed": True, "msg": str(failure), "problems": problems, "warnings": warnings}
        facts = {
            "observability_stack": model.to_dict(),
            "observability_inputs": inputs.digests(model, given),
            "observability_waves": waves(model),
        }
        return {**result, "changed": False, "warnings": warnings + more, "ansible_facts": facts}
