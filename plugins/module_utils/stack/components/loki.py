"""Loki: limits that delay a burst and never drop it, and an ingester that takes late lines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from .. import high_availability, object_storage, retention, sizing
from ..addressing import memberlist_address
from ..catalogue import port
from ..kubernetes import pod_ip_arguments
from ..labels import LOG_LABELS
from ..messages import wrong
from ..model import Stack
from ..own import Configuration, Own

# The second one is that of `common.ring`, from which every ring takes it; see `pod_ip_arguments`.
_ADVERTISED = ("memberlist.advertise-addr", "common.storage.ring.instance-addr", "frontend.instance-addr")

OWN = Own(
    env=object_storage.ENVIRONMENT,
    volumes=(object_storage.VOLUME,),
    args=(
        "config.*", "target", "auth.enabled", "server.*-listen-*", "server.path-prefix", "memberlist.*", "*.ring.*", "*.instance-*",
        "verify-config",
    ),
    mounts=("/etc/loki", "/loki", "/tmp", object_storage.MOUNT),  # noqa: S108 (a path of the pod)
)  # fmt: skip
CONFIGURATION = Configuration(
    free=(
        "analytics", "pattern_ingester", "server.grpc_server_max_recv_msg_size", "server.grpc_server_max_send_msg_size",
        "ingester.lifecycler.min_ready_duration", "ingester.wal.replay_memory_ceiling", "limits_config.max_global_streams_per_user",
        "limits_config.max_label_names_per_series", "limits_config.max_line_size_truncate",
    ),
    at_least=("limits_config.ingestion_rate_mb", "limits_config.ingestion_burst_size_mb"),
    also=(
        "http_prefix", "server.http_path_prefix", "server.http_listen_address", "server.grpc_listen_address", "server.http_tls_config",
        "server.grpc_tls_config", "target", "ingester.chunk_encoding", "storage_config.object_store", "storage_config.use_thanos_objstore",
        "compactor.horizontal_scaling_mode",
    ),
    instead={
        "common.storage": "observability_object_storage",
        "common.replication_factor": "loki_replicas",
        "storage_config": "observability_object_storage",
        "auth_enabled": "observability_tenant",
        "limits_config.retention_period": "loki_retention",
        "limits_config.reject_old_samples_max_age": "observability_outage_horizon",
        "limits_config.ingestion_rate_mb": "observability_log_bytes_per_second",
        "limits_config.ingestion_burst_size_mb": "observability_log_bytes_per_second",
        "ingester.max_chunk_age": "observability_outage_horizon",
    },
    sections=(
        "server", "internal_server", "ui", "distributor", "querier", "query_engine", "query_scheduler", "frontend", "query_range", "ruler",
        "ruler_storage", "ingester_client", "ingester", "pattern_ingester", "index_gateway", "bloom_build", "bloom_gateway",
        "storage_config", "chunk_store_config", "schema_config", "compactor", "compactor_client", "compactor_grpc_client", "limits_config",
        "frontend_worker", "table_manager", "memberlist", "kafka_config", "dataobj", "ingest_limits", "ingest_limits_frontend",
        "ingest_limits_frontend_client", "runtime_config", "operational_config", "tracing", "analytics", "profiling", "common",
    ),
    others=(
        "target", "auth_enabled", "http_prefix", "ballast_bytes", "tenant_limits_allow_publish", "legacy_read_target", "shutdown_delay",
        "metrics_namespace",
    ),
)  # fmt: skip
# Loki cuts blocks of 256 KiB and compresses each with gzip, its default. Measured in that way: package and build logs 11 to 15, JSON lines
# with random trace ids 4.4. Its compactor deletes by the day.
COMPRESSION = 7.0
_EXTRA_SECONDS = 86400
KEPT_BASIS = f"observability_log_bytes_per_second, compressed to a {COMPRESSION:g}th"

# How far the limit of one stream is above that of all. The limit of all rejects a whole request, which is sent again. That of a stream
# rejects lines, and of several streams in a request Loki answers for the last one only (3.7.8, `instance.Push` of the ingester): the lines
# of the others are lost, and the answer is a success. So it must never be the one that is reached.
_PER_STREAM = 10


def settings(stack: Stack) -> dict[str, Any]:
    """Return `memberlist` (the address of the members), `ring`, `ingester`, `limits`, `queries`, `advertise_arguments`, and `storage`."""
    return {
        "memberlist": memberlist_address(stack, "loki"),
        "ring": high_availability.ring(stack, "loki"),
        **storage(stack),
        "ingester": ingester(stack),
        "limits": limits(stack),
        "queries": queries(stack),
        "advertise_arguments": pod_ip_arguments(_ADVERTISED),
    }


def storage(stack: Stack) -> dict[str, Any]:
    """Return `object_store` (that of the schema), and the sections `common_storage`, `storage`, `ruler_storage` and `compactor`.

    One compactor works at a time, with several replicas the one that they elect in a ring: its modes `main` and `worker` (3.7,
    experimental) would need a workload each, and the work would stop with the pod that is `main`. Its list of what to delete is in the
    object storage then, so that the next one goes on with it.
    """
    compactor = {"retention_enabled": True}
    if not stack.shares("loki"):
        directories = {"chunks_directory": "/loki/chunks", "rules_directory": "/loki/rules"}
        return {
            "object_store": "filesystem",
            "common_storage": {"filesystem": directories},
            "storage": {},
            "ruler_storage": {},
            "compactor": {**compactor, "delete_request_store": "filesystem"},
        }
    backend = object_storage.backend(stack, "loki")
    name = next(iter(backend))
    return {
        "object_store": name,
        "common_storage": {},
        "storage": {"use_thanos_objstore": True, "object_store": {**backend, "storage_prefix": "chunks"}},
        "ruler_storage": {"backend": name, **backend, "storage_prefix": "ruler"},
        "compactor": {**compactor, "delete_request_store": name, "deletion_marker_object_store_prefix": "deletion_markers/"},
    }


def queries(stack: Stack) -> dict[str, Any]:
    """Return where query frontend and querier of a replica find a scheduler: with several replicas in the same process.

    By default all of them share their schedulers through a ring. Measured with 3.7.8: one that is ordered to end waits for its queue, and
    while it does, queries to the others wait as well.
    """
    if stack.replicas["loki"] == 1:
        return {}
    return {"scheduler_address": f"localhost:{port('loki', 'grpc')}"}


def ingester(stack: Stack) -> dict[str, Any]:
    """Return Loki's `ingester`: its write-ahead log, and chunks open long enough for late lines.

    A line is rejected once it is half of `max_chunk_age` behind the newest one of its stream (Loki documentation 3.7, "Accept
    out-of-order writes").
    """
    return {
        "max_chunk_age": f"{max(2 * 3600, 4 * stack.outage_horizon)}s",
        # 1 GiB: replay flushes to the store beyond it, and stays within the memory limit. With several replicas the log is replayed after a
        # restart instead: the store may be unavailable, and the others answer meanwhile.
        "wal": {"flush_on_shutdown": stack.replicas["loki"] == 1, "replay_memory_ceiling": 2**30},
        "lifecycler": {"min_ready_duration": high_availability.ring(stack, "loki")["min_ready_duration"]},
    }


def limits(stack: Stack) -> dict[str, Any]:
    """Return Loki's `limits_config`: computed from the sizing, because the defaults reject data that a sender has queued.

    A burst is delayed (429, and sent again), never dropped; see `_PER_STREAM`. One stream may carry the whole rate. A burst holds two of
    the largest requests of any sender: one that is larger would be rejected for ever.
    """
    of_one = sizing.log_rate(stack)
    # Each replica gets its part of the rate, but a sender stays with one of them for as long as its connection lasts.
    rate = of_one * stack.replicas["loki"]
    burst = 2 * of_one + 2 * max(sizing.COLLECTOR_LOG_BATCH, sizing.LARGEST_LOG_BATCH) / 2**20
    return {
        "ingestion_rate_mb": rate,
        "ingestion_burst_size_mb": burst,
        "per_stream_rate_limit": f"{math.ceil(rate * _PER_STREAM)}MB",
        "per_stream_rate_limit_burst": f"{math.ceil(burst * stack.replicas['loki'] * _PER_STREAM)}MB",
        # The shards of a stream are streams: a line that is sent again can end in another one, and then both stay.
        "shard_streams": {"enabled": stack.log_bytes_per_second > sizing.ONE_STREAM},
        "otlp_config": {"resource_attributes": {"attributes_config": [{"action": "index_label", "attributes": list(LOG_LABELS)}]}},
        # Longer lines lose their end; by default all of the line is lost.
        "max_line_size": f"{sizing.LINE // 2**10}KB",
        "max_line_size_truncate": True,
        "max_global_streams_per_user": 50000,
        # A week is Loki's default; never less than what may be queued.
        "reject_old_samples_max_age": f"{max(7 * 24 * 3600, 2 * stack.outage_horizon)}s",
        "unordered_writes": True,
        "allow_structured_metadata": True,
        "max_label_names_per_series": 30,
    }


def kept_bytes(stack: Stack, seconds: int) -> float:
    """Return what Loki holds after `seconds` at the rate of the sizing."""
    return stack.log_bytes_per_second * (seconds + _EXTRA_SECONDS) / COMPRESSION


def problems(values: Mapping[str, Any], _stack: Stack) -> Iterator[str]:
    """Return a sentence for a retention below a day: the compactor works by the day (Loki documentation 3.7, "Log retention")."""
    name = "loki_retention"
    if 0 < retention.seconds_of(values[name]) < 86400:
        yield wrong(name, "", values[name], "it should be at least 1d")
