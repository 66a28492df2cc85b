"""The generator: one pod of the sample application, on a node that no fault touches."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.stack import addressing, catalogue, kubernetes
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.stack.rollouts import waiting_pods

from tests.failover.account import Run
from tests.failover.waiting import wait

NAMESPACE = "observability-failover"
POD = "generator"
_PORT = catalogue.port("sample_application", "http")


def pod(stack: Stack, identifier: str, node: str, paths: Sequence[str], interval: str) -> dict[str, Any]:
    """Return the pod that makes events of the run `identifier` on these paths, one per `interval` (as Go writes a duration) and path."""
    otlp = {name: addressing.url(stack, "otel_collector", f"otlp-{name}") for name in ("grpc", "http")}
    arguments = [
        f"--run-id={identifier}",
        f"--interval={interval}",
        f"--metrics-address=:{_PORT}",
        f"--otlp-grpc-endpoint={urlsplit(otlp['grpc']).netloc}",
        f"--otlp-http-endpoint={otlp['http']}",
        f"--paths={','.join(paths)}",
        *(f"--remote-write-url={url}" for url in addressing.replica_urls(stack, "prometheus", "/api/v1/write").values()),
    ]

    def field(name: str, path: str) -> dict[str, Any]:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    attributes = {"k8s.namespace.name": "$(POD_NAMESPACE)", "k8s.pod.name": "$(POD_NAME)", "k8s.pod.uid": "$(POD_UID)"}
    made = skeleton(stack, POD, "failover-generator", node, arguments)
    made["metadata"]["annotations"] = kubernetes.pod_metadata(stack, "sample_application")["annotations"]
    made["spec"]["containers"][0] |= {
        "env": [
            field("POD_NAME", "metadata.name"),
            field("POD_NAMESPACE", "metadata.namespace"),
            field("POD_UID", "metadata.uid"),
            {"name": "OTEL_SERVICE_NAME", "value": "failover-generator"},
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
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": app}},
        "spec": {
            **({"nodeName": node} if node else {}),
            # A second start would number from one again.
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 5,
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
    there = Counter((pod["spec"].get("nodeName"), pod["metadata"]["labels"].get("app.kubernetes.io/name")) for pod in pods)
    return min(nodes, key=lambda node: (there[node, "prometheus"], there[node, "otel-collector"], node))


def identifier() -> str:
    """Return a name for a run that nothing else has."""
    return f"failover-{secrets.token_hex(4)}"


def make_namespace(cluster: Cluster) -> None:
    """Make NAMESPACE, in place of what a run before has left."""
    remove_namespace(cluster)
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "app.kubernetes.io/name": "failover-generator"}
    definition = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
    cluster.object("POST", "/api/v1/namespaces", body=definition)


def remove_namespace(cluster: Cluster) -> None:
    """Remove NAMESPACE with everything in it, and wait until it is gone."""
    path = f"/api/v1/namespaces/{NAMESPACE}"
    if cluster.request("DELETE", path).status != 404:
        wait(180, lambda: cluster.request("GET", path).status == 404, f"the namespace {NAMESPACE} does not go away")


def created(cluster: Cluster, definition: dict[str, Any]) -> bool:
    """Create a pod, and return that it was."""
    cluster.create_pod(definition)
    return True


@dataclass
class Generator:
    """The running generator. `status` is what it says about itself, see tools/sample_application."""

    cluster: Cluster
    identifier: str

    @classmethod
    def start(cls, cluster: Cluster, stack: Stack, node: str, paths: Sequence[str], interval: str) -> Generator:
        """Start the pod, in place of any that a run before has left, and wait until it answers. `cluster` is seen in NAMESPACE."""
        found = cls(cluster, identifier())
        make_namespace(cluster)
        # The service account of a new namespace comes a moment later; without it pods are refused.
        wait(15, lambda: created(cluster, pod(stack, found.identifier, node, paths, interval)), "the generator cannot be made")
        wait(60, found._answers, lambda: f"the generator does not start: {found._reason()}")
        return found

    def remove(self) -> None:
        """Remove the namespace with everything in it, and wait until it is gone."""
        remove_namespace(self.cluster)

    def _answers(self) -> bool:
        return self.cluster.pod(POD, _PORT, "/healthz").status == 200

    def _reason(self) -> str:
        pods = self.cluster.pods({"app.kubernetes.io/name": "failover-generator"})
        return "; ".join(found["why"] for found in waiting_pods(pods)) or "its pod is ready, and does not answer"

    def status(self) -> dict[str, Any]:
        """Return the account that the generator gives of itself."""
        return self._ask("GET", "/status")

    def stop(self, patience: float) -> dict[str, Any]:
        """Let no more events come, wait until all are delivered, and return the last account.

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

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        answer = self.cluster.pod(POD, _PORT, path, method=method)
        if not 200 <= answer.status < 300:
            raise ClusterError(f"the generator does not answer: {answer.excerpt()}")
        found: dict[str, Any] = answer.json()
        return found
