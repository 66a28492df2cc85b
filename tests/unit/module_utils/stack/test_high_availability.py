"""What the Prometheus pair, its senders and Mimir agree on."""

from __future__ import annotations

import dataclasses

from ansible_collections.observability.stack.plugins.module_utils.stack import connections, high_availability
from ansible_collections.observability.stack.plugins.module_utils.stack.components import mimir, prometheus
from ansible_collections.observability.stack.plugins.module_utils.stack.units import seconds
from hypothesis import given
from hypothesis import strategies as st

from tests.inventories import stack
from tests.relabelling import written

DEFAULT = stack()


@given(st.integers(5, 3600))
def test_the_death_of_the_elected_replica_costs_at_most_one_scrape(interval: int) -> None:
    model = dataclasses.replace(DEFAULT, scrape_interval=interval)
    timeouts = high_availability.timeouts(model)
    assert timeouts.failover >= timeouts.update + timeouts.jitter + 1000, "Mimir does not start"
    delivery = 1000 * seconds(prometheus.remote_write(model)[0]["queue_config"]["batch_send_deadline"])
    assert timeouts.failover + delivery < 1000 * interval
    # A running replica delivers at least one heartbeat before the failover.
    assert timeouts.heartbeat + delivery <= timeouts.failover
    assert timeouts.heartbeat <= timeouts.update


def test_the_heartbeat_is_a_scraped_series_in_every_interval() -> None:
    (group,) = prometheus.heartbeat_rules(DEFAULT)["groups"]
    assert group["interval"] == f"{high_availability.timeouts(DEFAULT).heartbeat}ms"
    assert list(written(DEFAULT, {"__name__": group["rules"][0]["record"]})) == ["mimir-scraped"]


def test_mimir_looks_at_the_labels_that_prometheus_sets() -> None:
    limits = mimir.limits(DEFAULT)
    assert {limits["ha_cluster_label"], limits["ha_replica_label"]} <= set(high_availability.external_labels(DEFAULT))


def test_external_labels_of_the_inventory_are_taken_literally() -> None:
    labels = high_availability.external_labels(stack(prometheus_external_labels={"team": "a", "price": "5$ or ${HOME}"}))
    # Prometheus replaces ${…} by the environment; two dollars stand for one.
    assert labels["price"] == "5$$ or $${HOME}"
    assert labels["team"] == "a"
    assert labels["cluster"] == "test"


def test_the_labels_that_are_set_here_are_reserved() -> None:
    assert {*high_availability.external_labels(DEFAULT), high_availability.COLLECTOR_LABEL} == set(high_availability.RESERVED_LABELS)


def test_senders_are_those_that_push_to_every_replica_each_with_a_value_of_its_own() -> None:
    assert high_availability.senders() == {"alloy": "alloy", "otel_collector": "otel"}
    assert len(set(high_availability.senders().values())) == len(high_availability.senders())
    for row in connections.CONNECTIONS:
        if row.source in high_availability.senders() and row.target == "prometheus" and row.purpose == "push":
            assert row.to == "replica"


def test_the_names_of_the_queues_are_those_that_prometheus_has() -> None:
    for dedup in ("idempotent", "ha_tracker"):
        model = stack(prometheus_pushed_dedup=dedup)
        names = high_availability.queues(model)
        assert [*names["scraped"], *names["pushed"]] == [queue["name"] for queue in prometheus.remote_write(model)]
