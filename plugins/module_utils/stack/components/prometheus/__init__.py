"""The Prometheus pair: scrape jobs, remote write to Mimir, and what becomes of OTLP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ... import high_availability, retention
from ...addressing import tenant_headers, url
from ...high_availability import COLLECTOR_LABEL, EXPORTED_LABEL, ONLY_QUEUE, PUSHED_QUEUE, REPLICA_LABEL, SCRAPED_QUEUE
from ...model import Stack
from ...own import Configuration, Own
from . import expressions, rule_files
from . import scrape_configs as jobs
from .values import global_problems

# Recommended by Prometheus for Kubernetes (documentation 3.13, "Using Prometheus as your OpenTelemetry backend"), and the collector label.
PROMOTED_RESOURCE_ATTRIBUTES = (
    "service.name", "service.namespace", "service.instance.id", "service.version", "deployment.environment.name",
    "cloud.availability_zone", "cloud.region", "container.name",
    "k8s.cluster.name", "k8s.container.name", "k8s.cronjob.name", "k8s.daemonset.name", "k8s.deployment.name", "k8s.job.name",
    "k8s.namespace.name", "k8s.pod.name", "k8s.replicaset.name", "k8s.statefulset.name",
    COLLECTOR_LABEL,
)  # fmt: skip
HEARTBEAT = "observability:prometheus_heartbeat"

OWN = Own(
    args=(
        "config.file", "storage.tsdb.path", "storage.tsdb.retention.time", "web.listen-address", "web.external-url", "web.route-prefix",
        "web.config.file", "web.enable-remote-write-receiver", "web.enable-otlp-receiver", "agent", "storage.agent.*",
    ),
    mounts=("/etc/prometheus", "/prometheus"),
)  # fmt: skip
CONFIGURATION = Configuration(
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
    sections=("global", "runtime", "alerting", "storage", "tracing", "otlp"),
    others=("rule_files", "scrape_config_files", "scrape_configs", "remote_write", "remote_read"),
)  # fmt: skip
# A block is a tenth of the retention at most: so much is kept beyond it until all of a block is too old, and so much is being compacted.
_BLOCKS = 1.2
KEPT_BASIS = retention.SAMPLE_BASIS


def settings(stack: Stack, scrape_configs: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return `external_labels`, `otlp`, `scrape_configs`, `remote_write`, and `rules`, the rule file of the stack itself.

    `scrape_configs` are the jobs of the inventory.
    """
    return {
        "external_labels": high_availability.external_labels(stack),
        "otlp": {"promote_resource_attributes": list(PROMOTED_RESOURCE_ATTRIBUTES), "keep_identifying_resource_attributes": True},
        "scrape_configs": scrape_jobs(scrape_configs),
        "remote_write": remote_write(stack),
        "rules": heartbeat_rules(stack),
    }


def _sent_by_a_collector() -> str:
    """Return the regular expression for the values of the collector label that are the stack's own."""
    return "|".join(high_availability.senders().values())


def remote_write(stack: Stack) -> list[dict[str, Any]]:
    """Return Prometheus' `remote_write` list; empty when Mimir is switched off.

    With `idempotent` there are two queues, because Mimir decides about a whole request from its first series (Mimir documentation 3.x,
    "Configure high availability"): the scraped queue carries only series with the replica label, of which the HA tracker keeps one
    replica's; the pushed queue carries only pushed series without it, which both replicas hold with the same timestamps and values, so that
    the second copy changes nothing. With `ha_tracker` one queue carries all of them through the HA tracker.
    """
    if not stack.has("mimir"):
        return []
    queue: dict[str, Any] = {
        "url": url(stack, "mimir", path="/api/v1/push"),
        "remote_timeout": "30s",
        "send_exemplars": True,
        "send_native_histograms": True,
        "queue_config": {
            "batch_send_deadline": "1s",
            "max_samples_per_send": 2000,
            "capacity": 10000,
            "max_shards": 50,
            # Off by default, and then a rate limit loses samples silently.
            "retry_on_http_429": True,
        },
    }
    if stack.tenant:
        queue["headers"] = tenant_headers(stack)
    if stack.pushed_dedup == "ha_tracker":
        return [{"name": ONLY_QUEUE, **queue}]
    pushed = {"source_labels": [COLLECTOR_LABEL], "regex": _sent_by_a_collector()}
    return [
        {"name": SCRAPED_QUEUE, **queue, "write_relabel_configs": [{**pushed, "action": "drop"}]},
        {
            "name": PUSHED_QUEUE,
            **queue,
            "write_relabel_configs": [{**pushed, "action": "keep"}, {"regex": REPLICA_LABEL, "action": "labeldrop"}],
        },
    ]


