"""Plain data out of Ansible's containers, and pure functions as filters."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.vars import transform_to_native_types
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack


def native(value: Any) -> Any:
    """Return a value of Ansible (lazy and tagged containers, 2.19) as plain dicts, lists and scalars. Vaulted strings are decrypted."""
    return transform_to_native_types(value, redact=False)


def as_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that hands plain data to a pure function, and raises what that finds wrong as an error of Ansible's."""

    @functools.wraps(function)
    def filtered(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*native(list(arguments)), **native(options))
        except (ValueError, KeyError, TypeError) as error:
            raise AnsibleFilterError(f"{name}: {error}") from error

    return filtered


def with_stack(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes the model as the dict in which it travels, for one that takes a `Stack`."""

    @functools.wraps(function)
    def called(model: Any, *arguments: Any, **options: Any) -> Any:
        return function(Stack.from_dict(model), *arguments, **options)

    return called
