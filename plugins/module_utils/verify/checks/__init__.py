"""The checks, by kind: the kinds are those that the connections name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..item import Item
from ..outcome import Evidence
from ..session import FULL, Session
from .balance import balanced_reads, balanced_requests
from .logs import log_files, log_lines, log_queues
from .losses import queues_and_losses
from .node_metrics import node_metrics
from .otlp import otlp_accepted, otlp_logs, otlp_metrics
from .public_hosts import public_host
from .queries import data_source
from .remote_write import remote_write, remote_write_state
from .replicas import health, members, targets
from .scrape import scrape

Check = Callable[[Session, Item], Evidence]


@dataclass(frozen=True)
class Kind:
    """A kind of check at each depth: `full` may send something, `quick` only reads; none where reading shows nothing."""

    full: Check
    quick: Check | None = None

    def at(self, depth: str) -> Check | None:
        """Return the check at a depth, or None where the kind has none there."""
        return self.full if depth == FULL else self.quick


def _reading(check: Check) -> Kind:
    """Return a kind whose check sends nothing, or as much as the depth of its run allows."""
    return Kind(check, check)


KINDS: dict[str, Kind] = {
    "health": _reading(health),
    "public_host": _reading(public_host),
    "scrape": Kind(scrape),
    "targets": _reading(targets),
    "members": _reading(members),
    "log_files": Kind(log_files, queues_and_losses),
    "log_lines": Kind(log_lines, log_queues),
    "otlp_accepted": Kind(otlp_accepted),
    "otlp_metrics": Kind(otlp_metrics, queues_and_losses),
    "otlp_logs": Kind(otlp_logs, queues_and_losses),
    "node_metrics": _reading(node_metrics),
    "remote_write": Kind(remote_write, remote_write_state),
    "data_source": _reading(data_source),
    "balanced_reads": _reading(balanced_reads),
    "balanced_requests": Kind(balanced_requests),
}
