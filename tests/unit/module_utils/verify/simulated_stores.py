"""What the stores of a simulated stack hold, and what they answer."""

from __future__ import annotations

import datetime
import re
import threading
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.stack.addressing import pod_names
from ansible_collections.observability.stack.plugins.module_utils.stack.high_availability import COLLECTOR_LABEL, REPLICA_LABEL
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import instance
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack


class SimulatedStores:
    """The pods of a cluster and what they have written, the samples and records that were sent. `fault` names what is wrong."""

    def __init__(self, stack: Stack, fault: str) -> None:
        self.stack = stack
        self.fault = fault
        self.nodes = ["node-1", "node-2", "node-3"]
        self.pods: dict[str, dict[str, Any]] = {}
        self.samples: list[dict[str, Any]] = []
        self.logs: list[str] = []
        # HTTP methods of all requests, of the API server, the pods and the ingress.
        self.methods: set[str] = set()
        self.accepted = dict.fromkeys(pod_names(stack, "otel_collector"), 0)
        self.reads = 0
        self.now = datetime.datetime.now(datetime.UTC)
        self.lock = threading.Lock()

    def probes(self) -> list[str]:
        """Return the probe pods that run."""
        return [name for name in list(self.pods) if name.startswith("verify-")]

    def lines(self, pod: str) -> list[str]:
        """Return what a pod has written."""
        return [f"line {number} of {pod}" for number in range(5)]

    def take(self, pod: str, name: str, labels: dict[str, str], value: float, milliseconds: int) -> None:
        """Keep a sample that a collector was sent."""
        with self.lock:
            self.accepted[pod] += 1
            collector = {} if self.fault == "no collector label" else {COLLECTOR_LABEL: "otel"}
            self.samples.append({"metric": {"__name__": name, **labels, **collector}, "point": [milliseconds / 1000, str(value)]})

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
        if path in ("/ring", "/ingester/ring"):
            state = "UNHEALTHY" if self.fault == f"{name} is unhealthy" else "ACTIVE"
            return 200, {"shards": [{"id": name, "state": state}]}
        if path == "/distributor/ha_tracker":
            elected = {"cluster": instance(self.stack), "replica": "prometheus-0"}
            return 200, {"elected": [] if self.fault == "no replica elected" else [elected]}
        return 404, "404 page not found"

    def metrics(self, store: str, expression: str) -> tuple[int, Any]:
        """Answer an instant query."""
        # Where a run sends something, what it waits for is newer than the run.
        now = self.now.timestamp() + 60
        mimir = store.startswith("mimir")
        if store == "prometheus-1" and self.fault == "prometheus-1 is empty":
            return 200, {"data": {"result": []}}
        result: list[dict[str, Any]] = []
        if expression == "count(up)":
            result = [] if mimir and self.fault == "mimir is empty" else [{"metric": {}, "value": [now, "7"]}]
        elif expression.startswith("up{namespace="):
            job = expression.partition('job="')[2].partition('"')[0]
            value = "0" if self.fault == f"{job} is not scraped" else "1"
            pods = [pod for pod in self.pods if pod.rpartition("-")[0] == job and self.fault != f"{job} is no target"]
            result = [{"metric": {"pod": pod}, "value": [now, value]} for pod in pods]
        elif expression.startswith("observability_verify"):
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
            ages = {"duplicated node metrics": [0, 0], "replaced agents": [240, 0]}.get(self.fault, [age])
            result = [{"metric": {"instance": node}, "value": [now, str(now - age)]} for node in nodes for age in ages]
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
        if expression == "vector(1)":
            return 200, {"data": {"result": [{"metric": {}, "values": [[0, "1"]]}]}}
        if expression.startswith("{service_name"):
            found = self.logs[:-1] if self.fault == "lost record" else self.logs
        else:
            match = re.search(r'pod="([^"]+)"', expression)
            found = self.lines(match[1]) if match else [line for pod in self.probes() for line in self.lines(pod)]
            found = found[1:] if self.fault == "lost line" else [*found, found[-1]] if self.fault == "duplicated line" else found
        return 200, {"data": {"result": [{"stream": {}, "values": [[str(number), line] for number, line in enumerate(found)]}]}}