def heartbeat_rules(stack: Stack) -> dict[str, Any]:
    """Return the rule file with one series, by which Mimir gets a sample of every replica in time (see `high_availability.timeouts`)."""
    interval = f"{high_availability.timeouts(stack).heartbeat}ms"
    rules = [{"record": HEARTBEAT, "expr": "vector(1)"}]
    return {"groups": [{"name": "high-availability", "interval": interval, "rules": rules}]}


def scrape_jobs(more: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """Return Prometheus' `scrape_configs`: the annotated pods (those of the stack among them), and `more`, the jobs of the inventory.

    A pod with several containers gives one target: no label tells its containers apart, so equal targets fall together. A scraped series
    with a collector label of the stack gets it as `exported_collector`: otherwise it would end in the queue of the pushed ones.
    """
    pod = "__meta_kubernetes_pod_"
    ours = {"source_labels": [COLLECTOR_LABEL], "regex": f"({_sent_by_a_collector()})"}
    exported = [
        {**ours, "target_label": EXPORTED_LABEL, "replacement": "$1"},
        {**ours, "target_label": COLLECTOR_LABEL, "replacement": ""},
    ]
    return [
        {
            "job_name": "kubernetes-pods",
            "kubernetes_sd_configs": [{"role": "pod"}],
            "relabel_configs": [
                {"source_labels": [f"{pod}annotation_prometheus_io_scrape"], "regex": "true", "action": "keep"},
                {"source_labels": [f"{pod}phase"], "regex": "Pending|Succeeded|Failed|Completed", "action": "drop"},
                {"source_labels": [f"{pod}container_init"], "regex": "true", "action": "drop"},
                {"source_labels": [f"{pod}annotation_prometheus_io_scheme"], "regex": "(https?)", "target_label": "__scheme__"},
                {"source_labels": [f"{pod}annotation_prometheus_io_path"], "regex": "(.+)", "target_label": "__metrics_path__"},
                # The address of a pod, IPv6 in brackets, with the annotated port in place of the declared one.
                {
                    "source_labels": [f"{pod}ip", f"{pod}annotation_prometheus_io_port"],
                    "regex": r"([0-9.]+);(\d+)",
                    "target_label": "__address__",
                    "replacement": "$1:$2",
                },
                {
                    "source_labels": [f"{pod}ip", f"{pod}annotation_prometheus_io_port"],
                    "regex": r"([0-9a-f]*:[0-9a-f:]+);(\d+)",
                    "target_label": "__address__",
                    "replacement": "[$1]:$2",
                },
                {"source_labels": [f"{pod}label_app_kubernetes_io_name"], "regex": "(.+)", "target_label": "job"},
                {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
                {"source_labels": [f"{pod}name"], "target_label": "pod"},
                {"source_labels": [f"{pod}node_name"], "target_label": "node"},
            ],
            "metric_relabel_configs": exported,
        },
        *({**job, "metric_relabel_configs": [*job.get("metric_relabel_configs", []), *exported]} for job in more),
    ]


def kept_bytes(stack: Stack, seconds: int) -> float:
    """Return what a replica holds after `seconds` at the rate of the sizing."""
    per_second = retention.BYTES_PER_SAMPLE * seconds * _BLOCKS + retention.LOGGED_BYTES_PER_SAMPLE * retention.LOGGED_SECONDS
    return stack.samples_per_second * per_second


def problems(values: Mapping[str, Any], stack: Stack) -> Iterator[str]:
    """Return a sentence for each scrape job, rule and duration of the inventory that Prometheus would reject."""
    yield from global_problems(values, stack)
    yield from jobs.scrape_problems(values, stack, scrape_jobs())
    yield from rule_files.rule_problems(values, (HEARTBEAT,))
    yield from retention.after_late_samples("prometheus_retention", values, stack)


def late_problems(values: Mapping[str, Any]) -> Iterator[str]:
    """Return a sentence for each expression that is no PromQL; with `observability_allow_overrides` a warning."""
    return expressions.expression_problems(values)


def warnings(values: Mapping[str, Any]) -> Iterator[str]:
    """Return a warning where nothing here can read the expressions of the inventory."""
    return expressions.unchecked_expressions(values)


def rules(_stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """Return what its account may do: it looks for pods with the annotation, in every namespace."""
    return {"ClusterRole": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]}
