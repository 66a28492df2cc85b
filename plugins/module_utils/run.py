"""One run of the proof: what its checks share, each made once by the first that asks.

The probe pods, what was sent by OTLP, the counters as they were before, the way in through the ingress.
"""

from __future__ import annotations

import base64
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, TypeVar

from . import otlp
from .cluster import Answer, Cluster, ClusterError, Query
from .ingress import Front, split_address
from .stores import DUTIES, DUTY_METRICS, Labels, Logs, Metrics, exposition, neglected

RUN_LABEL = "observability.stack/verify"
PROBE_PORT = 9091
SERVICE_NAME = "observability-stack-verify"
GAUGE = "observability_verify"
# A run that was killed could not delete its probes; the next one does, once they are older than this (seconds).
LEFTOVER = 3600
# How many requests through a balanced Service are enough to say that a replica never answers: (1/2)^40.
BALANCE_TRIES = 40

# Counters that tell what goes wrong silently, by component.
WATCHED: dict[str, tuple[str, ...]] = {
    "prometheus": (
        "prometheus_remote_storage_samples_total",
        "prometheus_remote_storage_samples_failed_total",
        "prometheus_remote_storage_samples_pending",
    ),
    "mimir": (
        "cortex_discarded_samples_total",
        "cortex_distributor_deduped_samples_total",
        "cortex_distributor_non_ha_samples_received_total",
        *DUTY_METRICS["mimir"],
    ),
    "loki": ("loki_discarded_samples_total", *DUTY_METRICS["loki"]),
    "otel_collector": (
        "otelcol_receiver_accepted_metric_points_total",
        "otelcol_exporter_send_failed_metric_points_total",
        "otelcol_exporter_send_failed_log_records_total",
        "otelcol_exporter_enqueue_failed_metric_points_total",
        "otelcol_exporter_enqueue_failed_log_records_total",
    ),
    "alloy": (
        "prometheus_remote_storage_samples_failed_total",
        "loki_write_dropped_entries_total",
        "otelcol_receiver_accepted_log_records_total",
        "otelcol_receiver_refused_log_records_total",
        "otelcol_receiver_failed_log_records_total",
        "otelcol_exporter_send_failed_log_records_total",
        "otelcol_exporter_enqueue_failed_log_records_total",
        "otelcol_exporter_queue_size",
        "otelcol_exporter_queue_capacity",
        "otelcol_fileconsumer_reading_files",
    ),
}
# Reasons for which Loki answers 429: the sender tries again, and nothing is lost.
DELAYED = ("rate_limited", "per_stream_rate_limit", "stream_limit")


class Failed(Exception):  # noqa: N818 - it reads like the status that it becomes
    """An arrow does not deliver: what was expected, what came, where to look."""


class NotYet(Failed):
    """The same, but it may still come."""


@dataclass(frozen=True)
class Options:
    """How to run the proof.

    `timeout` is in seconds; `absent` maps a component to why the real one does not run here; the Secrets hold `username` and `password`.
    """

    timeout: float = 180.0
    max_nodes: int = 5
    absent: Mapping[str, str] = field(default_factory=dict)
    ingress_address: str = ""
    ingress_http_address: str = ""
    grafana_secret: str = ""
    users_secret: str = ""


@dataclass(frozen=True)
class Sample:
    """One OTLP sample: how it went in, its value, and its own time in Unix milliseconds."""

    via: str
    value: float
    milliseconds: int


@dataclass
class Sent:
    """What was sent by OTLP.

    The samples and log bodies that were accepted, what was refused, and how many samples each collector took (`shared`) of the `requests`
    through the Service.
    """

    samples: list[Sample] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    shared: dict[str, float] = field(default_factory=dict)
    requests: int = 0
    at: float = 0.0


T = TypeVar("T")


