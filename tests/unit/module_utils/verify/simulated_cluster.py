"""A simulated cluster with a stack: what its API server, the components and the ingress answer.

It holds what a correctly configured stack would hold, and counts what is sent to it; a test introduces one fault and looks which
connections fail.
"""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue
from ansible_collections.observability.stack.plugins.module_utils.stack.addressing import pod_names
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import instance, selector
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack

from tests.unit.module_utils.verify.self_signed import certificate
from tests.unit.module_utils.verify.simulated_pages import page
from tests.unit.module_utils.verify.simulated_stores import SimulatedStores

PASSWORD = "right horse battery"  # noqa: S105 - of this cluster only
# Of a StatefulSet with two replicas, the second one is not ready and so no endpoint of its Service.
NOT_READY = {"prometheus-1 is no endpoint": "prometheus-1", "one collector": "otel-collector-1"}


def component_of(pod: str) -> str:
    """Return the component of a pod: "otel-collector-0" -> "otel_collector"."""
    return pod.rpartition("-")[0].replace("-", "_")


def basic(user: str) -> str:
    """Return the value of the header with which a user logs in."""
    return f"Basic {base64.b64encode(f'{user}:{PASSWORD}'.encode()).decode()}"


class SimulatedCluster(SimulatedStores):
    """A cluster with a stack. `fault` names what is wrong with it."""

    def __init__(self, stack: Stack, fault: str = "") -> None:
        super().__init__(stack, fault)
        self.looks = 0
        self.certificate, self.key = certificate(
            ["elsewhere.example.com"] if fault == "certificate" else list(stack.hosts.values()),
            {"old certificate": -1.0, "ending certificate": 20.5}.get(fault, 90.0),
        )
        for component in stack.installed():
            for number in range(self.desired(component)):
                name = f"{catalogue.workload_name(component)}-{number}"
                self.run(name, self.nodes[number % len(self.nodes)], selector(stack, component))

    def desired(self, component: str) -> int:
        """Return how many pods the workload of a component asks for."""
        if self.fault == f"{component} is scaled to zero":
            return 0
        return self.stack.replicas.get(component, len(self.nodes))

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
        if path.startswith(f"/apis/apps/v1/namespaces/{self.stack.namespace}/"):
            return 200, self._workload(path.rpartition("/")[2])
        return 404, {"message": f"the server has no {path}"}

    def _workload(self, name: str) -> dict[str, Any]:
        component = name.replace("-", "_")
        count = self.desired(component)
        available = count - (self.fault == f"{component} is not available")
        keys = ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")
        if (kind := catalogue.component(component).workload) != "DaemonSet":
            keys = ("replicas", "updatedReplicas", "availableReplicas")
        return {
            "kind": kind,
            "metadata": {"name": name, "uid": name, "generation": 1},
            "spec": {} if kind == "DaemonSet" else {"replicas": count},
            "status": {"observedGeneration": 1, **dict(zip(keys, (count, count, available), strict=True))},
        }

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
            "metadata": {"name": name},
            "endpoints": [
                {"targetRef": {"kind": "Pod", "name": pod}, "conditions": {"ready": pod != NOT_READY.get(self.fault)}}
                for pod in pod_names(self.stack, component)
            ],
        }

    # --- pods ---

    def pod(self, pod: str, port: int, method: str, path: str, query: dict[str, str], body: bytes, authorization: str) -> tuple[int, Any]:
        """Answer as a pod does on one of its ports."""
        component = component_of(pod)
        row = catalogue.component(component)
        if path == "/metrics" and port == row.ports[row.metrics]:
            return 200, self.page(pod)
        if path == row.ready and port == row.ports[row.health]:
            return (503, "starting") if self.fault == f"{pod} is not ready" else (200, "")
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

    def grafana(self, path: str, query: dict[str, str], authorization: str) -> tuple[int, Any]:
        """Answer as Grafana does about its data sources."""
        if authorization != basic("admin"):
            return 401, {"message": "Invalid username or password"}
        if path.endswith("/health"):
            return (500, {"message": "connection refused"}) if self.fault == "data source" else (200, {"status": "OK"})
        source, _, api = path.removeprefix("/api/datasources/proxy/uid/").partition("/")
        return self.store(source, f"/{api}", query)

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
