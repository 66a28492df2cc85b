"""HTTP to the Kubernetes API server, and through port-forwards to the pods of one namespace.

Nothing here needs a route into the cluster, so `verify` works wherever kubectl does. A port-forward is opened by the kubelet inside the
pod, so network policies do not apply to it, as they do to the API server's own proxy. All of it may be used from several threads.
"""

from __future__ import annotations

import base64
import json
import os
import random
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, Unpack
from urllib.parse import quote, urlencode

try:
    import urllib3
    from kubernetes import client, config
    from kubernetes.stream import portforward
except ImportError as error:
    # Modules report it; what they document has to be importable without.
    MISSING: ImportError | None = error
else:
    MISSING = None

from .answer import Answer, ClusterError, exchange

__all__ = ("METADATA", "MISSING", "Answer", "Cluster", "ClusterError", "Query", "Request", "exchange", "inside")

Query = Sequence[tuple[str, str]]
# The API server leaves out everything but the metadata: no content of a Secret comes along.
METADATA = {"accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"}
# Answers of an API server that is starting, overloaded, or without its database for a moment.
_BUSY = (429, 503, 504)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


class Request(TypedDict, total=False):
    """What an HTTP request to a pod may have beside its path; a GET without it."""

    method: str
    query: Query
    headers: Mapping[str, str]
    body: bytes


def inside(kubeconfig: str, context: str) -> bool:
    """Whether the credentials are those of the pod in which this runs: nothing else is named, as kubernetes.core has it, too."""
    return not kubeconfig and not context and "KUBERNETES_SERVICE_HOST" in os.environ


class Cluster:
    """One namespace of a cluster, seen through its API server."""

    def __init__(
        self,
        kubeconfig: str,
        context: str,
        namespace: str,
        timeout: float = 15.0,
        patience: float = 0.0,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """Load the credentials; an empty `kubeconfig` or `context` means the usual one.

        `timeout` is that of one request. For `patience` a request is repeated while the API server does not answer, or is too busy to;
        `say` gets a line about it. Both in seconds. Whoever has patience must send nothing that may not arrive twice.
        """
        self.namespace = namespace
        self.timeout = timeout
        self._patience = patience
        self._say = say
        self._configuration = client.Configuration()
        try:
            if inside(kubeconfig, context):
                config.load_incluster_config(client_configuration=self._configuration)
            else:
                config.load_kube_config(kubeconfig or None, context or None, self._configuration, persist_config=False)
        except (config.ConfigException, OSError) as error:
            raise ClusterError(
                f"no usable kubeconfig ({kubeconfig or 'the default one'}, context {context or 'the current one'}): {error}"
            ) from error
        self._api = client.ApiClient(self._configuration)

    @property
    def server(self) -> str:
        """The address of the API server."""
        return str(self._configuration.host)

    def request(
        self, method: str, path: str, query: Query = (), headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Return the API server's answer, whatever its status. Raises ClusterError when there is none."""
        end, pause, said = time.monotonic() + self._patience, _FIRST_PAUSE, False
        while True:
            try:
                answer = self._once(method, path, query, headers, body)
            except ClusterError as error:
                if time.monotonic() + pause > end:
                    raise
                why = str(error)
            else:
                if answer.status not in _BUSY or time.monotonic() + pause > end:
                    return answer
                why = f"the API server answers: {answer.reason()}"
                # Seconds; a date is not used by API servers.
                asked = answer.headers.get("retry-after", "")
                pause = max(pause, min(float(asked), _LONGEST_PAUSE)) if asked.isdigit() else pause
            if not said:
                self._say(f"waiting up to {self._patience:.0f} s, {why}")
                said = True
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def send(self, method: str, path: str, content: Mapping[str, Any]) -> Answer:
        """Return the answer to an object, or to a merge patch for a PATCH."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        return self.request(method, path, headers={"content-type": kind}, body=json.dumps(content).encode())

    def _once(self, method: str, path: str, query: Query, headers: Mapping[str, str] | None, body: bytes | None) -> Answer:
        sent = {"accept": "application/json", **(headers or {})}
        self._api.update_params_for_auth(sent, [], ["BearerToken"])
        url = f"{self._configuration.host}{path}{'?' + urlencode(query) if query else ''}"
        try:
            response = self._api.rest_client.pool_manager.request(
                method, url, headers=sent, body=body, timeout=self.timeout, redirect=False, retries=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterError(f"the API server {self._configuration.host} does not answer: {error}") from error
        return Answer(
            response.status, response.data.decode("utf-8", "replace"), {name.lower(): value for name, value in response.headers.items()}
        )

    def object(self, method: str, path: str, query: Query = (), body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return an object of the Kubernetes API. Raises ClusterError with the API server's own message when it is rejected.

        The body of a PATCH is a merge patch.
        """
        content = None if body is None else json.dumps(body).encode()
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = self.request(method, path, query, {"content-type": kind}, content)
        if not 200 <= answer.status < 300:
            try:
                message = json.loads(answer.text)["message"]
            except (ValueError, KeyError, TypeError):
                message = answer.excerpt()
            raise ClusterError(f"{method} {path}: {message}")
        found: dict[str, Any] = answer.json()
        return found

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
        slices = self.object("GET", where, [("labelSelector", f"kubernetes.io/service-name={service}")])["items"]
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
        found: list[dict[str, Any]] = self.object("GET", "/api/v1/nodes")["items"]
        return found

    def pods(self, selector: Mapping[str, str] | str) -> list[dict[str, Any]]:
        """Return the pods with these labels (or that match this label selector)."""
        wanted = selector if isinstance(selector, str) else ",".join(f"{key}={value}" for key, value in selector.items())
        found: list[dict[str, Any]] = self.object("GET", self._named("pods"), [("labelSelector", wanted)])["items"]
        return found

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
        found: list[dict[str, Any]] = self.object("GET", f"/apis/networking.k8s.io/v1/namespaces/{quote(self.namespace)}/ingresses")[
            "items"
        ]
        return found

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