class Once(Generic[T]):
    """A value that several threads need and the first one makes. Its failure is everybody's failure."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[T] = []
        self._failed: Exception | None = None

    def __call__(self) -> T:
        """Return the value. Raises Failed, for each caller, when it could not be made."""
        with self._lock:
            if self._failed is None and not self._made:
                try:
                    self._made.append(self._make())
                except (Failed, ClusterError) as error:
                    self._failed = error
            if self._failed is not None:
                raise Failed(str(self._failed))
            return self._made[0]


Page = dict[tuple[str, str, Labels], float]


class Run:
    """One proof: the cluster, the plan (see `verify_plan`), a word that nothing else contains, and what the checks share."""

    def __init__(self, cluster: Cluster, plan: Mapping[str, Any], options: Options) -> None:
        self.cluster = cluster
        self.plan = plan
        self.options = options
        self.nonce = secrets.token_hex(4)
        self.started = time.time()
        self.deadline = time.monotonic() + options.timeout
        self.probes = Once(self._probes)
        self.sent = Once(self._send)
        self.front = Once(self._front)
        self._before = {component: Once(partial(self.counters, component)) for component in WATCHED if self.has(component)}
        self.warnings: list[str] = []
        self._created: list[str] = []

    # --- what the plan says ---

    def has(self, component: str) -> bool:
        """Whether a component is switched on."""
        return component in self.plan["components"]

    def pods(self, component: str) -> list[str]:
        """Return the pods of a component: those of a StatefulSet by their ordinals, others as they run now."""
        entry = self.plan["components"][component]
        return list(entry["pods"]) or sorted(pod["metadata"]["name"] for pod in self.cluster.pods(entry["selector"]) if ready(pod))

    def replicas(self) -> list[Metrics]:
        """Return each Prometheus replica as a store."""
        return [Metrics(pod, self._ask_pod(pod, self.port("prometheus"))) for pod in self.pods("prometheus")]

    def mimir(self) -> Metrics:
        """Return Mimir as a store."""
        return Metrics("mimir", self._ask_service("mimir", self.plan["prefix"]["mimir"]))

    def loki(self) -> Logs:
        """Return Loki as a store."""
        return Logs("loki", self._ask_service("loki", self.plan["prefix"]["loki"]))

    def port(self, component: str, name: str = "http") -> int:
        """Return the number of a named port of a component's pods."""
        port: int = self.plan["components"][component]["ports"][name]
        return port

    def _ask_pod(self, pod: str, port: int) -> Callable[[str, Query], Answer]:
        return lambda path, query: self.cluster.pod(pod, port, path, query=query)

    def _ask_service(self, component: str, prefix: str) -> Callable[[str, Query], Answer]:
        service = self.plan["components"][component]["service"]
        return lambda path, query: self.cluster.service(
            service, self.port(component), prefix + path, query=query, headers=self.plan["headers"]
        )

    def until(self, look: Callable[[], T]) -> T:
        """Return what `look` returns, tried again every second while it raises NotYet or ClusterError and there is time."""
        while True:
            try:
                return look()
            except (NotYet, ClusterError) as error:
                if time.monotonic() + 1 > self.deadline:
                    raise Failed(f"{error} (waited until the {self.options.timeout:.0f} s of this run were over)") from error
            time.sleep(1)

    # --- probe pods ---

    def _probes(self) -> dict[str, str]:
        """Start one probe pod on each of some nodes and return pod -> node, once all are ready."""
        nodes = [node["metadata"]["name"] for node in self.cluster.nodes() if _schedulable(node)]
        if not nodes:
            raise Failed("no node is Ready, schedulable and without a NoSchedule taint, so no probe pod can run (`kubectl get nodes`)")
        chosen = sorted(random.sample(nodes, min(len(nodes), self.options.max_nodes)))
        probes = {f"verify-{self.nonce}-{number}": node for number, node in enumerate(chosen)}
        for name, node in probes.items():
            self._created.append(name)
            self.cluster.create_pod(probe_pod(self.plan, self.nonce, name, node, int(self.options.timeout)))

        def all_ready() -> dict[str, str]:
            running = {pod["metadata"]["name"]: pod for pod in self.cluster.pods({RUN_LABEL: self.nonce})}
            waiting = [
                f"{name} on {node}: {_why_waiting(running.get(name))}" for name, node in probes.items() if not ready(running.get(name))
            ]
            if waiting:
                raise NotYet(f"probe pods are not ready: {'; '.join(waiting)}")
            return probes

        return self.until(all_ready)

    def remove_leftovers(self) -> None:
        """Delete the probes of runs that were killed more than an hour ago."""
        now = datetime.now(UTC)
        old = [
            pod["metadata"]["name"]
            for pod in self.cluster.pods(RUN_LABEL)
            if (now - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])).total_seconds() > LEFTOVER
        ]
        self.cluster.delete_pods(old, grace=0)

    def clean(self) -> None:
        """Delete the probe pods of this run. What stays, because the cluster cannot be asked, is in `warnings`."""
        try:
            self.cluster.delete_pods(self._created, grace=5)
        except ClusterError as error:
            self.warnings.append(
                f"{error}; it ends by itself, and the next run deletes it (`kubectl delete pod -l {RUN_LABEL}={self.nonce}`)"
            )

    # --- OTLP ---

    def _send(self) -> Sent:
        """Send one sample and one log record on every way into the collectors; through the Service until each collector got one."""
        pods = self.pods("otel_collector")
        service = self.plan["components"]["otel_collector"]["service"]
        http, grpc = self.port("otel_collector", "otlp-http"), self.port("otel_collector", "otlp-grpc")
        sent = Sent(at=time.monotonic())

        def through_service(path: str, body: bytes) -> Answer:
            return self.cluster.service(service, http, path, method="POST", headers=_JSON, body=body)

        def to_pod(pod: str, path: str, body: bytes) -> Answer:
            return self.cluster.pod(pod, http, path, method="POST", headers=_JSON, body=body)

        before = self._accepted(pods)
        while sent.requests < BALANCE_TRIES:
            sent.requests += 1
            self._post(sent, f"service-{sent.requests}", through_service)
            if sent.requests < len(pods):
                continue
            sent.shared = {pod: count - before[pod] for pod, count in self._accepted(pods).items()}
            if all(sent.shared.values()) or sent.refused:
                break
        for pod in pods:
            self._post(sent, f"{pod}-http", partial(to_pod, pod))
            self._grpc(sent, pod, grpc)
        return sent

    def _resource(self) -> dict[str, str]:
        return {"service.name": SERVICE_NAME, "service.instance.id": self.nonce}

    def _post(self, sent: Sent, via: str, post: Callable[[str, bytes], Answer]) -> None:
        sample = Sample(via, float(len(sent.samples) + 1), int(time.time() * 1000))
        line = f"verify {self.nonce} {via}"
        attributes = {"run": self.nonce, "via": via}
        bodies = [("/v1/metrics", otlp.metrics_json(self._resource(), GAUGE, attributes, sample.value, sample.milliseconds))]
        # Without a store for them the collector has no pipeline for logs, and answers 404.
        if self.has("loki"):
            bodies.append(("/v1/logs", otlp.logs_json(self._resource(), line, sample.milliseconds)))
        for path, body in bodies:
            try:
                answer = post(path, body)
                reason = answer.excerpt() if answer.status != 200 else otlp.rejected(answer.json())
            except ClusterError as error:
                reason = str(error)
            if reason:
                sent.refused.append(f"OTLP/HTTP {path} via {via}: {reason}")
            elif path == "/v1/metrics":
                sent.samples.append(sample)
            else:
                sent.logs[via] = line

    def _grpc(self, sent: Sent, pod: str, port: int) -> None:
        sample = Sample(f"{pod}-grpc", float(len(sent.samples) + 1), int(time.time() * 1000))
        message = otlp.metrics_protobuf(self._resource(), GAUGE, {"run": self.nonce, "via": sample.via}, sample.value, sample.milliseconds)
        try:
            otlp.grpc_call(self.cluster.forward(pod, port), f"{pod}:{port}", otlp.METRICS_METHOD, message)
            sent.samples.append(sample)
        except (otlp.OtlpError, ClusterError) as error:
            sent.refused.append(f"OTLP/gRPC to {pod}: {error}")

    def _accepted(self, pods: Sequence[str]) -> dict[str, float]:
        return {
            pod: sum(value for (name, _), value in self.page("otel_collector", pod).items() if "receiver_accepted_metric_points" in name)
            for pod in pods
        }

    # --- counters ---

    def page(self, component: str, pod: str) -> dict[tuple[str, Labels], float]:
        """Return the watched counters that a pod shows now."""
        answer = self.cluster.pod(pod, self.plan["components"][component]["metrics"], "/metrics", headers={"accept": "text/plain"})
        if answer.status != 200:
            raise ClusterError(f"/metrics of {pod} cannot be read: {answer.excerpt()}")
        return exposition(answer.text, WATCHED[component])

    def before(self, *components: str) -> None:
        """Note the counters of these components as they are, unless that has been done. Raises Failed when they cannot be read."""
        for component in components:
            self._before[component]()

    def counters(self, component: str) -> Page:
        """Return the watched counters of a component now: (pod, name, labels) -> value."""
        return {(pod, name, labels): value for pod in self.pods(component) for (name, labels), value in self.page(component, pod).items()}

    def risen(self, component: str, now: Page) -> Page:
        """Return by how much each counter has risen since the run began; one that was reset counts from zero."""
        before = self._before[component]()
        return {key: value - before[key] if key in before and before[key] <= value else value for key, value in now.items()}

    def nothing_lost(self, component: str, *names: str, delayed: Sequence[str] = ()) -> str:
        """Return a note that none of these counters has risen since the run began. Raises Failed with those that have.

        What a counter counts for a `reason` in `delayed` does not matter.
        """
        now = self.until(partial(self.counters, component))
        lost = [
            f"{pod}: {name}{_shown(labels)} rose by {value:.0f}"
            for (pod, name, labels), value in self.risen(component, now).items()
            if value > 0 and (name in names or f"{name}_total" in names) and dict(labels).get("reason") not in delayed
        ]
        if lost:
            raise Failed(f"{component} refused or gave up data during this run ({'; '.join(lost)}); its log says why")
        return f"{component}: nothing refused or given up"

    def nothing_neglected(self, component: str) -> str:
        """Return a note that a store's compactor does its duties. Raises Failed with those that it does not: its disk would fill up."""
        problems = neglected(DUTIES[component], self.until(partial(self.counters, component)), time.time())
        if problems:
            raise Failed(
                f"{component} keeps what is older than its retention, and its volume fills up: {'; '.join(problems)}; its log says why"
            )
        return f"{component}: compaction and retention work"

    # --- ingress ---

    def _front(self) -> Front:
        address = self.options.ingress_address or self._ingress_address()
        https = split_address(address, 443)
        http: tuple[str, int] | None = None
        if self.options.ingress_http_address:
            http = split_address(self.options.ingress_http_address, 80)
        elif https[1] == 443:
            http = (https[0], 80)
        secret = self.cluster.secret(self.plan["ingress"]["tls_secret"])
        return Front(https, http, secret.get("ca.crt") or secret.get("tls.crt", ""))

    def _ingress_address(self) -> str:
        hosts = {route["host"] for route in self.plan["ingress"]["routes"].values()}
        for ingress in self.cluster.ingresses():
            if hosts & {rule.get("host") for rule in ingress["spec"].get("rules", [])}:
                for entry in (ingress.get("status", {}).get("loadBalancer") or {}).get("ingress", []):
                    found: str = entry.get("ip") or entry.get("hostname", "")
                    if found:
                        return found
        raise Failed(
            "no Ingress of the stack has an address in its status; set verify_ingress_address to the one that users reach (IP or IP:port)"
        )

    def login(self, secret_name: str) -> dict[str, str]:
        """Return the header with which a user logs in. Raises Failed when the Secret does not hold a name and a password."""
        secret = self.cluster.secret(secret_name)
        missing = [key for key in ("username", "password") if key not in secret]
        if missing:
            raise Failed(f"Secret {secret_name} has no key {' and '.join(missing)}; it has {', '.join(secret) or 'none'}")
        return basic(secret["username"], secret["password"])

    # --- a word to look for, in every store ---

    def expression(self, component: str) -> str:
        """Return a query that a store answers with something of this run only."""
        if component != "loki":
            return f'up{{pod=~"verify-{self.nonce}-.+"}}'
        if self.has("otel_collector"):
            return f'{{service_name="{SERVICE_NAME}"}} |= "{self.nonce}"'
        return f'{{pod=~"verify-{self.nonce}-.+"}}'

    def query_path(self, component: str) -> tuple[str, list[tuple[str, str]]]:
        """Return path and parameters of that query, below the prefix of the store's API."""
        if component == "loki":
            return "/loki/api/v1/query_range", [
                ("query", self.expression(component)),
                ("start", str(int(self.started * 1e9))),
                ("limit", "1000"),
            ]
        return "/api/v1/query", [("query", self.expression(component))]

    def needs_word(self, component: str) -> None:
        """Make sure that what `expression` looks for has been sent."""
        if component == "loki" and self.has("otel_collector"):
            self.sent()
        else:
            self.probes()


