"""What `<role>_config` may not say: keys that the wiring sets, and sections that the component does not have. Pure Python.

A role computes its component's configuration and lays `<role>_config` over it. Everything that it computes belongs to the wiring, because
another component relies on it, except for what is listed here as free. So a key that a role comes to compute is guarded from then on.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._sentences import nearest, wrong

SWITCH = "observability_allow_overrides"
_NEAR = 0.9


@dataclass(frozen=True)
class Owned:
    """How the configuration of a component is shared between the wiring and the inventory.

    A path is written with dots, and holds for all that is below it.
    `free`: computed, but a matter of taste. `at_least`: computed from the sizing; more is harmless. `also`: not computed, but something
    else relies on its default. `instead`: which variable says it, for the paths that have one; the longest path counts.
    """

    free: tuple[str, ...] = ()
    at_least: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    instead: Mapping[str, str] = field(default_factory=dict)


_SIZING = "observability_samples_per_second"
_LOG_SIZING = "observability_log_bytes_per_second"
_GRAFANA_HOST = "grafana_host or observability_domain"

OWNED: dict[str, Owned] = {
    "prometheus": Owned(
        free=("global.evaluation_interval", "global.scrape_native_histograms"),
        also=("global.external_labels", "storage.tsdb.retention"),
        instead={
            "global.scrape_interval": "prometheus_scrape_interval",
            "global.external_labels": "prometheus_external_labels",
            "storage.tsdb.out_of_order_time_window": "prometheus_out_of_order_window",
            "storage.tsdb.retention": "prometheus_retention",
            "rule_files": "prometheus_rules",
            "scrape_configs": "prometheus_scrape_configs",
            "remote_write": "prometheus_pushed_dedup and mimir_enabled",
        },
    ),
    "mimir": Owned(
        free=(
            "usage_stats", "server.grpc_server_max_recv_msg_size", "server.grpc_server_max_send_msg_size",
            "ingester.ring.min_ready_duration",
            "limits.max_label_names_per_series", "limits.max_global_exemplars_per_user", "limits.max_global_series_per_user",
        ),
        at_least=("limits.ingestion_rate", "limits.ingestion_burst_size"),
        also=(
            "api.prometheus_http_prefix", "blocks_storage.backend", "blocks_storage.storage_prefix", "server.http_path_prefix",
            "server.http_listen_address", "server.grpc_listen_address", "server.http_tls_config", "server.grpc_tls_config",
            "no_auth_tenant",
        ),
        instead={
            "multitenancy_enabled": "observability_tenant",
            "no_auth_tenant": "observability_tenant",
            "limits.compactor_blocks_retention_period": "mimir_retention",
            "limits.out_of_order_time_window": "prometheus_out_of_order_window",
            "limits.ha_tracker_update_timeout": "prometheus_scrape_interval",
            "limits.ha_tracker_update_timeout_jitter_max": "prometheus_scrape_interval",
            "limits.ha_tracker_failover_timeout": "prometheus_scrape_interval",
            "limits.ingestion_rate": _SIZING,
            "limits.ingestion_burst_size": _SIZING,
        },
    ),
    "loki": Owned(
        free=(
            "analytics", "pattern_ingester", "server.grpc_server_max_recv_msg_size", "server.grpc_server_max_send_msg_size",
            "ingester.lifecycler.min_ready_duration", "ingester.wal.replay_memory_ceiling", "limits_config.max_global_streams_per_user",
            "limits_config.max_label_names_per_series", "limits_config.max_line_size_truncate", "limits_config.per_stream_rate_limit",
            "limits_config.per_stream_rate_limit_burst",
        ),
        at_least=("limits_config.ingestion_rate_mb", "limits_config.ingestion_burst_size_mb"),
        also=(
            "http_prefix", "server.http_path_prefix", "server.http_listen_address", "server.grpc_listen_address", "server.http_tls_config",
            "server.grpc_tls_config", "target", "ingester.chunk_encoding",
        ),
        instead={
            "auth_enabled": "observability_tenant",
            "limits_config.retention_period": "loki_retention",
            "limits_config.reject_old_samples_max_age": "observability_outage_horizon",
            "limits_config.ingestion_rate_mb": _LOG_SIZING,
            "limits_config.ingestion_burst_size_mb": _LOG_SIZING,
            "ingester.max_chunk_age": "observability_outage_horizon",
        },
    ),
    "otel_collector": Owned(
        free=(
            "processors.memory_limiter", "receivers.otlp.protocols.grpc.keepalive", "extensions.file_storage.timeout",
            "service.telemetry.metrics.readers",
        ),
        instead={"exporters": f"{_SIZING}, {_LOG_SIZING} and observability_outage_horizon"},
    ),
    "grafana": Owned(
        free=("log", "analytics", "news", "database", "security", "users"),
        also=(
            "server.protocol", "server.http_addr", "server.serve_from_sub_path", "paths.data", "paths.provisioning", "metrics.enabled",
            "metrics.basic_auth_username", "security.admin_user",
        ),
        instead={"server.domain": _GRAFANA_HOST, "server.root_url": _GRAFANA_HOST, "security.admin_user": "grafana_admin_user"},
    ),
}  # fmt: skip

# The sections at the top of each configuration file, and what is there beside them. Prometheus 3.13, OpenTelemetry Collector 0.161:
# configuration reference. Mimir 3.2, Loki 3.7: likewise, experimental and hidden ones included.
SECTIONS: dict[str, tuple[str, ...]] = {
    "prometheus": ("global", "runtime", "alerting", "storage", "tracing", "otlp"),
    "mimir": (
        "api", "server", "distributor", "querier", "ingester_client", "ingester", "limits", "frontend_worker", "frontend", "ingest_storage",
        "block_builder", "block_builder_scheduler", "blocks_storage", "compactor", "compactor_scheduler", "store_gateway",
        "tenant_federation", "activity_tracker", "vault", "ruler", "ruler_storage", "alertmanager", "alertmanager_storage",
        "runtime_config", "memberlist", "query_scheduler", "usage_stats", "usage_tracker", "overrides_exporter", "common",
    ),
    "loki": (
        "server", "internal_server", "ui", "distributor", "querier", "query_engine", "query_scheduler", "frontend", "query_range", "ruler",
        "ruler_storage", "ingester_client", "ingester", "pattern_ingester", "index_gateway", "bloom_build", "bloom_gateway",
        "storage_config", "chunk_store_config", "schema_config", "compactor", "compactor_client", "compactor_grpc_client", "limits_config",
        "frontend_worker", "table_manager", "memberlist", "kafka_config", "dataobj", "ingest_limits", "ingest_limits_frontend",
        "ingest_limits_frontend_client", "runtime_config", "operational_config", "tracing", "analytics", "profiling", "common",
    ),
    "otel_collector": ("receivers", "processors", "exporters", "connectors", "extensions", "service"),
}  # fmt: skip
OTHER_KEYS: dict[str, tuple[str, ...]] = {
    "prometheus": ("rule_files", "scrape_config_files", "scrape_configs", "remote_write", "remote_read"),
    "mimir": (
        "target", "multitenancy_enabled", "no_auth_tenant", "shutdown_delay", "max_separate_metrics_groups_per_user",
        "enable_go_runtime_metrics", "include_tenant_id_in_profile_labels", "timeseries_unmarshal_caching_optimization_enabled",
        "cost_attribution_eviction_interval", "cost_attribution_registry_path", "cost_attribution_cleanup_interval",
    ),
    "loki": (
        "target", "auth_enabled", "http_prefix", "ballast_bytes", "tenant_limits_allow_publish", "legacy_read_target", "shutdown_delay",
        "metrics_namespace",
    ),
    "otel_collector": (),
}  # fmt: skip


def section_problems(role: str, config: Any) -> Iterator[str]:
    """Return a sentence for each key at the top of a `<role>_config` that its component does not have, or that should be a mapping."""
    sections, others = SECTIONS.get(role), OTHER_KEYS.get(role, ())
    if sections is None or not isinstance(config, Mapping):
        return
    for key, value in config.items():
        if key not in sections and key not in others:
            yield wrong(f"{role}_config", str(key), value, f"the configuration has no such section{nearest(key, (*sections, *others))}")
        elif key in sections and not isinstance(value, Mapping):
            yield wrong(f"{role}_config", str(key), value, "it should be a mapping; leave the section out where there is nothing to say")


def slip_problems(role: str, config: Any, known: Mapping[str, Mapping[str, list[str]]]) -> Iterator[str]:
    """Return a sentence for each key of a section in `known` (role -> section -> keys) that is nearly one that exists.

    Others may be newer than the list; only what plainly is a slip is rejected, because the component would not start with it.
    """
    for section, keys in known.get(role, {}).items():
        given = config.get(section) if isinstance(config, Mapping) else None
        for key, value in given.items() if isinstance(given, Mapping) else ():
            close = difflib.get_close_matches(str(key), keys, 1, _NEAR)
            if key not in keys and close:
                yield wrong(f"{role}_config", f"{section}.{key}", value, f"the section has no such key, did you mean {close[0]}?")


def override_problems(role: str, config: Any, computed: Any) -> Iterator[str]:
    """Return a sentence for each place where a `<role>_config` takes the place of something that the wiring computes."""
    if isinstance(config, Mapping) and isinstance(computed, Mapping):
        yield from _walk(f"{role}_config", "", config, computed, OWNED.get(role, Owned()))


def _walk(name: str, above: str, config: Mapping[Any, Any], computed: Mapping[Any, Any], owned: Owned) -> Iterator[str]:
    for key, value in config.items():
        path = f"{above}.{key}" if above else str(key)
        ours = computed.get(key)
        if _below(path, owned.also) and key not in computed:
            yield _sentence(name, path, value, owned)
        elif isinstance(value, Mapping) and (isinstance(ours, Mapping) or key not in computed):
            yield from _walk(name, path, value, ours or {}, owned)
        elif isinstance(ours, Mapping):
            yield wrong(name, path, value, "it should be a mapping; leave it out where there is nothing to say")
        elif key in computed and not _below(path, owned.free) and not _keeps(value, ours, _below(path, owned.at_least)):
            yield _sentence(name, path, value, owned)


def _below(path: str, listed: tuple[str, ...]) -> bool:
    return any(path == other or path.startswith(f"{other}.") for other in listed)


def _keeps(value: Any, ours: Any, at_least: bool) -> bool:
    """Whether a value leaves what is computed in force: the same, a list with all of it in its order, or more where more is harmless."""
    if isinstance(value, list) and isinstance(ours, list):
        rest = iter(value)
        return all(item in rest for item in ours)
    if at_least and isinstance(value, int | float) and isinstance(ours, int | float):
        return value >= ours
    return bool(value == ours) and isinstance(value, bool) == isinstance(ours, bool)


def _sentence(name: str, path: str, value: Any, owned: Owned) -> str:
    found = max((other for other in owned.instead if _below(path, (other,))), key=len, default="")
    instead = f"say it with {owned.instead[found]}" if found else "other components rely on it; leave it out"
    return wrong(name, path, value, f"the wiring sets it: {instead} ({SWITCH}: true lets it pass)")


def merged(computed: Any, config: Any) -> Any:
    """Return what a role makes of the two: mappings are laid over each other, everything else is replaced (`combine(recursive=true)`)."""
    if isinstance(computed, Mapping) and isinstance(config, Mapping):
        return {**computed, **{key: merged(computed.get(key), value) for key, value in config.items()}}
    return config


def reference_problems(config: Any) -> Iterator[str]:
    """Return a sentence for each pipeline of a whole collector configuration that names what the configuration does not have.

    The collector does not start with such a pipeline. `config` is what it would get: computed, with `otel_collector_config` laid over it.
    """
    name = "otel_collector_config"
    if not isinstance(config, Mapping) or not isinstance(config.get("service"), Mapping):
        return
    extensions = config["service"].get("extensions")
    for item in extensions if isinstance(extensions, list) else ():
        if item not in list(config.get("extensions") or ()):
            yield wrong(name, "service.extensions", item, "the configuration has no extension of that name")
    pipelines = config["service"].get("pipelines")
    places = {"receivers": ("receivers", "connectors"), "processors": ("processors",), "exporters": ("exporters", "connectors")}
    for pipeline, parts in pipelines.items() if isinstance(pipelines, Mapping) else ():
        path = f"service.pipelines.{pipeline}"
        if not isinstance(parts, Mapping):
            yield wrong(name, path, parts, "it should be a mapping with receivers, processors and exporters")
            continue
        for kind, listed in parts.items():
            if kind not in places or not isinstance(listed, list):
                yield wrong(
                    name, f"{path}.{kind}", listed, f"a pipeline has lists of receivers, processors and exporters{nearest(kind, places)}"
                )
                continue
            there = [item for place in places[kind] for item in (config.get(place) or ())]
            for item in listed:
                if item not in there:
                    yield wrong(name, f"{path}.{kind}", item, f"the configuration has none of that name{nearest(item, there)}")
