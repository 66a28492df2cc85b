"""Loki: the limits that fit what is sent, and the labels that it makes of it."""

from __future__ import annotations

from ansible_collections.observability.stack.plugins.module_utils.stack.components import alloy, loki, otel_collector
from ansible_collections.observability.stack.plugins.module_utils.stack.units import seconds

from tests.inventories import stack

DEFAULT = stack()


def test_the_longest_line_fits_into_a_request_and_into_loki() -> None:
    logs, limits = alloy.settings(DEFAULT)["logs"], loki.limits(DEFAULT)
    longest = logs["line"] + alloy._CRI_PART
    assert longest <= 1024 * int(limits["max_line_size"].removesuffix("KB"))
    # A line that is larger than a request would take the others of its request with it.
    assert 2 * longest <= logs["largest_batch"]
    assert logs["smallest_batch"] <= logs["largest_batch"]
    assert limits["max_line_size_truncate"] is True


def test_loki_makes_labels_of_what_alloy_sends_and_keeps_those_of_the_collector() -> None:
    (resource,) = loki.limits(DEFAULT)["otlp_config"].values()
    assert "ignore_defaults" not in resource
    (labels,) = resource["attributes_config"]
    assert labels["action"] == "index_label"
    assert {*labels["attributes"], "service.name"} == set(alloy.settings(DEFAULT)["logs"]["labels"])
    # What the collector adds to a resource has other names.
    processors = otel_collector.processors(DEFAULT)
    assert not set(labels["attributes"]) & set(processors["k8s_attributes"]["extract"]["metadata"])
    assert not set(labels["attributes"]) & {item["key"] for item in processors["resource"]["attributes"]}


def test_a_line_that_was_queued_for_an_outage_is_taken() -> None:
    model = stack(observability_outage_horizon="7d", prometheus_out_of_order_window="8d", otel_collector_storage_size="10Ti")
    # Half of it, counted from the newest line of a stream.
    assert seconds(loki.ingester(model)["max_chunk_age"]) / 2 > model.outage_horizon
    assert seconds(loki.limits(model)["reject_old_samples_max_age"]) > model.outage_horizon


def test_members_meet_at_the_headless_service() -> None:
    assert loki.settings(DEFAULT)["memberlist"] == "dns+loki-headless.observability.svc.cluster.local:7946"


def test_an_advertised_address_is_put_in_by_kubernetes() -> None:
    arguments = loki.settings(DEFAULT)["advertise_arguments"]
    assert "-memberlist.advertise-addr=$(POD_IP)" in arguments
    assert all(argument.endswith("=$(POD_IP)") for argument in arguments)
    assert len(set(arguments)) == len(arguments)
