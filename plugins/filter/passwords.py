"""A filter over a password. Its documentation is beside this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.stack import passwords
from ansible_collections.observability.stack.plugins.plugin_utils.native import as_filter


class FilterModule:
    """Offer the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        functions = (passwords.basic_auth,)
        return {function.__name__: as_filter(function.__name__, function) for function in functions}
