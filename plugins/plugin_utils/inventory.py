"""The checks of an inventory, all of them: what is a variable of this collection, its type, the model, and the rules.

`check` is the whole of it behind Ansible's templates, which the action `check_inventory` applies.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.observability.stack.plugins.module_utils.stack import (
    components,
    maps,
    overrides,
    placing,
    resources,
    retention,
    validation,
)
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.messages import wrong
from ansible_collections.observability.stack.plugins.module_utils.stack.model import InventoryError, Stack
from ansible_collections.observability.stack.plugins.module_utils.stack.own import Configuration
from ansible_collections.observability.stack.plugins.modules import apply

ROOT = Path(__file__).resolve().parents[2]
ROLES = tuple(sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "defaults/main.yml").exists()))
# Facts of a run; an inventory does not set them.
INTERNAL = frozenset(f"observability_{name}" for name in ("stack", "inputs", "waves", "run", "applied", "drift", "rendered"))

# A rule takes the values of all variables, defaults included, and the model, and returns a sentence for each thing that is wrong. A value
# of the wrong type has been rejected before, and a rule sees the default instead. So has one that the model does not take, which a rule
# sees as it is in `values`, and as 0 (a number, a duration) in the model: then a rule has nothing to say.
Rule = Callable[[Mapping[str, Any], Stack], Iterable[str]]
RULES: tuple[Rule, ...] = (
    resources.resource_problems,
    resources.quota_problems,
    maps.label_problems,
    maps.text_problems,
    maps.verify_problems,
    retention.problems,
)
# Returns what a role computes for its component's configuration: the role, the values of all variables, the model.
Compute = Callable[[str, Mapping[str, Any], Stack], Any]

_PREFIX = re.compile(rf"(observability|{'|'.join(sorted(ROLES, key=len, reverse=True))})_")
# Here, so that the process from which all tasks are forked imports the components once for each run.
_MODULES = {component: components.module(component) for component in CATALOGUE}
# Similarity from which a name counts as a misspelled variable: without the common prefix, and as a whole.
_NEAR_REST, _NEAR_NAME = 0.8, 0.9


@dataclass(frozen=True)
class Known:
    """The variables of this collection: `specs`, name -> argument specification; `defaults`, name -> default, templates as written."""

    specs: dict[str, dict[str, Any]]
    defaults: dict[str, Any]

    @property
    def names(self) -> set[str]:
        """The variables that an inventory may set."""
        return (self.specs.keys() | validation.STACK_DEFAULTS.keys()) - INTERNAL


@functools.cache
def _read(path: str) -> Any:
    """Return the content of a YAML file of the collection."""
    return yaml_load((ROOT / path).read_text(encoding="utf-8"))


@functools.cache
def known() -> Known:
    """Return the variables of this collection, out of its roles."""
    # One type for what every component's pods can be given, documented where it is used.
    pod = _specification(yaml_load(apply.DOCUMENTATION)["options"]["pod"])
    specs: dict[str, dict[str, Any]] = {placing.STACK_POD: pod}
    defaults: dict[str, Any] = dict(validation.STACK_DEFAULTS)
    for role in ROLES:
        options = _read(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
        specs |= {name: pod if name == f"{role}_pod" else spec for name, spec in options.items()}
        defaults |= _read(f"roles/{role}/defaults/main.yml") or {}
    return Known(specs, defaults)


def _specification(option: Any) -> Any:
    """Return an option of a module's documentation as an argument specification, which has another name for the keys in it."""
    if not isinstance(option, dict):
        return option
    return {"options" if name == "suboptions" else name: _specification(value) for name, value in option.items()}


