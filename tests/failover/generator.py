"""The generator: one pod of the sample application, on a node that no fault touches."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue, kubernetes
from ansible_collections.observability.stack.plugins.module_utils.stack.addressing import replica_urls, url
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import NAME
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.stack.rollouts import waiting_pods

from tests.failover import queries
from tests.failover.results import Run
from tests.failover.waiting import wait

NAMESPACE = "observability-failover"
POD = "generator"
APP = "failover-generator"
_PORT = catalogue.port("sample_application", "http")
_DNS = {"ndots": "2", "timeout": "2", "attempts": "4"}


def pod(stack: Stack, identifier: str, node: str, paths: Sequence[str], interval: str, addresses: Mapping[str, str]) -> dict[str, Any]:
    """Return the pod that makes events of the run `identifier` on these paths, one per `interval` (as Go writes a duration) and path.

    It also queries the stores, at the `addresses` of their Services, as often.
    """
    otlp = {name: url(stack, "otel_collector", f"otlp-{name}") for name in ("grpc", "http")}
    arguments = [
        f"--run-id={identifier}",
        f"--interval={interval}",
        f"--metrics-address=:{_PORT}",
        f"--otlp-grpc-endpoint={urlsplit(otlp['grpc']).netloc}",
        f"--otlp-http-endpoint={otlp['http']}",
        f"--paths={','.join(paths)}",
        *(f"--remote-write-url={address}" for address in replica_urls(stack, "prometheus", "/api/v1/write").values()),
        *(f"--query={name}={address}" for name, address in queries.urls(APP, identifier, paths, addresses).items()),
        *([f"--query-tenant={stack.tenant}"] if stack.tenant else []),
    ]

    def field(name: str, path: str) -> dict[str, Any]:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    attributes = {"k8s.namespace.name": "$(POD_NAMESPACE)", "k8s.pod.name": "$(POD_NAME)", "k8s.pod.uid": "$(POD_UID)"}
    made = skeleton(stack, POD, APP, node, arguments)
    made["metadata"]["annotations"] = kubernetes.pod_metadata(stack, "sample_application")["annotations"]
    made["spec"]["containers"][0] |= {
        "env": [
            field("POD_NAME", "metadata.name"),
            field("POD_NAMESPACE", "metadata.namespace"),
            field("POD_UID", "metadata.uid"),
            {"name": "OTEL_SERVICE_NAME", "value": APP},
            {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": ",".join(f"{key}={value}" for key, value in attributes.items())},
        ],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": _PORT}, "periodSeconds": 1},
    }
    return made


def skeleton(stack: Stack, name: str, app: str, node: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Return a pod of the sample application, on `node` or, when that is empty, wherever the scheduler puts it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {NAME: app}},
        "spec": {
            **({"nodeName": node} if node else {}),
            # A second start would number from one again.
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 5,
            # As the pods of the stack: otherwise queries wait for the DNS server on a lost node, not for a store.
            "dnsConfig": {"options": [{"name": name, "value": value} for name, value in _DNS.items()]},
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "generator",
                    "image": stack.images["sample_application"],
                    "imagePullPolicy": "IfNotPresent",
                    "args": list(arguments),
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


def choose_node(nodes: Sequence[str], pods: Sequence[dict[str, Any]]) -> str:
    """Return the node with the fewest Prometheus pods and then the fewest collectors: another one can then be lost."""
    there = Counter((pod["spec"].get("nodeName"), pod["metadata"]["labels"].get(NAME)) for pod in pods)
    return min(nodes, key=lambda node: (there[node, "prometheus"], there[node, "otel-collector"], node))


def identifier() -> str:
    """Return a name for a run that nothing else has."""
    return f"failover-{secrets.token_hex(4)}"


def make_namespace(cluster: Cluster) -> None:
    """Make NAMESPACE, in place of what a run before has left."""
    remove_namespace(cluster)
    labels = {"pod-security.kubernetes.io/enforce": "restricted", NAME: APP}
    definition = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
    cluster.object("POST", "/api/v1/namespaces", body=definition)


def remove_namespace(cluster: Cluster) -> None:
    """Remove NAMESPACE with everything in it, and wait until it is gone."""
    path = f"/api/v1/namespaces/{NAMESPACE}"
    if cluster.request("DELETE", path).status != 404:
        wait(180, lambda: cluster.request("GET", path).status == 404, f"the namespace {NAMESPACE} is not removed")


def created(cluster: Cluster, definition: dict[str, Any]) -> bool:
    """Create a pod, and return that it was."""
    cluster.create_pod(definition)
    return True


@dataclass
class Generator:
    """The running generator. `status` is its own account of the events, see tools/sample_application. `cluster` is seen in NAMESPACE."""

    cluster: Cluster
    stack: Stack
    identifier: str = field(default_factory=identifier)

    def start(self, node: str, paths: Sequence[str], interval: str, asks: bool = True) -> None:
        """Start the pod, in place of any that a run before has left, and wait until it answers. It queries the stores if it `asks`."""
        make_namespace(self.cluster)
        self._remove_policies()
        if self.stack.network_policies:
            for policy in queries.policies(self.stack, NAMESPACE, APP):
                self.cluster.object("POST", self._policies, body=policy)
        definition = pod(self.stack, self.identifier, node, paths, interval, queries.addresses(self.cluster, self.stack) if asks else {})
        # The service account of a new namespace comes a moment later; without it pods are rejected.
        wait(15, lambda: created(self.cluster, definition), "the generator cannot be made")
        wait(60, self._answers, lambda: f"the generator does not start: {self._reason()}")

    def remove(self) -> None:
        """Remove the namespace with everything in it and the policies, and wait until it is gone."""
        self._remove_policies()
        remove_namespace(self.cluster)

    @property
    def _policies(self) -> str:
        return f"/apis/networking.k8s.io/v1/namespaces/{self.stack.namespace}/networkpolicies"

    def _remove_policies(self) -> None:
        for policy in queries.policies(self.stack, NAMESPACE, APP):
            self.cluster.request("DELETE", f"{self._policies}/{policy['metadata']['name']}")

    def _answers(self) -> bool:
        return self.cluster.pod(POD, _PORT, "/healthz").status == 200

    def _reason(self) -> str:
        pods = self.cluster.pods({NAME: APP})
        return "; ".join(found["why"] for found in waiting_pods(pods)) or "its pod is ready, and does not answer"

    def status(self) -> dict[str, Any]:
        """Return what the generator has sent so far."""
        return self._ask("GET", "/status")

    def deliveries(self, after: int) -> list[dict[str, Any]]:
        """Return each attempt to push an event, from the one after that sequence number on; see tools/sample_application."""
        answer = self.cluster.pod(POD, _PORT, "/deliveries", query=[("after", str(after))])
        if answer.status != 200:
            raise ClusterError(f"the generator does not answer: {answer.excerpt()}")
        return list(json.loads(answer.text))

    def stop(self, patience: float) -> dict[str, Any]:
        """End the events, wait until all are delivered, and return the last status.

        Raises ClusterError when that takes longer than `patience` seconds.
        """
        self._ask("POST", "/stop")
        wait(patience, lambda: bool(self.status()["drained"]), "the generator cannot deliver its last events")
        return self.status()

    def number(self) -> int:
        """Return the number of the latest event."""
        return max(int(path["generated"]) for path in self.status()["paths"])

    def run(self) -> Run:
        """Return the events so far."""
        status = self.status()
        start = datetime.fromisoformat(status["started"])
        return Run(self.identifier, round(start.timestamp() * 1000), round(status["interval_seconds"] * 1000), self.number())

    def queries(self) -> dict[str, tuple[int, dict[int, str]]]:
        """Return what `queries.accounts` does of the queries so far."""
        return queries.accounts(self.status().get("queries", []))

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        answer = self.cluster.pod(POD, _PORT, path, method=method)
        if not 200 <= answer.status < 300:
            raise ClusterError(f"the generator does not answer: {answer.excerpt()}")
        found: dict[str, Any] = answer.json()
        return found
