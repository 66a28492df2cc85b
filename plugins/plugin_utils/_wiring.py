"""What follows from the inventory: addresses, queues, scrape jobs, exporters, data sources, routes, the graph of arrows.

Pure functions from a checked `Stack` to plain data, in the form in which the components' own configuration takes it.
The catalogue is the only place that knows a port or a path of a component; Services, probes and clients read it alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import _logs
from ._stack import Stack


@dataclass(frozen=True)
class Entry:
    """What a component listens on: its Service, its ports by name, and the paths of its health checks on port `health`.

    `ready` answers 200 once the component can serve, `live` as long as the process answers requests at all (see `_containers.probes`).
    `metrics` is the port that is scraped; `offered` names the ports of the Service where it does not have all of them.
    """

    service: str
    ports: dict[str, int]
    ready: str
    live: str
    health: str = "http"
    headless: bool = False
    metrics: str = "http"
    offered: tuple[str, ...] = ()


CATALOGUE: dict[str, Entry] = {
    "prometheus": Entry("prometheus", {"http": 9090}, "/-/ready", "/-/healthy", headless=True),
    "mimir": Entry("mimir", {"http": 8080, "grpc": 9095, "gossip": 7946}, "/ready", "/api/v1/status/buildinfo", headless=True),
    "loki": Entry("loki", {"http": 3100, "grpc": 9095, "gossip": 7946}, "/ready", "/loki/api/v1/status/buildinfo", headless=True),
    "grafana": Entry("grafana", {"http": 3000}, "/api/health", "/healthz"),
    # Not `/-/healthy`: that fails while a part of its configuration cannot reach its target.
    "alloy": Entry("alloy", {"http": 12345}, "/-/ready", "/-/ready"),
    # One answer for both: it is 200 from when the pipelines run until the shutdown begins.
    "otel_collector": Entry(
        "otel-collector",
        {"otlp-grpc": 4317, "otlp-http": 4318, "health": 13133, "metrics": 8888},
        "/",
        "/",
        health="health",
        headless=True,
        metrics="metrics",
    ),
    # Only where the stack installs the controller itself. Its redirects name the port that it listens on, so that is the public one.
    # Ready once the first configuration is in nginx, and from then on for as long as the controller answers.
    "ingress_nginx": Entry(
        "ingress-nginx",
        {"http": 80, "https": 443, "health": 8081, "metrics": 9113},
        "/nginx-ready",
        "/nginx-ready",
        health="health",
        metrics="metrics",
        offered=("http", "https"),
    ),
    "sample_application": Entry("sample-application", {"http": 8080}, "/healthz", "/healthz"),
}
# The labels that the pair's external labels and Mimir's HA tracker agree on.
HA_GROUP_LABEL = "prom_ha_group"
HA_REPLICA_LABEL = "__replica__"
# Marks what was pushed, with the name of the pusher. Other values of this label are the application's own business.
PUSHED_LABEL = "collector"
PUSHERS = {"alloy": "alloy", "otel_collector": "otel"}
TENANT_HEADER = "X-Scope-OrgID"

# Recommended by Prometheus for Kubernetes (documentation 3.13, "Using Prometheus as your OpenTelemetry backend"), and the pushers' mark.
PROMOTED_RESOURCE_ATTRIBUTES = (
    "service.name", "service.namespace", "service.instance.id", "service.version", "deployment.environment.name",
    "cloud.availability_zone", "cloud.region", "container.name",
    "k8s.cluster.name", "k8s.container.name", "k8s.cronjob.name", "k8s.daemonset.name", "k8s.deployment.name", "k8s.job.name",
    "k8s.namespace.name", "k8s.pod.name", "k8s.replicaset.name", "k8s.statefulset.name",
    PUSHED_LABEL,
)  # fmt: skip

# A queued sample on disk, in bytes: OTLP as protobuf with its resource, uncompressed (assumed, generous); and what the store adds.
_BYTES_PER_QUEUED_SAMPLE = 400
_QUEUE_OVERHEAD = 2
# The largest request with logs, in bytes, that the collector sends; as much as it takes in one over gRPC.
_LOG_BATCH_BYTES = 2**22
# What the collector adds to a resource, from the pod that sent it.
_POD_ATTRIBUTES = (
    "k8s.namespace.name", "k8s.pod.name", "k8s.pod.uid", "k8s.node.name", "k8s.deployment.name", "k8s.statefulset.name",
    "k8s.daemonset.name", "k8s.job.name", "k8s.cronjob.name", "service.name",
)  # fmt: skip


def _service_host(stack: Stack, name: str) -> str:
    return f"{name}.{stack.namespace}.svc.{stack.cluster_domain}"


def pod_names(stack: Stack, component: str) -> list[str]:
    """Return the pod names of a StatefulSet, in order: ["prometheus-0", "prometheus-1"]."""
    return [f"{CATALOGUE[component].service}-{ordinal}" for ordinal in range(stack.replicas[component])]


def url(stack: Stack, component: str, port: str = "http", path: str = "", pod: str = "") -> str:
    """Return the URL inside the cluster of a component's Service or, with `pod`, of that pod through the headless Service."""
    entry = CATALOGUE[component]
    name = f"{pod}.{entry.service}-headless" if pod else entry.service
    return f"http://{_service_host(stack, name)}:{entry.ports[port]}{path}"