_JSON = {"content-type": "application/json"}


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header of basic authentication."""
    return {"authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def _shown(labels: Labels) -> str:
    return f"{{{', '.join(f'{name}={value}' for name, value in labels)}}}" if labels else ""


def ready(pod: Mapping[str, Any] | None) -> bool:
    """Whether a pod (or a node) is ready."""
    conditions = (pod or {}).get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _schedulable(node: Mapping[str, Any]) -> bool:
    tainted = any(taint["effect"] in ("NoSchedule", "NoExecute") for taint in node["spec"].get("taints", []))
    return ready(node) and not tainted and not node["spec"].get("unschedulable", False)


def _why_waiting(pod: Mapping[str, Any] | None) -> str:
    if pod is None:
        return "it is gone"
    for status in pod["status"].get("containerStatuses", []):
        for state in ("waiting", "terminated"):
            if state in status.get("state", {}):
                found = status["state"][state]
                return f"{found.get('reason', state)} {found.get('message', '')}".strip()
    for condition in pod["status"].get("conditions", []):
        if condition["status"] == "False" and condition.get("message"):
            return str(condition["message"])
    return str(pod["status"].get("phase", "unknown"))


def probe_pod(plan: Mapping[str, Any], nonce: str, name: str, node: str, seconds: int) -> dict[str, Any]:
    """Return the probe: an idle Prometheus on a node, annotated like any application, that ends by itself soon after `seconds`.

    It is that image because the nodes have it already. Its metrics are what is scraped, its first log lines are what is tailed.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {**plan["labels"], RUN_LABEL: nonce},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": str(PROBE_PORT)},
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds + 60,
            "terminationGracePeriodSeconds": 5,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]
                    }
                }
            },
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "runAsGroup": 65534,
                "fsGroup": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "probe",
                    "image": plan["image"],
                    "imagePullPolicy": "IfNotPresent",
                    "args": ["--config.file=/dev/null", "--storage.tsdb.path=/data", f"--web.listen-address=:{PROBE_PORT}"],
                    "ports": [{"name": "http", "containerPort": PROBE_PORT}],
                    "readinessProbe": {"httpGet": {"path": "/-/ready", "port": "http"}, "periodSeconds": 1},
                    "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"cpu": "500m", "memory": "192Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
            "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "64Mi"}}],
        },
    }
