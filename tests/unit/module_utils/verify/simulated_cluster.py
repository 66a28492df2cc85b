"""A simulated cluster with a stack: what its API server, the components and the ingress answer.

It holds what a correctly configured stack would hold, and counts what is sent to it; a test introduces one fault and looks which
connections fail.
"""

from __future__ import annotations

import base64
import datetime
import json
import re
import threading
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue
from ansible_collections.observability.stack.plugins.module_utils.stack.addressing import pod_names
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.high_availability import COLLECTOR_LABEL, REPLICA_LABEL
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import instance, selector
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack

from tests.unit.module_utils.verify.self_signed import certificate
from tests.unit.module_utils.verify.simulated_pages import page

PASSWORD = "right horse battery"  # noqa: S105 - of this cluster only
# Of a StatefulSet with two replicas, the second one is not ready and so no endpoint of its Service.
NOT_READY = {"prometheus-1 is no endpoint": "prometheus-1", "one collector": "otel-collector-1"}


def component_of(pod: str) -> str:
    """Return the component of a pod: "otel-collector-0" -> "otel_collector"."""
    return pod.rpartition("-")[0].replace("-", "_")


def basic(user: str) -> str:
    """Return the value of the header with which a user logs in."""
    return f"Basic {base64.b64encode(f'{user}:{PASSWORD}'.encode()).decode()}"