def ports(stack: Stack, component: str) -> dict[str, list[dict[str, Any]]]:
    """Return what a component's manifests need to know about its ports.

    `container`: for a container's `ports`; `service`: for the Service's `ports`.
    """
    entry = CATALOGUE[component]
    offered = {name: number for name, number in entry.ports.items() if not entry.offered or name in entry.offered}
    return {
        "container": [{"name": name, "containerPort": number, "protocol": "TCP"} for name, number in entry.ports.items()],
        "service": [{"name": name, "port": number, "targetPort": name, "protocol": "TCP"} for name, number in offered.items()],
    }


def node_ports(stack: Stack, component: str, numbers: dict[str, int]) -> list[dict[str, Any]]:
    """Return a Service's `ports` with the given node ports (port name -> number); those not named get one from Kubernetes."""
    return [
        {**offered, **({"nodePort": numbers[offered["name"]]} if offered["name"] in numbers else {})}
        for offered in ports(stack, component)["service"]
    ]


def port(stack: Stack, component: str, name: str) -> int:
    """Return the number of one of the ports that a component listens on."""
    return CATALOGUE[component].ports[name]


def gossip_address(stack: Stack, component: str) -> str:
    """Return where the members of a component find each other: the headless Service, which answers with every pod, ready or not."""
    entry = CATALOGUE[component]
    return f"dns+{_service_host(stack, f'{entry.service}-headless')}:{entry.ports['gossip']}"


def instance(stack: Stack) -> str:
    """Return what tells this stack from every other one in its cluster: the value of the instance label, and its directory on the nodes."""
    return f"{stack.namespace}.{stack.cluster_name}"


def labels(stack: Stack, component: str) -> dict[str, str]:
    """Return the recommended Kubernetes labels for an object of a component."""
    name = component.replace("_", "-")
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": instance(stack),
        "app.kubernetes.io/component": name,
        "app.kubernetes.io/part-of": "observability-stack",
        "app.kubernetes.io/managed-by": "ansible",
    }


def selector(stack: Stack, component: str) -> dict[str, str]:
    """Return the two labels by which workloads and Services select a component's pods. They never change."""
    every = labels(stack, component)
    return {key: every[key] for key in ("app.kubernetes.io/name", "app.kubernetes.io/part-of")}


def pod_security(stack: Stack) -> str:
    """Return the Pod Security level that the namespace can enforce: `restricted`, unless Alloy looks at the nodes, through host paths."""
    return "privileged" if stack.has("alloy") else "restricted"


