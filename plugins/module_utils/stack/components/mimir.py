"""Mimir: limits that take what the Prometheus pair sends, and the HA tracker that keeps one copy of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .. import high_availability, object_storage, retention, sizing
from ..addressing import memberlist_address
from ..kubernetes import pod_ip_arguments
from ..model import Stack
from ..own import Configuration, Own

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

OWN = Own(
    env=object_storage.ENVIRONMENT,
    volumes=(object_storage.VOLUME,),
    args=(
        "config.*", "target", "modules", "auth.multitenancy-enabled", "server.*-listen-*", "server.path-prefix", "memberlist.*",
        "distributor.ha-tracker.*", "ingest-storage.*", "*.ring.*", "*.instance-*", "blocks-storage.*.dir", "blocks-storage.backend",
    ),
    mounts=("/etc/mimir", "/data", "/tmp", object_storage.MOUNT),  # noqa: S108 (a path of the pod)
)  # fmt: skip
CONFIGURATION = Configuration(
    free=(
        "usage_stats", "server.grpc_server_max_recv_msg_size", "server.grpc_server_max_send_msg_size",
        "ingester.ring.min_ready_duration",
        "limits.max_label_names_per_series", "limits.max_global_exemplars_per_user", "limits.max_global_series_per_user",
    ),
    at_least=("limits.ingestion_rate", "limits.ingestion_burst_size"),
    also=(
        "api.prometheus_http_prefix", "blocks_storage.backend", "server.http_path_prefix", "server.http_listen_address",
        "server.grpc_listen_address", "server.http_tls_config", "server.grpc_tls_config",
        "no_auth_tenant", "ruler_storage.backend", "alertmanager_storage.backend",
    ),
    instead={
        "common.storage": "observability_object_storage",
        "blocks_storage.backend": "observability_object_storage",
        "ingester.ring.replication_factor": "mimir_replicas",
        "store_gateway.sharding_ring.replication_factor": "mimir_replicas",
        "multitenancy_enabled": "observability_tenant",
        "no_auth_tenant": "observability_tenant",
        "limits.compactor_blocks_retention_period": "mimir_retention",
        "limits.out_of_order_time_window": "prometheus_out_of_order_window",
        "limits.ha_tracker_update_timeout": "prometheus_scrape_interval",
        "limits.ha_tracker_update_timeout_jitter_max": "prometheus_scrape_interval",
        "limits.ha_tracker_failover_timeout": "prometheus_scrape_interval",
        "limits.ingestion_rate": "observability_samples_per_second",
        "limits.ingestion_burst_size": "observability_samples_per_second",
    },
    sections=(
        "api", "server", "distributor", "querier", "ingester_client", "ingester", "limits", "frontend_worker", "frontend", "ingest_storage",
        "block_builder", "block_builder_scheduler", "blocks_storage", "compactor", "compactor_scheduler", "store_gateway",
        "tenant_federation", "activity_tracker", "vault", "ruler", "ruler_storage", "alertmanager", "alertmanager_storage",
        "runtime_config", "memberlist", "query_scheduler", "usage_stats", "usage_tracker", "overrides_exporter", "common",
    ),
    others=(
        "target", "multitenancy_enabled", "no_auth_tenant", "shutdown_delay", "max_separate_metrics_groups_per_user",
        "enable_go_runtime_metrics", "include_tenant_id_in_profile_labels", "timeseries_unmarshal_caching_optimization_enabled",
        "cost_attribution_eviction_interval", "cost_attribution_registry_path", "cost_attribution_cleanup_interval",
    ),
)  # fmt: skip
# Mimir's ingesters keep 13 h of blocks that are stored already, and what was compacted stays for another 12 h and is compacted in a
# directory of its own (configuration reference 3.x: `blocks_storage.tsdb.retention_period`, `compactor.deletion_delay`): two days in all.
_EXTRA_SECONDS = 2 * 86400
KEPT_BASIS = retention.SAMPLE_BASIS


def settings(stack: Stack) -> dict[str, Any]:
    """Return `memberlist` (the address of the members), `ring`, `storage`, `prefixes`, `limits`, and `advertise_arguments`.

    `storage` is the backend of all of Mimir's stores, `prefixes` are those of their objects in its bucket: none on a volume, where each has
    a directory.
    """
    shares = stack.shares("mimir")
    backend = object_storage.backend(stack, "mimir") if shares else {"filesystem": {"dir": "/data/common"}}
    return {
        "memberlist": memberlist_address(stack, "mimir"),
        "ring": high_availability.ring(stack, "mimir"),
        "storage": {"backend": next(iter(backend)), **backend},
        "prefixes": {name: name if shares else "" for name in ("blocks", "ruler", "alertmanager")},
        "limits": limits(stack),
        "advertise_arguments": pod_ip_arguments(_ADVERTISED),
    }


def limits(stack: Stack) -> dict[str, Any]:
    """Return Mimir's `limits`: the HA tracker of the pair, and limits computed from the sizing, because the defaults lose data silently.

    Series in memory: as many as one scrape interval has samples. A limit is never below Mimir's own default (configuration reference
    3.x): a sample beyond it is rejected for good.
    """
    timeouts = high_availability.timeouts(stack)
    # Each replica gets its part of the rate, but a sender stays with one of them for as long as its connection lasts.
    rate = sizing.sample_rate(stack) * stack.replicas["mimir"]
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


def kept_bytes(stack: Stack, seconds: int) -> float:
    """Return what Mimir holds after `seconds` at the rate of the sizing; the samples of the pair once, as it keeps one copy.

    With object storage, `seconds` being 0, it is what a replica has on its volume: with as many replicas as copies, everything.
    """
    per_second = retention.BYTES_PER_SAMPLE * (seconds + _EXTRA_SECONDS) + retention.LOGGED_BYTES_PER_SAMPLE * retention.LOGGED_SECONDS
    return stack.samples_per_second * per_second


def problems(values: Mapping[str, Any], stack: Stack) -> Iterator[str]:
    """Return a sentence for a retention that deletes samples that may still arrive."""
    yield from retention.after_late_samples("mimir_retention", values, stack)
