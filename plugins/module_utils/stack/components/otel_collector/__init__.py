"""The OpenTelemetry Collector: OTLP from applications to every Prometheus replica and to Loki, each through a queue on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ... import high_availability, retention, sizing
from ...addressing import replica_urls, tenant_headers, url
from ...high_availability import COLLECTOR_LABEL, EXPORTED_LABEL
from ...kubernetes import go_memory_limit
from ...messages import wrong
from ...model import Stack
from ...own import Configuration, Own
from . import pipelines as whole

# What the collector adds to a resource, from the pod that sent it.
_POD_ATTRIBUTES = (
    "k8s.namespace.name", "k8s.pod.name", "k8s.pod.uid", "k8s.node.name", "k8s.deployment.name", "k8s.statefulset.name",
    "k8s.daemonset.name", "k8s.job.name", "k8s.cronjob.name", "service.name",
)  # fmt: skip

OWN = Own(env=("GOMEMLIMIT",), args=("config", "set"), mounts=("/etc/otel-collector", "/var/lib/otel-collector"))  # fmt: skip
CONFIGURATION = Configuration(
    free=(
        "processors.memory_limiter", "receivers.otlp.protocols.grpc.keepalive", "extensions.file_storage.timeout",
        "service.telemetry.metrics.readers",
    ),
    instead={"exporters": "observability_samples_per_second, observability_log_bytes_per_second and observability_outage_horizon"},
    sections=("receivers", "processors", "exporters", "connectors", "extensions", "service"),
)  # fmt: skip


def settings(stack: Stack, resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return `processors`, `exporters`, `pipelines`, and `go_memory_limit` (bytes) for a container with these `resources`."""
    made, steps = exporters(stack), processors(stack)
    return {
        "processors": steps,
        "exporters": {name: exporter for names in made.values() for name, exporter in names.items()},
        "pipelines": {
            signal: {"receivers": ["otlp"], "processors": list(steps), "exporters": list(names)} for signal, names in made.items()
        },
        "go_memory_limit": go_memory_limit(resources),
    }


def exporters(stack: Stack) -> dict[str, dict[str, Any]]:
    """Return the collector's exporters, by signal and name; a signal without a store has none.

    One exporter and one queue on disk per Prometheus replica, one for Loki. One consumer per queue, as more reorder samples; retries never
    end; batches are made behind the queue, so that nothing is accepted before it is on disk.
    """

    def exporter(endpoint: str, headers: dict[str, str], queue: dict[str, Any]) -> dict[str, Any]:
        return {
            "endpoint": endpoint,
            "headers": headers,
            "retry_on_failure": {"enabled": True, "initial_interval": "1s", "max_interval": "5s", "max_elapsed_time": "0s"},
            "sending_queue": {"enabled": True, "storage": "file_storage", "num_consumers": 1, **queue},
        }

    samples = {
        "sizer": "items",
        "queue_size": sizing.queued_samples(stack),
        "batch": {"flush_timeout": "200ms", "min_size": 1000, "max_size": 5000},
    }
    # In bytes, as Loki's limits are: a batch beyond them would be rejected again and again.
    largest = sizing.COLLECTOR_LOG_BATCH
    log_bytes = {
        "sizer": "bytes",
        "queue_size": sizing.queued_log_bytes(stack) * sizing.QUEUE_OVERHEAD,
        "batch": {"flush_timeout": "200ms", "min_size": largest // 16, "max_size": largest},
    }
    replicas = replica_urls(stack, "prometheus", "/api/v1/otlp")
    found = {"metrics": {f"otlp_http/{pod}": exporter(endpoint, {}, samples) for pod, endpoint in replicas.items()}}
    if stack.has("loki"):
        found["logs"] = {"otlp_http/loki": exporter(url(stack, "loki", path="/otlp"), tenant_headers(stack), log_bytes)}
    return {signal: names for signal, names in found.items() if names}


def processors(stack: Stack) -> dict[str, Any]:
    """Return the collector's `processors`, in the order in which data passes them.

    Every resource gets the collector label and the name of the cluster, and an identity of its own: without `service.instance.id` the
    replicas of an application would write the same series. A data point's attribute of the label's name would clash with the label.
    """
    instance = 'set(resource.attributes["service.instance.id"], resource.attributes["k8s.pod.uid"])'
    identify = f'{instance} where resource.attributes["service.instance.id"] == nil and resource.attributes["k8s.pod.uid"] != nil'
    there = f'where datapoint.attributes["{COLLECTOR_LABEL}"] != nil'
    export_clashing = [
        f'set(datapoint.attributes["{EXPORTED_LABEL}"], datapoint.attributes["{COLLECTOR_LABEL}"]) {there}',
        f'delete_key(datapoint.attributes, "{COLLECTOR_LABEL}") {there}',
    ]
    return {
        "memory_limiter": {"check_interval": "1s", "limit_percentage": 75, "spike_limit_percentage": 20},
        "k8s_attributes": {
            # Before the pods are known, samples would start series without the pod's name.
            "wait_for_metadata": True,
            "wait_for_metadata_timeout": "60s",
            "extract": {"metadata": list(_POD_ATTRIBUTES)},
            "pod_association": [
                {"sources": [{"from": "resource_attribute", "name": "k8s.pod.uid"}]},
                {"sources": [{"from": "resource_attribute", "name": "k8s.pod.ip"}]},
                {"sources": [{"from": "connection"}]},
            ],
        },
        "resource": {
            "attributes": [
                {"key": COLLECTOR_LABEL, "value": high_availability.collector_value("otel_collector"), "action": "upsert"},
                {"key": "k8s.cluster.name", "value": stack.cluster_name, "action": "upsert"},
            ]
        },
        "transform": {
            # A statement that fails must not cost the data.
            "error_mode": "ignore",
            "metric_statements": [identify, *export_clashing],
            "log_statements": [identify],
        },
    }


def problems(values: Mapping[str, Any], stack: Stack) -> Iterator[str]:
    """Return a sentence for a memory limit that is missing, and for a volume that does not hold the queues of an outage."""
    name = "otel_collector_resources"
    limits_given = values[name].get("limits", {}) if isinstance(values[name], Mapping) else None
    if isinstance(limits_given, Mapping) and "memory" not in limits_given:
        yield f"{name} has no limits.memory; the collector's memory limiter and its GOMEMLIMIT are a share of it, write it like 1Gi"
    name, needed = "otel_collector_storage_size", sizing.collector_disk(stack)
    if stack.has("otel_collector") and 0 < retention.bytes_of(values[name]) < needed:
        yield wrong(
            name, "", values[name], f"it should be at least {retention.gibibytes(needed)}: so much may be queued in one collector while a "
            "store is unavailable for observability_outage_horizon, at observability_samples_per_second and "
            "observability_log_bytes_per_second"
        )  # fmt: skip


def merged_problems(config: Any) -> Iterator[str]:
    """Return a sentence for each pipeline of the whole configuration that names what there is not."""
    return whole.reference_problems(config)


def rules(_stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """Return what its account may do: it adds the pod, and what has made it, to the attributes of what an application sends."""
    read = ["get", "list", "watch"]
    return {
        "ClusterRole": [
            {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": read},
            {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": read},
        ]
    }