def scrape_annotations(stack: Stack, component: str) -> dict[str, str]:
    """Return the annotations by which the Prometheus pair scrapes a component's pods, as it does any application's."""
    entry = CATALOGUE[component]
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(entry.ports[entry.metrics])}


# --- Prometheus -------------------------------------------------------------------------------------------------------


def external_labels(stack: Stack) -> dict[str, str]:
    """Return Prometheus' external labels. `${POD_NAME}` is expanded by Prometheus from its environment; what the inventory says is not."""
    return {
        **{name: value.replace("$", "$$") for name, value in stack.external_labels.items()},
        "cluster": stack.cluster_name,
        HA_GROUP_LABEL: instance(stack),
        HA_REPLICA_LABEL: "${POD_NAME}",
    }


def _tenant_headers(stack: Stack) -> dict[str, str]:
    return {TENANT_HEADER: stack.tenant} if stack.tenant else {}


def remote_write(stack: Stack) -> list[dict[str, Any]]:
    """Return Prometheus' `remote_write` list; empty when Mimir is switched off.

    With `idempotent` there are two queues, because Mimir decides about a whole request from its first series (Mimir documentation 3.x,
    "Configure high availability"): `mimir-scraped` carries only series with the replica label, of which the HA tracker keeps one replica's;
    `mimir-pushed` carries only pushed series without it, which both replicas hold with the same timestamps and values, so that the second
    copy changes nothing. With `ha_tracker` one queue carries all of them through the HA tracker.
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
            # Off by default, and then a rate limit loses samples without a word.
            "retry_on_http_429": True,
        },
    }
    if stack.tenant:
        queue["headers"] = _tenant_headers(stack)
    if stack.pushed_dedup == "ha_tracker":
        return [{"name": "mimir", **queue}]
    pushed = {"source_labels": [PUSHED_LABEL], "regex": "|".join(PUSHERS.values())}
    return [
        {"name": "mimir-scraped", **queue, "write_relabel_configs": [{**pushed, "action": "drop"}]},
        {
            "name": "mimir-pushed",
            **queue,
            "write_relabel_configs": [{**pushed, "action": "keep"}, {"regex": HA_REPLICA_LABEL, "action": "labeldrop"}],
        },
    ]


@dataclass(frozen=True)
class HaTimeouts:
    """The HA tracker's timeouts in milliseconds; `heartbeat` is how often each replica must be heard."""

    update: int
    jitter: int
    failover: int
    heartbeat: int


