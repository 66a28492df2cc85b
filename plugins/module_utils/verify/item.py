"""What verification has to check: one item per connection that has a check, and per component whose load has to be shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..stack.catalogue import CATALOGUE
from ..stack.connections import CONNECTIONS
from ..stack.model import Stack

if TYPE_CHECKING:
    from .session import Session


@dataclass(frozen=True)
class Item:
    """One row of the report.

    `check` is the kind of its check. `source` and `target` are the ends of the connection. `off` are the components that it needs and that
    are switched off. `lost` maps components to their counters of lost data.
    """

    name: str
    check: str
    source: str
    target: str
    off: tuple[str, ...] = ()
    lost: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def losses(self, session: Session) -> list[Callable[[], str]]:
        """Return a function for each component that counts lost data on this connection, which raises Failed when it has lost some."""

        def of(component: str, names: tuple[str, ...]) -> Callable[[], str]:
            return lambda: session.counters.nothing_lost(component, names)

        return [of(component, names) for component, names in self.lost.items()]


def items(stack: Stack) -> list[Item]:
    """Return everything that has to be checked, in the order of the report: the connections, and then the balanced components."""
    found = [Item(row.name, row.check, row.source, row.target, _off(stack, row.components), row.lost) for row in CONNECTIONS if row.check]
    found += [Item(f"balance-{name}", "balance", "", name, _off(stack, (name,))) for name, row in CATALOGUE.items() if row.balanced]
    return found


def _off(stack: Stack, components: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(component for component in components if not stack.has(component))