def unknown(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return problems and warnings about variables that are none of this collection's.

    A name similar to a variable is a misspelling and a problem. Other names with the prefix of a role may be the user's own
    (`grafana_api_token`, `verify_ssl`): one warning lists them all, in case a variable was meant. Names with other prefixes are ignored.
    """
    ours = known().names
    problems, foreign = [], []
    for name in names:
        if name in ours or name in INTERNAL:
            continue
        prefix = _PREFIX.match(name)
        slip = ""
        if prefix:
            rests = [other.removeprefix(prefix[0]) for other in ours if other.startswith(prefix[0])]
            slip = next((prefix[0] + rest for rest in difflib.get_close_matches(name.removeprefix(prefix[0]), rests, 1, _NEAR_REST)), "")
        slip = slip or next(iter(difflib.get_close_matches(name, ours, 1, _NEAR_NAME)), "")
        if slip:
            problems.append(f"{name} is not a variable of this collection; did you mean {slip}?")
        elif prefix:
            near = difflib.get_close_matches(name, ours, 1)
            foreign.append(f"{name} (not {near[0]}?)" if near else name)
    warnings = [f"not variables of this collection, nothing here reads them: {', '.join(sorted(foreign))}"] if foreign else []
    return problems, warnings


def check(given: Mapping[str, Any], compute: Compute) -> tuple[Stack, list[str]]:
    """Return the model of an inventory, and warnings.

    `given` maps variables of this collection to values. Raises InventoryError with all problems at once.
    """
    values = {name: known().defaults.get(name) for name in known().names} | dict(given)
    problems = [*_missing(values, given), *_typed(values, given)]
    model: Stack | None
    try:
        model = validation.parse(values, _read("versions.yml"))
    except InventoryError as error:
        problems += error.problems
        model = error.model
    warnings = list(_from_components("warnings", values))
    if model is not None:
        for rule in RULES:
            problems += rule(values, model)
        problems += _from_components("problems", values, model)
        overridden = [*_overridden(values, model, compute, sound=not problems), *_from_components("late_problems", values)]
        if values[overrides.SWITCH] is True:
            warnings += overridden
        else:
            problems += overridden
    if problems or model is None:
        raise InventoryError(list(dict.fromkeys(problems)))
    return model, warnings


def _overridden(values: Mapping[str, Any], model: Stack, compute: Compute, *, sound: bool) -> Iterator[str]:
    """Return a sentence for each thing in a `<role>_config` that is the role's, or that the component does not know.

    What a role computes is asked for only where there is something to compare with; of an inventory with other problems, that of the
    defaults is good enough.
    """
    sound_values = values if sound else {**known().defaults, "observability_cluster_name": "any"}
    sound_model = model if sound else validation.parse(sound_values, _read("versions.yml"))
    for role, module in _MODULES.items():
        config = values.get(f"{role}_config")
        owned: Configuration | None = getattr(module, "CONFIGURATION", None)
        if not config or owned is None:
            continue
        computed = compute(role, sound_values, sound_model)
        wrong_sections = list(overrides.section_problems(role, config, owned))
        yield from wrong_sections
        yield from overrides.slip_problems(role, config, _read("plugins/plugin_utils/known_keys.yml"))
        yield from overrides.override_problems(role, config, computed, owned)
        if hasattr(module, "merged_problems") and not wrong_sections:
            yield from module.merged_problems(overrides.merged(computed, config))


def _from_components(function: str, *arguments: Any) -> Iterator[str]:
    """Return what the modules of the components say that have such a function."""
    for module in _MODULES.values():
        said = getattr(module, function, None)
        if said is not None:
            yield from said(*arguments)


def _missing(values: dict[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    """Return a sentence for each variable that has a name and no value; it gets its default, so that the checks that follow can go on."""
    for name, value in given.items():
        if value is None:
            kind = {"dict": "mapping", "list": "list"}.get(known().specs.get(name, {}).get("type", ""), "value")
            values[name] = known().defaults.get(name)
            yield f"{name} is None; give it a {kind}, or leave the line out for the default, {values[name]!r}"


def _typed(values: dict[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    """Return the problems of what is given for the roles' variables against their argument specifications.

    Converted values are put back; one of a wrong type is replaced by its default, so that the checks that follow can go on.
    """
    for name, value in given.items():
        spec = known().specs.get(name)
        if spec is None or value is None:
            continue
        problem = _unlike(name, spec, value)
        if not problem:
            try:
                result = ArgumentSpecValidator({name: spec}).validate({name: value})
                problem = " and ".join(result.error_messages)
            except TypeError:  # Ansible sorts unknown keys
                problem = "every key in it should be text"
            except OverflowError:  # Ansible makes whole numbers of others, and infinity is none
                problem = "it should be a whole number"
        if problem:
            yield wrong(name, "", value, problem)
            values[name] = known().defaults.get(name)
        else:
            converted = result.validated_parameters[name]
            values[name] = _given(converted) if "options" in spec else converted


def _given(value: Any) -> Any:
    """Return a value without the keys that were left out, which the validation of options fills with nothing."""
    if isinstance(value, dict):
        return {name: _given(item) for name, item in value.items() if item is not None}
    return [_given(item) for item in value] if isinstance(value, list) else value


def _unlike(name: str, spec: Mapping[str, Any], value: Any) -> str:
    """Return what is wrong with a value that Ansible would convert here, but that the role then finds as it was."""
    if spec["type"] == "dict" and not isinstance(value, Mapping):
        return "it should be a mapping"
    if spec["type"] == "list" and not isinstance(value, list):
        return "it should be a list"
    if spec["type"] == "bool" and isinstance(value, str) and not name.endswith("_enabled"):
        return "it should be true or false, without quotes"
    return ""
