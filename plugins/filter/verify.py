"""What the role `verify` shows, as filters. Their documentation is beside this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.verify import picture
from ansible_collections.observability.stack.plugins.plugin_utils.native import as_filter


def verify_graph(rows: Sequence[Mapping[str, Any]], model: Mapping[str, Any], layout: str = "wide") -> str:
    """See verify_graph.yml."""
    return picture.verify_graph(Stack.from_dict(model), rows, layout)


class FilterModule:
    """Offer the filters of the verification."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"verify_graph": as_filter("verify_graph", verify_graph)}
