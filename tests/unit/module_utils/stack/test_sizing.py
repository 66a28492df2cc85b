"""Queues, batches and limits fit each other for every sizing."""

from __future__ import annotations

import dataclasses
import re

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import sizing
from ansible_collections.observability.stack.plugins.module_utils.stack.components import alloy, loki, mimir
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from hypothesis import given
from hypothesis import strategies as st

from tests.inventories import component_settings, stack

DEFAULT = stack()
rates = st.integers(1, 10**9)
horizons = st.integers(60, 7 * 24 * 3600)


def sized(rate: int, horizon: int = 600) -> Stack:
    return dataclasses.replace(DEFAULT, log_bytes_per_second=rate, outage_horizon=horizon)


def megabytes(limit: str) -> float:
    match = re.fullmatch(r"(\d+)MB", limit)
    assert match
    return float(match[1])


def test_queues_grow_with_the_horizon_and_the_rate() -> None:
    longer = dataclasses.replace(DEFAULT, outage_horizon=2 * DEFAULT.outage_horizon)
    busier = dataclasses.replace(DEFAULT, samples_per_second=2 * DEFAULT.samples_per_second)
    for size in (sizing.queued_samples, sizing.queued_log_bytes, sizing.collector_disk):
        assert 0 < size(DEFAULT) < size(longer)
    assert sizing.queued_samples(busier) == 2 * sizing.queued_samples(DEFAULT)
    assert sizing.collector_disk(busier) > sizing.collector_disk(DEFAULT)


@given(rates, horizons)
def test_the_queue_of_one_node_holds_what_the_cluster_writes_during_an_outage(rate: int, horizon: int) -> None:
    queue, disk = sizing.node_log_queue(sized(rate, horizon)), sizing.node_disk(sized(rate, horizon))
    # With room for the frames and labels of each line, which are half of a short one.
    assert queue >= 2 * rate * horizon
    # However small the sizing: a burst of 20 MB/s for half a minute.
    assert queue >= 20 * 10**6 * 30
    assert disk > queue * 1.25


@pytest.mark.parametrize("rate", [1, 10**9])
def test_a_queue_of_ones_own_size_is_taken_as_it_is(rate: int) -> None:
    assert sizing.node_log_queue(stack(observability_log_bytes_per_second=rate, alloy_log_queue_size="64Mi")) == 2**26


@given(rates, horizons)
def test_every_request_fits_through_lokis_limits(rate: int, horizon: int) -> None:
    model = sized(rate, horizon)
    limits, logs = loki.limits(model), alloy.settings(model)["logs"]
    exporter = component_settings(model, "otel_collector")["exporters"]["otlp_http/loki"]
    largest = max(logs["largest_batch"], exporter["sending_queue"]["batch"]["max_size"])
    assert limits["ingestion_burst_size_mb"] * 2**20 >= 2 * largest
    # One stream may be all there is, and its own limit must never be the one that is reached: what it rejects may be lost.
    for name, of_all in (("per_stream_rate_limit", "ingestion_rate_mb"), ("per_stream_rate_limit_burst", "ingestion_burst_size_mb")):
        assert megabytes(limits[name]) >= 10 * limits[of_all]
    # What is queued has to come down again while as much is written.
    assert limits["ingestion_rate_mb"] * 2**20 >= 2 * rate
    assert limits["ingestion_rate_mb"] >= 4, "less than Loki's own default"


def test_mimir_takes_what_both_replicas_write() -> None:
    # Both replicas write every pushed sample.
    assert mimir.limits(DEFAULT)["ingestion_rate"] >= DEFAULT.samples_per_second * DEFAULT.replicas["prometheus"]
    assert sizing.sample_rate(DEFAULT) >= DEFAULT.samples_per_second * DEFAULT.replicas["prometheus"]


@pytest.mark.parametrize(("rate", "shared_out"), [(262144, False), (20 * 10**6, False), (20 * 10**6 + 1, True)])
def test_streams_are_shared_out_only_where_one_cannot_carry_the_rate(rate: int, shared_out: bool) -> None:
    assert loki.limits(sized(rate))["shard_streams"] == {"enabled": shared_out}
