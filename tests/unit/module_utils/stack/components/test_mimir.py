"""Mimir: what it takes, and the addresses of its members."""

from __future__ import annotations

from ansible_collections.observability.stack.plugins.module_utils.stack.components import mimir

from tests.inventories import stack

DEFAULT = stack()


def test_late_samples_are_taken_for_as_long_as_the_inventory_says() -> None:
    model = stack(prometheus_out_of_order_window="3h")
    assert mimir.limits(model)["out_of_order_time_window"] == f"{model.out_of_order_window}s" == "10800s"


def test_no_limit_is_below_mimirs_own_default() -> None:
    limits = mimir.limits(stack(observability_samples_per_second=1))
    assert limits["ingestion_rate"] >= 10_000
    assert limits["ingestion_burst_size"] >= 200_000
    assert limits["max_global_series_per_user"] >= 150_000


def test_members_meet_at_the_headless_service() -> None:
    assert mimir.settings(DEFAULT)["memberlist"] == "dns+mimir-headless.observability.svc.cluster.local:7946"


def test_an_advertised_address_is_put_in_by_kubernetes() -> None:
    arguments = mimir.settings(DEFAULT)["advertise_arguments"]
    assert "-memberlist.advertise-addr=$(POD_IP)" in arguments
    assert all(argument.endswith("=$(POD_IP)") for argument in arguments)
    assert len(set(arguments)) == len(arguments)