def ha_timeouts(stack: Stack) -> HaTimeouts:
    """Return timeouts with which the death of the elected replica costs a scraped series at most one scrape.

    A dead replica is replaced once it has been silent for `failover`, as Mimir last noted it, at most `update + jitter` ago. What the other
    replica sends meanwhile is dropped; as long as that time is shorter than one scrape interval, at most one of its scrapes of a target
    falls into it. Mimir requires failover >= update + jitter + 1 s (configuration reference 3.x, `limits`). The replicas are heard every
    `heartbeat`, also when they scrape next to nothing, by a recording rule: silence of a living replica would flip the election.
    """
    interval = stack.scrape_interval * 1000
    update = max(1000, min(interval // 5, 15000))
    jitter = update // 3
    failover = max(2 * update, update + jitter + 1000)
    return HaTimeouts(update, jitter, failover, heartbeat=1000)


def heartbeat_rules(stack: Stack) -> dict[str, Any]:
    """Return the rule file whose one series lets Mimir hear every replica in time (see `ha_timeouts`)."""
    interval = f"{ha_timeouts(stack).heartbeat}ms"
    return {
        "groups": [
            {
                "name": "high-availability",
                "interval": interval,
                "rules": [{"record": "observability:prometheus_heartbeat", "expr": "vector(1)"}],
            }
        ]
    }


def otlp_translation(stack: Stack) -> dict[str, Any]:
    """Return Prometheus' `otlp` section: which resource attributes become labels of every series, the pushers' mark among them."""
    return {"promote_resource_attributes": list(PROMOTED_RESOURCE_ATTRIBUTES), "keep_identifying_resource_attributes": True}


def scrape_jobs(stack: Stack, more: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """Return Prometheus' `scrape_configs`: the annotated pods (those of the stack among them), and `more`, the jobs of the inventory.

    A pod with several containers gives one target: no label tells its containers apart, so equal targets fall together. A scraped series
    that carries the mark of a pusher gives it up (it becomes `exported_collector`): it would end in the queue of the pushed ones.
    """
    pod = "__meta_kubernetes_pod_"
    mark = {"source_labels": [PUSHED_LABEL], "regex": f"({'|'.join(PUSHERS.values())})"}
    unmark = [
        {**mark, "target_label": f"exported_{PUSHED_LABEL}", "replacement": "$1"},
        {**mark, "target_label": PUSHED_LABEL, "replacement": ""},
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
            "metric_relabel_configs": unmark,
        },
        *({**job, "metric_relabel_configs": [*job.get("metric_relabel_configs", []), *unmark]} for job in more),
    ]


def push_endpoints(stack: Stack, pusher: str) -> list[dict[str, Any]]:
    """Return where a pusher (`alloy` or `otel_collector`) sends its samples: every Prometheus replica, each with its own queue.

    Each entry: `replica` (pod name), `remote_write` and `otlp` (URLs), `collector` (the mark that its series carry).
    """
    if not stack.has("prometheus"):
        return []
    return [
        {
            "replica": pod,
            "remote_write": url(stack, "prometheus", path="/api/v1/write", pod=pod),
            "otlp": url(stack, "prometheus", path="/api/v1/otlp", pod=pod),
            "collector": PUSHERS[pusher],
        }
        for pod in pod_names(stack, "prometheus")
    ]


# --- Alloy --------------------------------------------------------------------------------------------------------------


def alloy_settings(stack: Stack) -> dict[str, Any]:
    """Return what Alloy's configuration takes from the wiring.

    `mark`, `marked_before` and `collector`: the label of pushed series, the one that keeps an application's own value of it, and the mark.
    `scrape_interval`, `scrape_timeout`, `keep` and `keep_at_most`: durations; samples stay in the write-ahead log for `keep`, also when
    they were sent, and for `keep_at_most` when a replica does not take them. `endpoints`: see `push_endpoints`. `loki` and `loki_otlp`: its
    URLs for pushes, or empty; `logs`: see `_logs.settings`; `directory`: of positions, queues and write-ahead log on the node.
    """
    return {
        "mark": PUSHED_LABEL,
        "marked_before": f"exported_{PUSHED_LABEL}",
        "collector": PUSHERS["alloy"],
        "scrape_interval": f"{stack.scrape_interval}s",
        "scrape_timeout": f"{min(stack.scrape_interval, 10)}s",
        "keep": f"{stack.outage_horizon}s",
        "keep_at_most": f"{max(8 * 3600, 2 * stack.outage_horizon)}s",
        "endpoints": push_endpoints(stack, "alloy"),
        "loki": url(stack, "loki", path="/loki/api/v1/push") if stack.has("loki") else "",
        "loki_otlp": url(stack, "loki", path="/otlp") if stack.has("loki") else "",
        "tenant_headers": _tenant_headers(stack),
        "logs": _logs.settings(stack),
        "directory": f"/var/lib/observability-stack/{instance(stack)}/alloy",
    }


# --- Mimir --------------------------------------------------------------------------------------------------------------

# Room above the expected rate: for what was queued during an outage and arrives after it, and for growth.
_HEADROOM = 5


def mimir_limits(stack: Stack) -> dict[str, Any]:
    """Return Mimir's `limits`: the HA tracker of the pair, and what the sizing asks for instead of defaults that lose data silently.

    Both replicas write the pushed samples, so the rate counts once per replica. Series in memory: as many as one scrape interval has
    samples. A limit is never below Mimir's own default (configuration reference 3.x): a sample beyond it is refused for good.
    """
    timeouts = ha_timeouts(stack)
    rate = stack.samples_per_second * stack.replicas["prometheus"] * _HEADROOM
    return {
        "accept_ha_samples": True,
        "ha_cluster_label": HA_GROUP_LABEL,
        "ha_replica_label": HA_REPLICA_LABEL,
        "ha_tracker_update_timeout": f"{timeouts.update}ms",
        "ha_tracker_update_timeout_jitter_max": f"{timeouts.jitter}ms",
        "ha_tracker_failover_timeout": f"{timeouts.failover}ms",
        "ingestion_rate": max(rate, 10_000),
        "ingestion_burst_size": max(rate * 10, 200_000),
        "max_global_series_per_user": max(stack.samples_per_second * stack.scrape_interval * _HEADROOM, 150_000),
        "max_global_exemplars_per_user": 100000,
        "native_histograms_ingestion_enabled": True,
        "out_of_order_time_window": f"{stack.out_of_order_window}s",
        "max_label_names_per_series": 60,
    }


# --- Loki ---------------------------------------------------------------------------------------------------------------


def loki_ingester(stack: Stack) -> dict[str, Any]:
    """Return Loki's `ingester`: a write-ahead log that ends in the store at shutdown, and chunks open long enough for late lines.

    A line is refused once it is half of `max_chunk_age` behind the newest one of its stream (Loki documentation 3.7, "Accept out-of-order
    writes").
    """
    return {
        "max_chunk_age": f"{max(2 * 3600, 4 * stack.outage_horizon)}s",
        # 1 GiB: replay flushes to the store beyond it, and stays within the memory limit.
        "wal": {"flush_on_shutdown": True, "replay_memory_ceiling": 2**30},
        "lifecycler": {"min_ready_duration": "0s"},
    }


def loki_limits(stack: Stack) -> dict[str, Any]:
    """Return Loki's `limits_config`: what the sizing asks for instead of defaults that reject what a sender has queued."""
    return {
        **_logs.loki_limits(stack, _LOG_BATCH_BYTES),
        "max_global_streams_per_user": 50000,
        # A week is Loki's default; never less than what may be queued.
        "reject_old_samples_max_age": f"{max(7 * 24 * 3600, 2 * stack.outage_horizon)}s",
        "unordered_writes": True,
        "allow_structured_metadata": True,
        "max_label_names_per_series": 30,
    }


# --- OpenTelemetry Collector --------------------------------------------------------------------------------------------


def queue_sizes(stack: Stack) -> dict[str, int]:
    """Return how much a pusher must be able to hold while a store is away for `outage_horizon`, as if it carried everything alone.

    `samples`, `log_bytes`, and `disk_bytes`: the volume, for a queue per Prometheus replica and one for logs.
    """
    samples = stack.samples_per_second * stack.outage_horizon
    log_bytes = stack.log_bytes_per_second * stack.outage_horizon
    queued = samples * _BYTES_PER_QUEUED_SAMPLE * stack.replicas["prometheus"] + log_bytes
    return {"samples": samples, "log_bytes": log_bytes, "disk_bytes": queued * _QUEUE_OVERHEAD}


def otlp_exporters(stack: Stack) -> dict[str, Any]:
    """Return the collector's `exporters`, and `pipelines` (signal -> names of its exporters).

    One exporter and one queue on disk per Prometheus replica, one for Loki. One consumer per queue, as more reorder samples; retries never
    give up; batches are made behind the queue, so that nothing is accepted before it is on disk.
    """
    sizes = queue_sizes(stack)
    exporters: dict[str, Any] = {}
    pipelines: dict[str, list[str]] = {}

    def add(signal: str, name: str, endpoint: str, headers: dict[str, str], queue: dict[str, Any]) -> None:
        exporters[name] = {
            "endpoint": endpoint,
            "headers": headers,
            "retry_on_failure": {"enabled": True, "initial_interval": "1s", "max_interval": "5s", "max_elapsed_time": "0s"},
            "sending_queue": {"enabled": True, "storage": "file_storage", "num_consumers": 1, **queue},
        }
        pipelines.setdefault(signal, []).append(name)

    samples = {"sizer": "items", "queue_size": sizes["samples"], "batch": {"flush_timeout": "200ms", "min_size": 1000, "max_size": 5000}}
    # In bytes, as Loki's limits are: a batch beyond them would be refused again and again.
    log_bytes = {
        "sizer": "bytes",
        "queue_size": sizes["log_bytes"] * _QUEUE_OVERHEAD,
        "batch": {"flush_timeout": "200ms", "min_size": _LOG_BATCH_BYTES // 16, "max_size": _LOG_BATCH_BYTES},
    }
    for endpoint in push_endpoints(stack, "otel_collector"):
        add("metrics", f"otlp_http/{endpoint['replica']}", endpoint["otlp"], {}, samples)
    if stack.has("loki"):
        add("logs", "otlp_http/loki", url(stack, "loki", path="/otlp"), _tenant_headers(stack), log_bytes)
    return {"exporters": exporters, "pipelines": pipelines}


def otlp_processors(stack: Stack) -> dict[str, Any]:
    """Return the collector's `processors`, in the order in which data passes them.

    Every resource gets the mark of this pusher and the name of the cluster, and an identity of its own: without `service.instance.id` the
    replicas of an application would write the same series. A data point's attribute of the mark's name would clash with the mark.
    """
    instance = 'set(resource.attributes["service.instance.id"], resource.attributes["k8s.pod.uid"])'
    identify = f'{instance} where resource.attributes["service.instance.id"] == nil and resource.attributes["k8s.pod.uid"] != nil'
    there = f'where datapoint.attributes["{PUSHED_LABEL}"] != nil'
    unmark = [
        f'set(datapoint.attributes["exported_{PUSHED_LABEL}"], datapoint.attributes["{PUSHED_LABEL}"]) {there}',
        f'delete_key(datapoint.attributes, "{PUSHED_LABEL}") {there}',
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
                {"key": PUSHED_LABEL, "value": PUSHERS["otel_collector"], "action": "upsert"},
                {"key": "k8s.cluster.name", "value": stack.cluster_name, "action": "upsert"},
            ]
        },
        "transform": {
            # A statement that fails must not cost the data.
            "error_mode": "ignore",
            "metric_statements": [identify, *unmark],
            "log_statements": [identify],
        },
    }


def otlp_pipelines(stack: Stack) -> dict[str, Any]:
    """Return the collector's `service.pipelines`: a signal for which there is a store, through all processors, to all of its exporters."""
    return {
        signal: {"receivers": ["otlp"], "processors": list(otlp_processors(stack)), "exporters": names}
        for signal, names in otlp_exporters(stack)["pipelines"].items()
    }


# --- Grafana ------------------------------------------------------------------------------------------------------------


def data_sources(stack: Stack) -> list[dict[str, Any]]:
    """Return Grafana's provisioned data sources, with fixed uids; Mimir, or else Prometheus, is the default one."""
    found: list[dict[str, Any]] = []

    def add(component: str, name: str, kind: str, path: str, options: dict[str, Any], tenant: bool) -> None:
        if not stack.has(component):
            return
        source: dict[str, Any] = {
            "name": name,
            "uid": component,
            "type": kind,
            "access": "proxy",
            "url": url(stack, component, path=path),
            "editable": False,
            "isDefault": component == default,
            "jsonData": dict(options),
        }
        if tenant and stack.tenant:
            source["jsonData"]["httpHeaderName1"] = TENANT_HEADER
            source["secureJsonData"] = {"httpHeaderValue1": stack.tenant.replace("$", "$$")}
        found.append(source)

    default = "mimir" if stack.has("mimir") else "prometheus"
    query = {"httpMethod": "POST", "prometheusType": "Prometheus", "timeInterval": f"{stack.scrape_interval}s"}
    add("prometheus", "Prometheus", "prometheus", "", query, tenant=False)
    add("mimir", "Mimir", "prometheus", "/prometheus", {**query, "prometheusType": "Mimir"}, tenant=True)
    add("loki", "Loki", "loki", "", {"maxLines": 1000}, tenant=True)
    return found


# --- Ingress ------------------------------------------------------------------------------------------------------------

# What a browser or a query client needs. Everything else (pushes, administration, rings) answers 404 from outside, unless the inventory
# opens it.
_PROMETHEUS_API = (
    "query", "query_range", "query_exemplars", "format_query", "parse_query", "series", "labels", "label", "metadata",
)  # fmt: skip
_PUBLIC_PATHS: dict[str, tuple[str, ...]] = {
    "grafana": ("/",),
    "prometheus": (
        "=/", "/query", "/graph", "/alerts", "/rules", "/targets", "/service-discovery", "/status", "/tsdb-status", "/flags", "/config",
        "/agent", "/assets", "/favicon.svg", "/manifest.json",
        *(
            f"/api/v1/{name}"
            for name in (
                *_PROMETHEUS_API,
                "targets", "rules", "alerts", "alertmanagers", "status", "scrape_pools", "notifications", "features",
            )
        ),
    ),
    "mimir": tuple(f"/prometheus/api/v1/{name}" for name in (*_PROMETHEUS_API, "rules", "alerts", "cardinality", "status")),
    "loki": (
        # Exact: rule groups are set and deleted below it.
        "=/loki/api/v1/rules",
        *(
            f"/loki/api/v1/{name}"
            for name in (
                "query", "query_range", "labels", "label", "series", "tail", "index", "patterns",
                "detected_fields", "detected_field", "detected_labels", "format_query",
            )
        ),
    ),
}  # fmt: skip
_BODY_SIZE_MEGABYTES = {"grafana": 10, "prometheus": 10, "mimir": 100, "loki": 20}
_WEBSOCKETS = ("grafana", "loki")
# Below a host with a login of its own, what that login does not protect: it asks for the credentials of the other hosts. Grafana answers
# /metrics, and those of its plugins below it, to anybody (documentation 12.x, "Monitor Grafana").
_GUARDED_PATHS: dict[str, tuple[str, ...]] = {"grafana": ("/metrics",)}


def ingress_routes(stack: Stack) -> list[dict[str, Any]]:
    """Return one route per public host.

    `component`, `host`, `service`, `port`, `auth`, `websocket`, `body_size` (megabytes), `paths`, and `guarded`: paths that ask for
    credentials where `auth` is false. A path is `{"path": …, "type": "Prefix" | "Exact"}`. Grafana has a login of its own, the others get
    basic authentication.
    """

    def paths(listed: tuple[str, ...]) -> list[dict[str, str]]:
        return [{"path": path.removeprefix("="), "type": "Exact" if path.startswith("=") else "Prefix"} for path in dict.fromkeys(listed)]

    return [
        {
            "component": component,
            "host": stack.hosts[component],
            "service": CATALOGUE[component].service,
            "port": "http",
            "auth": component != "grafana",
            "websocket": component in _WEBSOCKETS,
            "body_size": _BODY_SIZE_MEGABYTES[component],
            "paths": paths((*_PUBLIC_PATHS[component], *stack.ingress_open_paths.get(component, ()))),
            "guarded": paths(_GUARDED_PATHS.get(component, ())),
        }
        for component in _PUBLIC_PATHS
        if stack.has(component)
    ]


# --- The graph ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arrow:
    """One arrow of the architecture: `name` is what `verify` reports, `number` its place in the documentation."""

    name: str
    number: int
    source: str
    target: str
    carries: str

    @property
    def components(self) -> tuple[str, ...]:
        """The components that have to run for this arrow."""
        return tuple(end for end in (self.source, self.target) if end in CATALOGUE)


ARROWS: tuple[Arrow, ...] = (
    *(Arrow(f"user-{component}", 1, "user", component, "HTTPS through the ingress") for component in _PUBLIC_PATHS),
    Arrow("application-prometheus", 2, "application", "prometheus", "scraped metrics, both replicas"),
    Arrow("application-alloy", 3, "application", "alloy", "stdout and stderr, on the same node"),
    Arrow("alloy-loki", 3, "alloy", "loki", "log lines"),
    Arrow("application-otel_collector", 4, "application", "otel_collector", "OTLP through the Service"),
    Arrow("otel_collector-prometheus", 4, "otel_collector", "prometheus", "metrics, to every replica"),
    Arrow("otel_collector-loki", 4, "otel_collector", "loki", "logs"),
    Arrow("alloy-prometheus", 5, "alloy", "prometheus", "node metrics, to every replica"),
    Arrow("prometheus-mimir", 6, "prometheus", "mimir", "remote write, both replicas, one copy kept"),
    *(Arrow(f"grafana-{component}", 7, "grafana", component, "queries") for component in ("prometheus", "mimir", "loki")),
    Arrow("balance-prometheus", 8, "reads", "prometheus", "shared over the replicas"),
    Arrow("balance-otel_collector", 8, "OTLP", "otel_collector", "shared over the replicas"),
)


def arrows(stack: Stack) -> list[dict[str, Any]]:
    """Return every arrow: `name`, `number`, `source`, `target`, `carries`, and `off`: the components it needs that are switched off."""
    return [
        {
            "name": arrow.name,
            "number": arrow.number,
            "source": arrow.source,
            "target": arrow.target,
            "carries": arrow.carries,
            "off": [component for component in arrow.components if not stack.has(component)],
        }
        for arrow in ARROWS
    ]


# What a person calls the ends of an arrow.
TITLES = {
    "prometheus": "Prometheus", "mimir": "Mimir", "loki": "Loki", "grafana": "Grafana", "alloy": "Alloy",
    "otel_collector": "OpenTelemetry Collector", "ingress_nginx": "NGINX ingress",
    "application": "Applications", "user": "Users", "reads": "Reads",
}  # fmt: skip


def title(stack: Stack, node: str) -> str:
    """Return what a person calls an end of an arrow, with the number of its pods where there are several: "Prometheus ×2"."""
    count = stack.replicas.get(node, 0) if stack.has(node) else 0
    return TITLES.get(node, node) + (f" ×{count}" if count > 1 else "")


def mermaid(stack: Stack) -> str:
    """Return the graph of the arrows whose components are switched on, as a Mermaid flowchart; users come in through the ingress."""
    shown = [arrow for arrow in arrows(stack) if not arrow["off"] and arrow["number"] != 8]
    edges = []
    for arrow in shown:
        if arrow["source"] == "user" and stack.has("ingress_nginx"):
            edges += [("user", "ingress_nginx", "HTTPS"), ("ingress_nginx", arrow["target"], "")]
        else:
            edges.append((arrow["source"], arrow["target"], f"{arrow['number']}: {arrow['carries']}"))
    nodes = dict.fromkeys(end for source, target, _ in edges for end in (source, target))
    lines = ["flowchart LR", *(f'  {node}["{title(stack, node)}"]' for node in nodes)]
    lines += dict.fromkeys(f"  {source} -->" + (f'|"{label}"|' if label else "") + f" {target}" for source, target, label in edges)
    return "\n".join(lines) + "\n"
