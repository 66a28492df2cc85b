"""Servers on loopback for a simulated cluster: its API server, its ingress, and the ports of its pods."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h2.config
import h2.connection
import h2.events
import yaml
from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue

from tests.unit.module_utils.verify.simulated_cluster import SimulatedCluster, component_of


class Handler(BaseHTTPRequestHandler):
    """Answers requests with what `_answer` says: a status, and a text or something to write as JSON."""

    protocol_version = "HTTP/1.1"
    simulated: SimulatedCluster

    def log_message(self, *_: object) -> None: ...

    def _answer(self) -> tuple[int, Any]:
        raise NotImplementedError

    def _handle(self) -> None:
        self.simulated.methods.add(self.command)
        parts = urlsplit(self.path)
        self.plain_path = parts.path
        self.query = {key: found[0] for key, found in parse_qs(parts.query).items()}
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
        status, content = self._answer()
        text = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        if status in (301, 302, 308):
            self.send_header("location", f"https://{self.headers['host']}/")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = _handle  # noqa: N815 - names that the base class calls


class _ApiServer(Handler):
    def _answer(self) -> tuple[int, Any]:
        return self.simulated.kubernetes(self.command, self.plain_path, self.query, self.body)


class _Pods(Handler):
    def _answer(self) -> tuple[int, Any]:
        pod, _, port = self.headers["host"].partition(":")
        authorization = self.headers.get("authorization", "")
        return self.simulated.pod(pod, int(port), self.command, self.plain_path, self.query, self.body, authorization)


class _Ingress(Handler):
    def _answer(self) -> tuple[int, Any]:
        authorization = self.headers.get("authorization", "")
        return self.simulated.ingress(self.headers["host"], self.command, self.plain_path, self.query, authorization)


class _PlainIngress(Handler):
    def _answer(self) -> tuple[int, Any]:
        return (200, "hello") if self.simulated.fault == "no redirect" else (308, "")


@contextlib.contextmanager
def served(handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None, **attributes: Any) -> Iterator[tuple[str, int]]:
    """Serve on loopback with a handler class that has these attributes, and give the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type(handler.__name__, (handler,), attributes))
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield ("127.0.0.1", server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def kubeconfig(directory: Path, address: tuple[str, int]) -> str:
    """Write a kubeconfig for an API server without TLS, and return its path."""
    path = directory / "kubeconfig"
    content = {
        "clusters": [{"name": "simulated", "cluster": {"server": f"http://{address[0]}:{address[1]}"}}],
        "users": [{"name": "simulated", "user": {}}],
        "contexts": [{"name": "simulated", "context": {"cluster": "simulated", "user": "simulated"}}],
        "current-context": "simulated",
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


class ForwardedCluster(Cluster):
    """The cluster, but a port-forward is a connection to a server on loopback. Everything else is the code under test."""

    def __init__(self, path: str, simulated: SimulatedCluster, pods: tuple[str, int]) -> None:
        super().__init__(path, "", simulated.stack.namespace)
        self.simulated = simulated
        self._pods = pods

    def forward(self, pod: str, port: int) -> socket.socket:
        """Return a connection to the server for that port; there is none to a pod that does not exist or to another port."""
        component = component_of(pod)
        if pod not in self.simulated.pods:
            raise ClusterError(f"no port-forward to port {port} of pod {pod}: Not Found")
        if port not in catalogue.ports(component).values():
            raise ClusterError(f"no port-forward to port {port} of pod {pod}: nothing listens there")
        if ("otlp-grpc", port) not in catalogue.ports(component).items():
            return socket.create_connection(self._pods, 5)
        ours, theirs = socket.socketpair()
        threading.Thread(target=collector_grpc, args=(theirs, self.simulated, pod), daemon=True).start()
        ours.settimeout(5)
        return ours


def collector_grpc(connected: socket.socket, simulated: SimulatedCluster, pod: str) -> None:
    """Serve one gRPC call as a collector does, with an HTTP/2 server's side of the protocol."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    connection.initiate_connection()
    message = b""
    # The caller closes as soon as it has its answer.
    with connected, contextlib.suppress(OSError):
        connected.sendall(connection.data_to_send())
        while data := connected.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    message += event.data or b""
                if isinstance(event, h2.events.StreamEnded):
                    status = "14" if simulated.fault == "grpc" else "0"
                    if status == "0":
                        take_protobuf(simulated, pod, message[5:])
                    connection.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/grpc")])
                    connection.send_headers(event.stream_id, [("grpc-status", status), ("grpc-message", "unavailable")], end_stream=True)
            connected.sendall(connection.data_to_send())


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Return the fields of a protobuf message: number, and content as bytes (of 64-bit fields the eight bytes)."""

    def varint(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = message[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not byte & 0x80:
                return value, at

    at = 0
    while at < len(message):
        key, at = varint(at)
        length, at = varint(at) if key & 7 == 2 else (8, at)
        yield key >> 3, message[at : at + length]
        at += length


def take_protobuf(simulated: SimulatedCluster, pod: str, message: bytes) -> None:
    """Take the one sample of an ExportMetricsServiceRequest."""

    def only(number: int, content: bytes) -> bytes:
        (found,) = [value for field, value in fields(content) if field == number]
        return found

    metric = only(2, only(2, only(1, message)))
    point = only(1, only(5, metric))
    labels = {only(1, pair).decode(): only(1, only(2, pair)).decode() for field, pair in fields(point) if field == 7}
    (nanoseconds,), (value,) = struct.unpack("<Q", only(3, point)), struct.unpack("<d", only(4, point))
    simulated.take(pod, only(1, metric).decode(), labels, value, nanoseconds // 1_000_000)


@contextlib.contextmanager
def running(simulated: SimulatedCluster, directory: Path) -> Iterator[tuple[ForwardedCluster, dict[str, str]]]:
    """Serve a simulated cluster; give the client for it, and the options with the addresses of its ingress."""
    (directory / "tls.crt").write_bytes(simulated.certificate)
    (directory / "tls.key").write_bytes(simulated.key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    with (
        served(_ApiServer, simulated=simulated) as api,
        served(_Ingress, tls, simulated=simulated) as https,
        served(_PlainIngress, simulated=simulated) as http,
        served(_Pods, simulated=simulated) as pods,
    ):
        addresses = {"ingress_address": f"{https[0]}:{https[1]}", "ingress_http_address": f"{http[0]}:{http[1]}"}
        yield ForwardedCluster(kubeconfig(directory, api), simulated, pods), addresses
