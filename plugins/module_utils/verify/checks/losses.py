"""What the counters of a connection show without anything being sent: losses, full queues, stores that delete nothing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ..counters import Page
from ..item import Item
from ..maintenance import TASKS
from ..outcome import Evidence, NotYet, all_of
from ..session import Session

# Metrics of a queue: its size, and what it can hold.
_SIZE, _CAPACITY = "otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity"
# From here on a queue counts as one that is not emptied.
FULL_FROM = 0.5


def queues_and_losses(session: Session, item: Item) -> Evidence:
    """Check that no counter of lost data of a connection rises, that no queue is half full, and that its store deletes what is old."""
    queued = [component for component, names in item.queue.items() if _SIZE in names]
    notes = all_of(
        *item.losses(session),
        *(partial(session.until, partial(emptied, session, component)) for component in queued),
        *(partial(session.counters.nothing_neglected, store) for store in item.lost if store in TASKS),
    )
    return read_only(item.lost, notes)


def read_only(read: Mapping[str, tuple[str, ...]], notes: tuple[str, ...]) -> Evidence:
    """Return the evidence of a check that has read the counters of some components and sent nothing."""
    return Evidence("nothing", f"counters of {' and '.join(read)}", None, notes)


def emptied(session: Session, component: str) -> str:
    """Return a note on how full the queues of a component are. Raises NotYet for one that is half full."""
    fullest = fill(session.counters.now(component))
    if fullest > FULL_FROM:
        raise NotYet(
            f"a queue of {component} is {fullest:.0%} full ({_SIZE} and _capacity): is the target slow, or does it answer with errors?"
        )
    return f"queues of {component} at most {fullest:.0%} full"


def fill(page: Page) -> float:
    """Return how full the fullest of the queues on a component's pages is, 1 for one that can hold no more."""
    return max(
        (size / max(page.get((pod, _CAPACITY, labels), 1.0), 1.0) for (pod, name, labels), size in page.items() if name == _SIZE),
        default=0.0,
    )
