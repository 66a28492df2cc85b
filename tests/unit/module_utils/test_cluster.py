"""Requests to the API server, and to the ready endpoints of a Service."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError

from tests.unit.module_utils.verify.serving import kubeconfig, served


class _ApiServer(BaseHTTPRequestHandler):
    """Answers a list of EndpointSlices with `slices`, and notes the paths that it is asked for."""

    slices: list[dict[str, Any]]
    asked: list[str]

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.asked.append(self.path)
        found = "endpointslices" in self.path
        body = json.dumps(
            {"items": [{"metadata": {"name": "any"}, **item} for item in self.slices]}
            if found
            else {"message": "the server has none of that"}
        ).encode()
        self.send_response(200 if found else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Pod(BaseHTTPRequestHandler):
    """Answers with the host and the path that it is asked for."""

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        body = f"{self.headers['host']} {self.path} {self.headers.get('x-scope-orgid', '')}".strip().encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Forwarded(Cluster):
    """A cluster whose port-forwards end at one server; without one, each of them is rejected."""

    address: tuple[str, int] | None = None

    def forward(self, pod: str, port: int) -> socket.socket:
        if self.address is None:
            raise ClusterError(f"no port-forward to port {port} of pod {pod}: Forbidden")
        return socket.create_connection(self.address, 5)


def endpoint(name: str, kind: str = "Pod", **conditions: bool | None) -> dict[str, Any]:
    return {"targetRef": {"kind": kind, "name": name}, "conditions": conditions}


SLICES: list[dict[str, Any]] = [
    {"endpoints": [endpoint("store-1", ready=True), endpoint("store-2", ready=False)]},
    {
        "endpoints": [
            # Of the second address family.
            endpoint("store-1", ready=True),
            # Not given means ready (Kubernetes API, EndpointConditions).
            {"targetRef": {"kind": "Pod", "name": "store-0"}},
            endpoint("store-3", ready=None),
            # Serving until it ends is not ready.
            endpoint("store-4", ready=False, serving=True, terminating=True),
            endpoint("node-1", kind="Node", ready=True),
            {"conditions": {"ready": True}},
        ]
    },
    # As the API server writes a slice of a Service without pods.
    {"endpoints": None},
]


@pytest.fixture
def slices() -> list[dict[str, Any]]:
    return SLICES


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def cluster(tmp_path: Path, slices: list[dict[str, Any]], asked: list[str]) -> Iterator[_Forwarded]:
    with served(_ApiServer, slices=slices, asked=asked) as api:
        yield _Forwarded(kubeconfig(tmp_path, api), "", "observability", timeout=5)


def test_the_endpoints_of_a_service_are_its_ready_pods(cluster: _Forwarded, asked: list[str]) -> None:
    assert cluster.endpoints("store") == ["store-0", "store-1", "store-3"]
    (path,) = asked
    assert path == ("/apis/discovery.k8s.io/v1/namespaces/observability/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dstore")


def test_requests_through_a_service_reach_every_ready_endpoint_and_no_other(cluster: _Forwarded) -> None:
    with served(_Pod) as cluster.address:
        answers = [cluster.service("store", 8080, "/ready", query=[("a", "b c")], headers={"X-Scope-OrgID": "us"}) for _try in range(100)]
    assert {answer.status for answer in answers} == {200}
    assert {answer.text for answer in answers} == {f"{pod}:8080 /ready?a=b+c us" for pod in ("store-0", "store-1", "store-3")}


@pytest.mark.parametrize("slices", [[], [{"endpoints": None}], [{"endpoints": [endpoint("store-0", ready=False)]}]])
def test_a_service_without_ready_endpoints_is_named(cluster: _Forwarded) -> None:
    with pytest.raises(ClusterError, match="the Service store has no ready endpoint"):
        cluster.service("store", 8080, "/ready")


def test_a_rejected_port_forward_names_pod_and_port(cluster: _Forwarded) -> None:
    with pytest.raises(ClusterError, match=r"port 8080 of pod store-[013]: Forbidden"):
        cluster.service("store", 8080, "/ready")


def test_an_object_that_is_not_there_has_the_message_of_the_api_server(cluster: _Forwarded) -> None:
    with pytest.raises(ClusterError, match="GET /api/v1/nodes: the server has none of that"):
        cluster.nodes()


def test_an_api_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    with pytest.raises(ClusterError, match=f"the API server http://127.0.0.1:{address[1]} does not answer"):
        Cluster(kubeconfig(tmp_path, address), "", "observability").nodes()


def test_an_unknown_context_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="context production"):
        Cluster(str(tmp_path / "kubeconfig"), "production", "observability")
