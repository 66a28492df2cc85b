"""The checks of an inventory, all of them: what is a variable of this collection, its type, the model, and the rules.

`check` is the whole of it without Ansible's templates, which the action `check_inventory` applies before.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load

from . import _stack, _volumes

ROOT = Path(__file__).resolve().parents[2]
# `common` takes its inputs from other roles, not from the inventory.
ROLES = tuple(sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "defaults/main.yml").exists() and path.name != "common"))
# Set by the playbooks, not by an inventory.
INTERNAL = frozenset({"observability_stack", *(f"{role}_stack" for role in ROLES)})

# A rule takes the values of all variables, defaults included, and the model, and returns a sentence for each thing that is wrong. It sees
# what has been rejected elsewhere, too: then the model has 0 for a number or a duration, and a rule has nothing to say about it.
Rule = Callable[[Mapping[str, Any], _stack.Stack], Iterable[str]]
RULES: tuple[Rule, ...] = (_volumes.volume_problems,)

_OURS = re.compile(rf"(observability|{'|'.join(ROLES)})_")


@dataclass(frozen=True)
class Known:
    """The variables of this collection: `specs`, name -> argument specification; `defaults`, name -> default, templates as written."""

    specs: dict[str, dict[str, Any]]
    defaults: dict[str, Any]

    @property
    def names(self) -> set[str]:
        """The variables that an inventory may set."""
        return (self.specs.keys() | _stack.STACK_DEFAULTS.keys()) - INTERNAL


def _read(path: str) -> Any:
    return yaml_load((ROOT / path).read_text(encoding="utf-8"))


@functools.cache
def known() -> Known:
    """Return the variables of this collection, out of its roles."""
    specs: dict[str, dict[str, Any]] = {}
    defaults: dict[str, Any] = dict(_stack.STACK_DEFAULTS)
    for role in ROLES:
        specs |= _read(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
        defaults |= _read(f"roles/{role}/defaults/main.yml") or {}
    return Known(specs, defaults)


def unknown(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return problems and warnings about variables that are none of this collection's but look as if they were meant to be."""
    ours = known().names
    problems = []
    for name in names:
        # A name that is almost one of ours is a slip as well, when the slip is in its prefix.
        if name in ours or name in INTERNAL:
            continue
        if _OURS.match(name) or difflib.get_close_matches(name, ours, n=1, cutoff=0.9):
            close = difflib.get_close_matches(name, ours, n=1)
            hint = f"did you mean {close[0]}?" if close else "`ansible-doc -t role -l observability.stack` lists the roles"
            problems.append(f"{name} is not a variable of this collection; {hint}")
    return problems, []


def check(given: Mapping[str, Any]) -> tuple[_stack.Stack, list[str]]:
    """Return the model of an inventory, and warnings.

    `given` maps variables of this collection to values. Raises InventoryError with all problems at once.
    """
    values = {name: known().defaults.get(name) for name in known().names} | dict(given)
    problems = _typed(values)
    try:
        model = _stack.parse(values, _read("versions.yml"))
    except _stack.InventoryError as error:
        problems += error.problems
        found = error.model
    else:
        found = model
    if found is not None:
        for rule in RULES:
            problems += rule(values, found)
    if problems or found is None:
        raise _stack.InventoryError(problems)
    return found, []


def _typed(values: dict[str, Any]) -> list[str]:
    """Return the problems of the roles' variables against their argument specifications.

    Converted values are put back; one of a wrong type is replaced by its default, so that the checks that follow can go on.
    """
    problems = []
    for name, spec in known().specs.items():
        if name in INTERNAL or values.get(name) is None:
            continue
        result = ArgumentSpecValidator({name: spec}).validate({name: values[name]})
        if result.error_messages:
            problems.append(f"{name} is {values[name]!r}; {' and '.join(result.error_messages)}")
            values[name] = known().defaults.get(name)
        else:
            values[name] = result.validated_parameters[name]
    return problems