class SimulatedCluster:
    """A cluster with a stack. `fault` names what is wrong with it."""

    def __init__(self, stack: Stack, fault: str = "") -> None:
        self.stack = stack
        self.fault = fault
        self.nodes = ["node-1", "node-2", "node-3"]
        self.pods: dict[str, dict[str, Any]] = {}
        self.samples: list[dict[str, Any]] = []
        self.logs: list[str] = []
        self.accepted = dict.fromkeys(pod_names(stack, "otel_collector"), 0)
        self.looks = 0
        self.reads = 0
        self.now = datetime.datetime.now(datetime.UTC)
        self.certificate, self.key = certificate(
            ["elsewhere.example.com"] if fault == "certificate" else list(stack.hosts.values()),
            {"old certificate": -1.0, "ending certificate": 20.5}.get(fault, 90.0),
        )
        self.lock = threading.Lock()
        if stack.has("alloy"):
            for number, node in enumerate(self.nodes):
                self.run(f"alloy-{number}", node, selector(stack, "alloy"))
        self.run("grafana-0", "node-1", selector(stack, "grafana"))

    def run(self, name: str, node: str, labels: dict[str, str], age: int = 0) -> None:
        """Add a pod that is ready, and so many seconds old."""
        created = self.now - datetime.timedelta(seconds=age)
        self.pods[name] = {
            "metadata": {"name": name, "labels": labels, "creationTimestamp": created.strftime("%Y-%m-%dT%H:%M:%SZ")},
            "spec": {"nodeName": node},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        }

    # --- the API server ---

    def kubernetes(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Answer as the API server does."""
        namespace = f"/api/v1/namespaces/{self.stack.namespace}"
        if path == "/api/v1/nodes":
            taints = [{"key": "only-others", "effect": "NoSchedule"}] if self.fault == "taints" else []
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            return 200, {"items": [{"metadata": {"name": node}, "spec": {"taints": taints}, "status": ready} for node in self.nodes]}
        if path == f"{namespace}/pods" and method == "POST":
            return self._create(json.loads(body))
        if path == f"{namespace}/pods":
            selectors = query["labelSelector"].split(",")
            return 200, {"items": [pod for pod in list(self.pods.values()) if _selected(pod["metadata"]["labels"], selectors)]}
        if method == "DELETE":
            self.pods.pop(path.rpartition("/")[2], None)
            return 200, {}
        if path.endswith("/log"):
            return 200, "\n".join(self.lines(path.split("/")[-2])) + "\n"
        if path.startswith(f"{namespace}/secrets/"):
            return self._secret(path.rpartition("/")[2])
        if path == f"/apis/networking.k8s.io/v1/namespaces/{self.stack.namespace}/ingresses":
            return 200, {"items": []}
        if path == f"/apis/discovery.k8s.io/v1/namespaces/{self.stack.namespace}/endpointslices":
            return 200, {"items": [self._endpoints(query["labelSelector"])]}
        return 404, {"message": f"the server has no {path}"}

    def _create(self, pod: dict[str, Any]) -> tuple[int, Any]:
        if self.fault == "quota":
            return 403, {"message": "exceeded quota: pods"}
        name = pod["metadata"]["name"]
        node = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0][
            "matchFields"
        ][0]["values"][0]
        self.run(name, node, pod["metadata"]["labels"])
        if self.fault == "image":
            self.pods[name]["status"] = {
                "phase": "Pending",
                "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "no route"}}}],
            }
        return 201, pod

    def _secret(self, name: str) -> tuple[int, Any]:
        contents = {
            self.stack.tls_secret: {"tls.crt": self.certificate.decode()},
            "grafana-admin": {"username": "admin", "password": PASSWORD},
            "observability-basic-auth": {"username": "users", "password": PASSWORD},
        }
        if name not in contents:
            return 404, {"message": f'secrets "{name}" not found'}
        return 200, {"data": {key: base64.b64encode(value.encode()).decode() for key, value in contents[name].items()}}

    def _endpoints(self, wanted: str) -> dict[str, Any]:
        """Return the EndpointSlice of a Service of a StatefulSet."""
        name = wanted.removeprefix("kubernetes.io/service-name=")
        component = next(component for component in CATALOGUE if catalogue.workload_name(component) == name)
        return {
            "endpoints": [
                {"targetRef": {"kind": "Pod", "name": pod}, "conditions": {"ready": pod != NOT_READY.get(self.fault)}}
                for pod in pod_names(self.stack, component)
            ]
        }

    def probes(self) -> list[str]:
        """Return the probe pods that run."""
        return [name for name in list(self.pods) if name.startswith("verify-")]

    def lines(self, pod: str) -> list[str]:
        """Return what a pod has written."""
        return [f"line {number} of {pod}" for number in range(5)]

    # --- pods ---

    def pod(self, pod: str, port: int, method: str, path: str, query: dict[str, str], body: bytes, authorization: str) -> tuple[int, Any]:
        """Answer as a pod does on one of its ports."""
        component = component_of(pod)
        row = catalogue.component(component)
        if path == "/metrics" and port == row.ports[row.metrics]:
            return 200, self.page(pod)
        if component == "otel_collector":
            return self.otlp(pod, path, json.loads(body)) if port == row.ports["otlp-http"] and method == "POST" else (404, "")
        if component == "grafana":
            return self.grafana(path, query, authorization)
        return self.store(pod, path.removeprefix("/prometheus"), query)

    def page(self, pod: str) -> str:
        """Return the metrics of a pod; those that rise do so with every look."""
        self.looks += 1
        return page(pod, self.fault, instance(self.stack), self.looks, self.accepted.get(pod, 0))

    def otlp(self, pod: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Take what a collector takes."""
        if self.fault == f"{pod} rejects":
            return 503, {"message": "queue is full"}
        if path == "/v1/metrics" and self.stack.has("prometheus"):
            (metric,) = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
            (point,) = metric["gauge"]["dataPoints"]
            labels = {entry["key"]: entry["value"]["stringValue"] for entry in point["attributes"]}
            self.take(pod, metric["name"], labels, point["asDouble"], int(point["timeUnixNano"]) // 1_000_000)
        elif path == "/v1/logs" and self.stack.has("loki"):
            self.logs.append(body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["body"]["stringValue"])
        else:
            return 404, "404 page not found"
        return 200, {"partialSuccess": {"rejectedDataPoints": "1", "errorMessage": "too old"}} if self.fault == "partial" else {}

    def take(self, pod: str, name: str, labels: dict[str, str], value: float, milliseconds: int) -> None:
        """Keep a sample that a collector was sent."""
        with self.lock:
            self.accepted[pod] += 1
            collector = {} if self.fault == "no collector label" else {COLLECTOR_LABEL: "otel"}
            self.samples.append({"metric": {"__name__": name, **labels, **collector}, "point": [milliseconds / 1000, str(value)]})

    def grafana(self, path: str, query: dict[str, str], authorization: str) -> tuple[int, Any]:
        """Answer as Grafana does about its data sources."""
        if authorization != basic("admin"):
            return 401, {"message": "Invalid username or password"}
        if path.endswith("/health"):
            return (500, {"message": "connection refused"}) if self.fault == "data source" else (200, {"status": "OK"})
        source, _, api = path.removeprefix("/api/datasources/proxy/uid/").partition("/")
        return self.store(source, f"/{api}", query)

    # --- stores ---

    def store(self, name: str, path: str, query: dict[str, str]) -> tuple[int, Any]:
        """Answer a path of a store: of one of its pods, or of one through a data source or the ingress."""
        if path.endswith("/query_range"):
            return self.loki(query["query"])
        if path.endswith("/query"):
            return self.metrics(name, query["query"])
        if path.endswith("/runtimeinfo"):
            if name == "prometheus":
                # Through the ingress.
                self.reads += 1
                name = "prometheus-0" if self.fault == "pinned" else f"prometheus-{self.reads % 2}"
            return 200, {"data": {"hostname": name}}
        if path == "/distributor/ha_tracker":
            elected = {"cluster": instance(self.stack), "replica": "prometheus-0"}
            return 200, {"elected": [] if self.fault == "no replica elected" else [elected]}
        return 404, "404 page not found"

    def metrics(self, store: str, expression: str) -> tuple[int, Any]:
        """Answer an instant query."""
        now = self.now.timestamp() + 60
        mimir = store.startswith("mimir")
        if store == "prometheus-1" and self.fault == "prometheus-1 is empty":
            return 200, {"data": {"result": []}}
        result: list[dict[str, Any]] = []
        if expression.startswith("observability_verify"):
            for number, sample in enumerate(self.samples):
                if self.fault == "pushed through a Service" and store == f"prometheus-{number % 2}":
                    continue
                late = 0.5 if self.fault == "wrong time" else 0
                result.append({"metric": sample["metric"], "values": [[sample["point"][0] + late, sample["point"][1]]]})
                if mimir and self.fault == "duplicated samples":
                    result.append({"metric": {**sample["metric"], REPLICA_LABEL: "prometheus-1"}, "values": [sample["point"]]})
        elif "node_uname_info" in expression:
            age = 3600 if self.fault == "old node metrics" else 0
            nodes = self.nodes[:2] if self.fault == "one node is silent" else self.nodes
            result = [{"metric": {"instance": node}, "value": [now, str(now - age)]} for node in nodes]
        else:
            name = expression.partition("{")[0]
            value = "0" if name == "up" and self.fault == "scrape fails" else "1"
            copies = [{REPLICA_LABEL: "prometheus-0"}] if mimir and self.fault == "replica label" else [{}]
            copies += [{REPLICA_LABEL: "prometheus-1"}] if mimir and self.fault == "duplicated scrapes" else []
            result = [
                {"metric": {"__name__": name, "pod": pod, **extra}, "value": [now, value]} for pod in self.probes() for extra in copies
            ]
        return 200, {"data": {"result": result}}

    def loki(self, expression: str) -> tuple[int, Any]:
        """Answer a log query."""
        if expression.startswith("{service_name"):
            found = self.logs[:-1] if self.fault == "lost record" else self.logs
        else:
            match = re.search(r'pod="([^"]+)"', expression)
            found = self.lines(match[1]) if match else [line for pod in self.probes() for line in self.lines(pod)]
            found = found[1:] if self.fault == "lost line" else [*found, found[-1]] if self.fault == "duplicated line" else found
        return 200, {"data": {"result": [{"stream": {}, "values": [[str(number), line] for number, line in enumerate(found)]}]}}

    # --- the ingress ---

    def ingress(self, host: str, method: str, path: str, query: dict[str, str], authorization: str) -> tuple[int, Any]:
        """Answer a user."""
        component = host.partition(".")[0]
        if component == "grafana":
            if path == "/metrics" and self.fault != "open paths":
                return 401, "authorization required"
            return (502, "bad gateway") if self.fault == "grafana down" else (200, {"database": "ok"})
        if authorization != basic("users") and self.fault != "no login":
            return 401, "authorization required"
        if method == "POST" or "/api/v1/" not in path:
            return (204, "") if self.fault == "open paths" else (404, "not found")
        return self.store(component, path.removeprefix("/prometheus"), query)


def _selected(labels: dict[str, str], selectors: list[str]) -> bool:
    """Whether labels satisfy all selectors, each `name=value` or `name`."""
    return all(selector in labels or selector in {f"{name}={value}" for name, value in labels.items()} for selector in selectors)
