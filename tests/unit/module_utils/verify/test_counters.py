"""The counters of a stack, noted while data flows."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.observability.stack.plugins.module_utils.stack.connections import CONNECTIONS
from ansible_collections.observability.stack.plugins.module_utils.verify.counters import COUNTED, Counters, Page, rise

SENT, RECEIVED = "prometheus_remote_storage_samples_total", "cortex_distributor_non_ha_samples_received_total"


def test_a_sender_is_noted_before_what_it_sends_to() -> None:
    rows = [row for row in CONNECTIONS if row.purpose == "push" and {row.source, row.target} <= set(COUNTED)]
    assert {("prometheus", "mimir"), ("alloy", "loki"), ("otel_collector", "prometheus")} <= {(row.source, row.target) for row in rows}
    assert [row.name for row in rows if COUNTED.index(row.source) > COUNTED.index(row.target)] == []


def test_a_backlog_that_is_delivered_while_counters_are_read_never_looks_as_if_it_came_from_elsewhere() -> None:
    delivered = 0

    def read(component: str, _pod: str) -> str:
        nonlocal delivered
        delivered += 4000
        return f"{ {'prometheus': SENT, 'mimir': RECEIVED}.get(component, 'other') } {delivered}\n"

    def at_once(look: Callable[..., Page]) -> Page:
        return look()

    counters = Counters(read, lambda component: [f"{component}-0"], at_once)
    for component in COUNTED:
        counters.note(component)
    received = rise(counters.risen("mimir", counters.now("mimir")), RECEIVED)
    assert 0 < received <= rise(counters.risen("prometheus", counters.now("prometheus")), SENT)
