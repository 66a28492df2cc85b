"""The checks, by kind: the kinds are those that the connections name."""

from __future__ import annotations

from collections.abc import Callable

from ..item import Item
from ..outcome import Evidence
from ..session import Session
from .balance import balance
from .logs import log_files, log_lines
from .node_metrics import node_metrics
from .otlp import otlp_accepted, otlp_logs, otlp_metrics
from .public_hosts import public_host
from .queries import data_source
from .remote_write import remote_write
from .scrape import scrape

Check = Callable[[Session, Item], Evidence]

CHECKS: dict[str, Check] = {
    "public_host": public_host,
    "scrape": scrape,
    "log_files": log_files,
    "log_lines": log_lines,
    "otlp_accepted": otlp_accepted,
    "otlp_metrics": otlp_metrics,
    "otlp_logs": otlp_logs,
    "node_metrics": node_metrics,
    "remote_write": remote_write,
    "data_source": data_source,
    "balance": balance,
}
