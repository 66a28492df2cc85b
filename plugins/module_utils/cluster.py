"""One namespace of a cluster: its objects, and through port-forwards its pods.

Nothing here needs a route into the cluster, so `verify` works wherever kubectl does. A port-forward is opened by the kubelet inside the
pod, so network policies do not apply to it, as they do to the API server's own proxy. All of it may be used from several threads.
"""

from __future__ import annotations

import base64
import json
import random
import socket
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack
from urllib.parse import quote, urlencode

try:
    from kubernetes import client
    from kubernetes.stream import portforward
except ImportError as error:
    # Modules report it; what they document has to be importable without.
    MISSING: ImportError | None = error
else:
    MISSING = None

from .answer import Answer, ClusterError, exchange
from .api_server import ApiServer, Query
from .credentials import inside

__all__ = ("METADATA", "MISSING", "Answer", "Cluster", "ClusterError", "Query", "Request", "exchange", "inside")

# The API server leaves out everything but the metadata: no content of a Secret comes along.
METADATA = {"accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"}


class Request(TypedDict, total=False):
    """What an HTTP request to a pod may have beside its path; a GET without it."""

    method: str
    query: Query
    headers: Mapping[str, str]
    body: bytes


class Cluster(ApiServer):
    """One namespace of a cluster, seen through its API server."""

    def __init__(self, kubeconfig: str, context: str, namespace: str, timeout: float = 15.0, *given: Any, **more: Any) -> None:
        """Load the credentials; the rest is that of an ApiServer."""
        super().__init__(kubeconfig, context, timeout, *given, **more)
        self.namespace = namespace

    def _named(self, kind: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{quote(self.namespace)}/{kind}{'/' + quote(name, safe=':') if name else ''}"

    def service(self, name: str, port: int, path: str, **request: Unpack[Request]) -> Answer:
        """Return what a ready endpoint of a Service answers, taken at random for each request; its ports are those of the Service."""
        endpoints = self.endpoints(name)
        if not endpoints:
            raise ClusterError(f"the Service {name} has no ready endpoint")
        return self.pod(random.choice(endpoints), port, path, **request)  # noqa: S311

    def endpoints(self, service: str) -> list[str]:
        """Return the names of the pods that are ready endpoints of a Service, sorted."""
        where = f"/apis/discovery.k8s.io/v1/namespaces/{quote(self.namespace)}/endpointslices"
        slices = self.items(where, [("labelSelector", f"kubernetes.io/service-name={service}")])
        return sorted(
            {
                endpoint["targetRef"]["name"]
                for found in slices
                for endpoint in found.get("endpoints") or []
                # Kubernetes API 1.36, EndpointConditions: not given means ready.
                if (endpoint.get("conditions") or {}).get("ready") is not False and endpoint.get("targetRef", {}).get("kind") == "Pod"
            }
        )

    def pod(self, name: str, port: int, path: str, **request: Unpack[Request]) -> Answer:
        """Return what that pod answers on that port."""
        query = request.get("query")
        target = f"{path}{'?' + urlencode(query) if query else ''}"
        connected = self.forward(name, port)
        return exchange(connected, f"{name}:{port}", request.get("method", "GET"), target, request.get("headers"), request.get("body"))

    def nodes(self) -> list[dict[str, Any]]:
        """Return all nodes."""
        return self.items("/api/v1/nodes")

    def pods(self, selector: Mapping[str, str] | str) -> list[dict[str, Any]]:
        """Return the pods with these labels (or that match this label selector)."""
        wanted = selector if isinstance(selector, str) else ",".join(f"{key}={value}" for key, value in selector.items())
        return self.items(self._named("pods"), [("labelSelector", wanted)])

    def create_pod(self, definition: Mapping[str, Any]) -> None:
        """Create a pod."""
        self.object("POST", self._named("pods"), body=definition)

    def delete_pods(self, names: Sequence[str], grace: int) -> None:
        """Delete pods, with that many seconds of grace. Pods that do not exist any more are ignored."""
        for name in names:
            answer = self.request(
                "DELETE",
                self._named("pods", name),
                headers={"content-type": "application/json"},
                body=json.dumps({"gracePeriodSeconds": grace}).encode(),
            )
            if answer.status not in (200, 202, 404):
                raise ClusterError(f"pod {name} could not be deleted: {answer.excerpt()}")

    def pod_log(self, name: str) -> list[str]:
        """Return the complete lines that a pod has written so far."""
        answer = self.request("GET", f"{self._named('pods', name)}/log")
        if answer.status != 200:
            raise ClusterError(f"the log of pod {name} cannot be read: {answer.excerpt()}")
        return answer.text.split("\n")[:-1]

    def secret(self, name: str) -> dict[str, str]:
        """Return the decoded content of a Secret."""
        data = self.object("GET", self._named("secrets", name)).get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def workload(self, kind: str, name: str) -> dict[str, Any]:
        """Return a StatefulSet, DaemonSet or Deployment."""
        return self.object("GET", f"/apis/apps/v1/namespaces/{quote(self.namespace)}/{kind.lower()}s/{quote(name)}")

    def ingresses(self) -> list[dict[str, Any]]:
        """Return the Ingresses of the namespace."""
        return self.items(f"/apis/networking.k8s.io/v1/namespaces/{quote(self.namespace)}/ingresses")

    def forward(self, pod: str, port: int) -> socket.socket:
        """Return a connected socket to a port of a pod, through the API server. Raises ClusterError when that fails."""
        # portforward() swaps a method of its client for the time of the call: one client for each.
        api = client.CoreV1Api(client.ApiClient(self._configuration))
        try:
            connected: socket.socket = portforward(api.connect_get_namespaced_pod_portforward, pod, self.namespace, ports=str(port)).socket(
                port
            )
        except client.ApiException as error:
            # Behind that come the headers of the answer.
            reason = str(error.reason).partition(" -+-+- ")[0]
            raise ClusterError(f"no port-forward to port {port} of pod {pod}: {reason}") from error
        connected.settimeout(self.timeout)
        return connected
