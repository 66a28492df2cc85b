"""The action of `check_inventory`: it runs on the controller, because that is where the inventory is. Documented in plugins/modules."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.observability.stack.plugins.plugin_utils import _placing, _stack, _wiring
from ansible_collections.observability.stack.plugins.plugin_utils._plain import plain

ROOT = Path(__file__).resolve().parents[2]
# `common` takes its inputs from other roles, not from the inventory.
ROLES = tuple(sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "defaults/main.yml").exists() and path.name != "common"))
_OURS = re.compile(rf"(observability|{'|'.join(ROLES)})_")
# Set by the playbooks, not by an inventory.
_INTERNAL = {"observability_stack", *(f"{role}_stack" for role in ROLES)}


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


class ActionModule(ActionBase):
    """Gather, check, hand over."""

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the model as the fact `observability_stack`, or a failure whose message lists every problem of the inventory."""
        result: dict[str, Any] = super().run(tmp, task_vars) or {}
        try:
            model = self._model(task_vars or {})
        except _stack.InventoryError as error:
            return {**result, "failed": True, "msg": str(error), "problems": error.problems}
        return {**result, "changed": False, "ansible_facts": {"observability_stack": model.to_dict()}}

    def _model(self, variables: Mapping[str, Any]) -> _stack.Stack:
        known: dict[str, Any] = dict.fromkeys(_stack.STACK_DEFAULTS)
        specs: dict[str, dict[str, Any]] = {}
        defaults: dict[str, Any] = dict(_stack.STACK_DEFAULTS)
        # One type for what every component's pods can be given, documented where it is used.
        pod = _yaml(ROOT / "roles/common/meta/argument_specs.yml")["argument_specs"]["apply"]["options"]["common_pod"]
        for role in ROLES:
            specs[role] = _yaml(ROOT / f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
            if f"{role}_pod" in specs[role]:
                specs[role][f"{role}_pod"] = pod
            known.update(specs[role])
            defaults.update(_yaml(ROOT / f"roles/{role}/defaults/main.yml") or {})
        given = {name: value for name, value in variables.items() if _OURS.match(name) and name not in _INTERNAL}
        # A name that is almost one of ours is a slip as well, when the slip is in its prefix.
        slips = [
            name for name in variables if name not in given and difflib.get_close_matches(name, known.keys() - _INTERNAL, n=1, cutoff=0.9)
        ]
        problems = [_unknown(name, known) for name in (*given, *slips) if name not in known]
        values: dict[str, Any] = {}
        for name in known.keys() - _INTERNAL:
            try:
                values[name] = plain(self._templar.template(given[name])) if name in given else defaults.get(name)
            except AnsibleError as error:
                problems.append(f"{name} cannot be evaluated: {error.message}")
                values[name] = defaults.get(name)
        problems += _typed({_placing.STACK_POD: pod}, values, defaults)
        for role in ROLES:
            problems += _typed(specs[role], values, defaults)
        try:
            model = _stack.parse(values, _yaml(ROOT / "versions.yml"))
            problems += _wiring.volume_problems(model, values["otel_collector_storage_size"])
        except _stack.InventoryError as error:
            problems += error.problems
        if problems:
            raise _stack.InventoryError(problems)
        return model


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else "`ansible-doc -t role -l observability.stack` lists the roles and their variables"
    return f"{name} is not a variable of this collection; {hint}"


def _typed(spec: Mapping[str, Any], values: dict[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """Return the problems of a role's variables against its argument specification.

    Converted values are put back; one of a wrong type is replaced by its default, so that the checks that follow can go on.
    """
    problems = []
    for name in spec.keys() - _INTERNAL:
        if values.get(name) is None:
            continue
        result = ArgumentSpecValidator({name: spec[name]}).validate({name: values[name]})
        if result.error_messages:
            problems.append(f"{name} is {values[name]!r}; {' and '.join(result.error_messages)}")
            values[name] = defaults.get(name)
        else:
            values[name] = _given(result.validated_parameters[name]) if "options" in spec[name] else result.validated_parameters[name]
    return problems


def _given(value: Any) -> Any:
    """Return a value without the keys that were left out, which the validation of options fills with nothing."""
    if isinstance(value, dict):
        return {name: _given(item) for name, item in value.items() if item is not None}
    return [_given(item) for item in value] if isinstance(value, list) else value
