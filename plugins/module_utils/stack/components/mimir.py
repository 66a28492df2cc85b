"""Mimir: limits that take what the Prometheus pair sends, and the HA tracker that keeps one copy of it."""

from __future__ import annotations

from typing import Any

from .. import high_availability, sizing
from ..addressing import memberlist_address
from ..kubernetes import pod_ip_arguments
from ..model import Stack

# One flag for each ring of Mimir, for memberlist and for the query frontend; see `pod_ip_arguments`.
_ADVERTISED = (
    "memberlist.advertise-addr",
    *(
        f"{ring}.instance-addr"
        for ring in (
            "alertmanager.sharding-ring", "compactor.ring", "distributor.ring", "ingester.ring", "overrides-exporter.ring",
            "querier.ring", "query-frontend", "query-scheduler.ring", "ruler.ring", "store-gateway.sharding-ring",
        )
    ),
)  # fmt: skip


def settings(stack: Stack) -> dict[str, Any]:
    """Return `memberlist` (the address of the members), `limits`, and `advertise_arguments`."""
    return {
        "memberlist": memberlist_address(stack, "mimir"),
        "limits": limits(stack),
        "advertise_arguments": pod_ip_arguments(_ADVERTISED),
    }


def limits(stack: Stack) -> dict[str, Any]:
    """Return Mimir's `limits`: the HA tracker of the pair, and what the sizing asks for instead of defaults that lose data silently.

    Series in memory: as many as one scrape interval has samples. A limit is never below Mimir's own default (configuration reference
    3.x): a sample beyond it is rejected for good.
    """
    timeouts = high_availability.timeouts(stack)
    rate = sizing.sample_rate(stack)
    return {
        "accept_ha_samples": True,
        "ha_cluster_label": high_availability.GROUP_LABEL,
        "ha_replica_label": high_availability.REPLICA_LABEL,
        "ha_tracker_update_timeout": f"{timeouts.update}ms",
        "ha_tracker_update_timeout_jitter_max": f"{timeouts.jitter}ms",
        "ha_tracker_failover_timeout": f"{timeouts.failover}ms",
        "ingestion_rate": max(rate, 10_000),
        "ingestion_burst_size": max(rate * 10, 200_000),
        "max_global_series_per_user": max(stack.samples_per_second * stack.scrape_interval * sizing.HEADROOM, 150_000),
        "max_global_exemplars_per_user": 100000,
        "native_histograms_ingestion_enabled": True,
        "out_of_order_time_window": f"{stack.out_of_order_window}s",
        "max_label_names_per_series": 60,
    }
