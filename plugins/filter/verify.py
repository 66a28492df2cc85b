"""What the role `verify` needs before and after its module, as filters. Their documentation is beside this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.observability.stack.plugins.plugin_utils import _picture, _proof
from ansible_collections.observability.stack.plugins.plugin_utils._plain import plain
from ansible_collections.observability.stack.plugins.plugin_utils._stack import Stack


def _named(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except (ValueError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"{name}: {error}") from error


def verify_plan(model: Any) -> Any:
    """See verify_plan.yml."""
    return _named("verify_plan", lambda: _proof.verify_plan(Stack.from_dict(plain(model))))


def verify_table(rows: Any, versions: Any = None) -> Any:
    """See verify_table.yml."""
    return _named("verify_table", _proof.verify_table, plain(rows), plain(versions))


def verify_graph(rows: Any, model: Any, layout: str = "wide") -> Any:
    """See verify_graph.yml."""
    return _named("verify_graph", lambda: _picture.verify_graph(Stack.from_dict(plain(model)), plain(rows), layout))


class FilterModule:
    """Offer the filters of `verify`."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"verify_plan": verify_plan, "verify_table": verify_table, "verify_graph": verify_graph}
