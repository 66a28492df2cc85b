"""What verification has to check: the health of each component, the connections that have a check, and the sharing of the load."""

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
    are switched off. `lost` maps components to their counters of lost data, `queue` to the metrics of their queues.
    """

    name: str
    check: str
    source: str
    target: str
    off: tuple[str, ...] = ()
    lost: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    queue: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def losses(self, session: Session) -> list[Callable[[], str]]:
        """Return a function for each component that counts lost data on this connection, which raises Failed when it has lost some."""

        def of(component: str, names: tuple[str, ...]) -> Callable[[], str]:
            return lambda: session.counters.nothing_lost(component, names)

        return [of(component, names) for component, names in self.lost.items()]


def items(stack: Stack) -> list[Item]:
    """Return everything that has to be checked, in the order of the report: components, connections, balanced components.

    The pods of what the cluster has already are nobody's business here. What is for evaluation only is no part of a stack without it.
    """
    own = {name: row for name, row in CATALOGUE.items() if not row.own_namespace and name not in stack.provided}
    asked = [name for name, row in own.items() if row.ready and (not row.evaluation or stack.has(name))]
    found = [Item(f"health-{name}", "health", "", name, _off(stack, (name,))) for name in asked]
    found += [
        Item(row.name, row.check, row.source, row.target, _off(stack, row.components), row.lost, row.queue)
        for row in CONNECTIONS
        if row.check and not (row.purpose == "scrape" and row.target in stack.provided)
    ]
    found += [Item(f"balance-{name}", row.balanced, "", name, _off(stack, (name,))) for name, row in own.items() if row.balanced]
    return found


def _off(stack: Stack, components: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(component for component in components if not stack.has(component))
