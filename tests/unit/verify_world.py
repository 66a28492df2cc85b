"""A small world for the proof: a server that answers as the API server, the stores behind its proxy and the ingress do, all over real HTTP.

It holds what a rightly wired stack would hold and counts what is sent to it; a test breaks one thing in it and sees which arrow notices.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import yaml
from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Sample = dict[str, Any]
PASSWORD = "right horse battery"  # noqa: S105 - of this world only


def certificate(hosts: list[str], days: float = 90) -> tuple[bytes, bytes]:
    """Return a self-signed certificate for these hosts that ends in so many days, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "verify")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=100))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(serialization.Encoding.PEM), private


class World:
    """What the stack holds. `broken` names what is wrong with it."""

    def __init__(self, plan: dict[str, Any], broken: str = "") -> None:
        self.plan = plan
        self.broken = broken
        self.nodes = ["node-1", "node-2", "node-3"]
        self.pods: dict[str, dict[str, Any]] = {}
        self.samples: list[Sample] = []
        self.logs: list[str] = []
        self.accepted = {"otel-collector-0": 0, "otel-collector-1": 0}
        self.looked = 0
        self.reads = 0
        self.posts = 0
        self.now = datetime.datetime.now(datetime.UTC)
        self.hosts = [route["host"] for route in plan["ingress"]["routes"].values()]
        self.certificate, self.key = certificate(
            ["elsewhere.example.com"] if broken == "certificate" else self.hosts,
            {"old certificate": -1.0, "ending certificate": 20.5}.get(broken, 90.0),
        )
        self.lock = threading.Lock()
        for number, node in enumerate(self.nodes):
            self._running(f"alloy-{number}", node, plan["components"]["alloy"]["selector"])
        self._running("grafana-0", "node-1", plan["components"]["grafana"]["selector"])

    def _running(self, name: str, node: str, labels: dict[str, str]) -> None:
        self.pods[name] = {
            "metadata": {"name": name, "labels": labels, "creationTimestamp": self.now.strftime("%Y-%m-%dT%H:%M:%SZ")},
            "spec": {"nodeName": node},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        }

    # --- Kubernetes ---

    def kubernetes(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Answer as the API server does about its own objects."""
        namespace = f"/api/v1/namespaces/{self.plan['namespace']}"
        if path == "/api/v1/nodes":
            taints = [{"key": "only-others", "effect": "NoSchedule"}] if self.broken == "taints" else []
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
        if path.endswith("/ingresses"):
            return 200, {"items": []}
        return 404, {"message": f"the server has no {path}"}

    def _create(self, pod: dict[str, Any]) -> tuple[int, Any]:
        if self.broken == "quota":
            return 403, {"message": "exceeded quota: pods"}
        name = pod["metadata"]["name"]
        node = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0][
            "matchFields"
        ][0]["values"][0]
        self._running(name, node, pod["metadata"]["labels"])
        if self.broken == "image":
            self.pods[name]["status"] = {
                "phase": "Pending",
                "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "no route"}}}],
            }
        return 201, pod

    def _secret(self, name: str) -> tuple[int, Any]:
        contents = {
            self.plan["ingress"]["tls_secret"]: {"tls.crt": self.certificate.decode()},
            "grafana-admin": {"username": "admin", "password": PASSWORD},
            "observability-basic-auth": {"username": "users", "password": PASSWORD},
        }
        if name not in contents:
            return 404, {"message": f'secrets "{name}" not found'}
        return 200, {"data": {key: base64.b64encode(value.encode()).decode() for key, value in contents[name].items()}}

    def probes(self) -> list[str]:
        """Return the probe pods that run."""
        return [name for name in list(self.pods) if name.startswith("verify-")]

    def lines(self, pod: str) -> list[str]:
        """Return what a pod has written."""
        return [f"line {number} of {pod}" for number in range(5)]

    # --- what is pushed ---

    def otlp(self, pod: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Take what a collector takes."""
        if self.broken == f"{pod} refuses":
            return 503, {"message": "queue is full"}
        if path == "/v1/metrics":
            (metric,) = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
            (point,) = metric["gauge"]["dataPoints"]
            labels = {entry["key"]: entry["value"]["stringValue"] for entry in point["attributes"]}
            self.take(pod, metric["name"], labels, point["asDouble"], int(point["timeUnixNano"]) // 1_000_000)
        elif "loki" not in self.plan["components"]:
            return 404, "404 page not found"
        else:
            self.logs.append(body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["body"]["stringValue"])
        return 200, {"partialSuccess": {"rejectedDataPoints": "1", "errorMessage": "too old"}} if self.broken == "partial" else {}

    def take(self, pod: str, name: str, labels: dict[str, str], value: float, milliseconds: int) -> None:
        """Keep a sample that a collector was sent."""
        with self.lock:
            self.accepted[pod] += 1
            mark = {} if self.broken == "mark" else {"collector": "otel"}
            self.samples.append({"metric": {"__name__": name, **labels, **mark}, "point": [milliseconds / 1000, str(value)]})

    # --- stores ---

    def metrics(self, store: str, expression: str) -> tuple[int, Any]:
        """Answer an instant query."""
        now = self.now.timestamp() + 60
        replica = {"__replica__": "prometheus-0"} if store == "mimir" and self.broken == "replica label" else {}
        if store == "prometheus-1" and self.broken == "prometheus-1 is empty":
            return 200, {"data": {"result": []}}
        result: list[dict[str, Any]] = []
        if expression.startswith("observability_verify"):
            for number, sample in enumerate(self.samples):
                if self.broken == "pushed through a Service" and store == f"prometheus-{number % 2}":
                    continue
                late = 0.5 if self.broken == "wrong time" else 0
                result.append({"metric": sample["metric"], "values": [[sample["point"][0] + late, sample["point"][1]]]})
                if store == "mimir" and self.broken == "doubled samples":
                    result.append({"metric": {**sample["metric"], "__replica__": "prometheus-1"}, "values": [sample["point"]]})
        elif "node_uname_info" in expression:
            age = 3600 if self.broken == "old node metrics" else 0
            nodes = self.nodes[:2] if self.broken == "one node is silent" else self.nodes
            result = [{"metric": {"instance": node}, "value": [now, str(now - age)]} for node in nodes]
        else:
            name = expression.partition("{")[0]
            for pod in self.probes():
                value = "0" if name == "up" and self.broken == "scrape fails" else "1"
                copies = [{}, {"__replica__": "prometheus-1"}] if store == "mimir" and self.broken == "doubled scrapes" else [replica]
                result += [{"metric": {"__name__": name, "pod": pod, **extra}, "value": [now, value]} for extra in copies]
        return 200, {"data": {"result": result}}

    def loki(self, expression: str) -> tuple[int, Any]:
        """Answer a log query."""
        if expression.startswith("{service_name"):
            found = self.logs[:-1] if self.broken == "lost record" else self.logs
        else:
            match = re.search(r'pod="([^"]+)"', expression)
            found = self.lines(match[1]) if match else [line for pod in self.probes() for line in self.lines(pod)]
            found = found[1:] if self.broken == "lost line" else [*found, found[-1]] if self.broken == "doubled line" else found
        return 200, {"data": {"result": [{"stream": {}, "values": [[str(number), line] for number, line in enumerate(found)]}]}}

    def page(self, pod: str) -> str:
        """Return the counters of a pod; those that rise do so with every look."""
        self.looked += 1
        n = self.looked * 1000
        queue = "mimir-scraped"
        counted = ("failed samples", "discarded", "discarded lines", "delayed lines", "exporter fails", "exporter of lines fails")
        rising = {fault: n if self.broken == fault else 0 for fault in counted}
        deduped = 0 if self.broken == "one replica" else n
        started = time.time() - (48 * 3600 if self.broken == "compactor is idle" else 60)
        failed = 3 if self.broken == "retention fails" else 0
        uncleaned = 2 if self.broken == "blocks stay" else 0
        without = n * 50 if self.broken == "without replica" else n // 10
        text = {
            "prometheus": [
                f'prometheus_remote_storage_samples_total{{remote_name="{queue}",url="x"}} {n}',
                f'prometheus_remote_storage_samples_total{{remote_name="mimir-pushed",url="x"}} {n}',
                f'prometheus_remote_storage_samples_failed_total{{remote_name="{queue}"}} {rising["failed samples"]}',
                f'prometheus_remote_storage_samples_pending{{remote_name="{queue}"}} {10**9 if self.broken == "stuck queue" else 3}',
            ],
            "mimir": [
                f'cortex_distributor_deduped_samples_total{{cluster="{self.plan["ha_group"]}",user="anonymous"}} {deduped}',
                f'cortex_distributor_non_ha_samples_received_total{{user="anonymous"}} {without}',
                f'cortex_discarded_samples_total{{reason="rate_limited",user="anonymous"}} {rising["discarded"]}',
                f"process_start_time_seconds {started:e}",
                "cortex_compactor_last_successful_run_timestamp_seconds 0",
                'cortex_compactor_runs_failed_total{reason="shutdown"} 1',
                f"cortex_compactor_block_cleanup_last_successful_run_timestamp_seconds {time.time():e}",
                "cortex_compactor_block_cleanup_failed_total 1",
                "cortex_compactor_blocks_cleaned_total 0",
                f"cortex_compactor_block_cleanup_failures_total {uncleaned}",
            ],
            "loki": [
                f'loki_discarded_samples_total{{reason="x"}} {rising["discarded lines"]}',
                f'loki_discarded_samples_total{{reason="rate_limited"}} {rising["delayed lines"]}',
                f"process_start_time_seconds {time.time() - 60:e}",
                "loki_compactor_apply_retention_last_successful_run_timestamp_seconds 0",
                f'loki_compactor_apply_retention_operation_total{{status="failure"}} {failed}',
            ],
            "otel": [
                f'otelcol_receiver_accepted_metric_points{{receiver="otlp"}} {self.accepted.get(pod, 0)}',
                f'otelcol_exporter_send_failed_metric_points{{exporter="p"}} {rising["exporter fails"]}',
            ],
            "alloy": [
                f'otelcol_receiver_accepted_log_records_total{{receiver="filelog"}} {7 if self.broken == "not tailed" else n}',
                f'otelcol_exporter_send_failed_log_records_total{{exporter="otlphttp"}} {rising["exporter of lines fails"]}',
                f'otelcol_exporter_queue_size{{exporter="otlphttp"}} {900 if self.broken == "full queue" else 10}',
                'otelcol_exporter_queue_capacity{exporter="otlphttp"} 1000',
                f'otelcol_fileconsumer_reading_files{{receiver="filelog"}} {int(self.broken == "reading is behind")}',
            ],
        }
        return "\n".join(["# TYPE some_metric counter", *text[pod.partition("-")[0]], ""])

    def elected(self) -> Any:
        """Return what Mimir's HA tracker shows."""
        return {"elected": [] if self.broken == "nobody elected" else [{"cluster": self.plan["ha_group"], "replica": "prometheus-0"}]}

    def grafana(self, path: str, query: dict[str, str], authorization: str) -> tuple[int, Any]:
        """Answer as Grafana does about its data sources."""
        if authorization != f"Basic {base64.b64encode(f'admin:{PASSWORD}'.encode()).decode()}":
            return 401, {"message": "Invalid username or password"}
        if path == "/api/health":
            return 200, {"database": "ok"}
        _, _, _, _, *rest = path.split("/")
        if rest[-1] == "health":
            return (500, {"message": "connection refused"}) if self.broken == "data source" else (200, {"status": "OK"})
        uid, api = rest[1], "/" + "/".join(rest[2:])
        return self.store(uid, api, query)

    def store(self, name: str, path: str, query: dict[str, str]) -> tuple[int, Any]:
        """Answer a path of a store, as one of its pods or through its Service."""
        if path == "/metrics":
            return 200, self.page(name)
        if path.endswith("/query_range"):
            return self.loki(query["query"])
        if path.endswith("/query"):
            return self.metrics(name, query["query"])
        if path.endswith("/runtimeinfo"):
            self.reads += 1
            return 200, {"data": {"hostname": "prometheus-0" if self.broken == "pinned" else f"prometheus-{self.reads % 2}"}}
        if path == "/distributor/ha_tracker":
            return 200, self.elected()
        return 404, "404 page not found"

    def proxied(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Answer what the API server passes on."""
        match = re.fullmatch(r".*/(services|pods)/([^:/]+):(\d+)/proxy(/.*)", path)
        assert match, path
        kind, name, _, rest = match.groups()
        if method == "POST":
            if kind == "services":
                if rest == "/v1/metrics":
                    self.posts += 1
                name = "otel-collector-0" if self.broken == "one collector" else f"otel-collector-{self.posts % 2}"
            return self.otlp(name, rest, json.loads(body))
        return self.store(name, rest.removeprefix("/prometheus"), query)

    def ingress(self, host: str, method: str, path: str, query: dict[str, str], authorization: str) -> tuple[int, Any]:
        """Answer a user."""
        component = host.partition(".")[0]
        if component == "grafana":
            if path == "/metrics" and self.broken != "open paths":
                return 401, "authorization required"
            return (502, "bad gateway") if self.broken == "grafana down" else (200, {"database": "ok"})
        right = f"Basic {base64.b64encode(f'users:{PASSWORD}'.encode()).decode()}"
        if authorization != right and self.broken != "no login":
            return 401, "authorization required"
        if method == "POST" or "/api/v1/" not in path:
            return (204, "") if self.broken == "open paths" else (404, "not found")
        return self.store(component, path.removeprefix("/prometheus"), query)


def _selected(labels: dict[str, str], selectors: list[str]) -> bool:
    """Whether labels satisfy all selectors, each `name=value` or `name`."""
    return all(selector in labels or selector in {f"{name}={value}" for name, value in labels.items()} for selector in selectors)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: World

    def log_message(self, *_: object) -> None: ...

    def _answer(self) -> tuple[int, Any]:
        raise NotImplementedError

    def _handle(self) -> None:
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


class _ApiServer(_Handler):
    def _answer(self) -> tuple[int, Any]:
        if "/proxy/" in self.plain_path:
            return self.world.proxied(self.command, self.plain_path, self.query, self.body)
        return self.world.kubernetes(self.command, self.plain_path, self.query, self.body)


class _Ingress(_Handler):
    def _answer(self) -> tuple[int, Any]:
        return self.world.ingress(self.headers["host"], self.command, self.plain_path, self.query, self.headers.get("authorization", ""))


class _PlainIngress(_Handler):
    def _answer(self) -> tuple[int, Any]:
        return (200, "hello") if self.world.broken == "no redirect" else (308, "")


class _Grafana(_Handler):
    def _answer(self) -> tuple[int, Any]:
        return self.world.grafana(self.plain_path, self.query, self.headers.get("authorization", ""))


@contextlib.contextmanager
def served(handler: type[_Handler], world: World, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, int]]:
    """Serve on loopback, and give the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type(handler.__name__, (handler,), {"world": world}))
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


class Reached(Cluster):
    """The cluster, but a port-forward is a connection to what stands for that port on loopback. Everything else is the real thing."""

    def __init__(self, kubeconfig: str, world: World, grafana: tuple[str, int]) -> None:
        super().__init__(kubeconfig, "", world.plan["namespace"])
        self.world = world
        self.grafana = grafana

    def forward(self, pod: str, port: int) -> socket.socket:  # noqa: ARG002
        """Connect to what stands for that port."""
        if pod.startswith("grafana"):
            return socket.create_connection(self.grafana, 5)
        ours, theirs = socket.socketpair()
        threading.Thread(target=collector_grpc, args=(theirs, self.world, pod), daemon=True).start()
        ours.settimeout(5)
        return ours


def collector_grpc(connected: socket.socket, world: World, pod: str) -> None:
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
                    status = "14" if world.broken == "grpc" else "0"
                    if status == "0":
                        take_protobuf(world, pod, message[5:])
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


def take_protobuf(world: World, pod: str, message: bytes) -> None:
    """Take the one sample of an ExportMetricsServiceRequest."""

    def only(number: int, content: bytes) -> bytes:
        (found,) = [value for field, value in fields(content) if field == number]
        return found

    metric = only(2, only(2, only(1, message)))
    point = only(1, only(5, metric))
    labels = {only(1, pair).decode(): only(1, only(2, pair)).decode() for field, pair in fields(point) if field == 7}
    (nanoseconds,), (value,) = struct.unpack("<Q", only(3, point)), struct.unpack("<d", only(4, point))
    world.take(pod, only(1, metric).decode(), labels, value, nanoseconds // 1_000_000)


@contextlib.contextmanager
def running(world: World, folder: Path) -> Iterator[tuple[Reached, dict[str, str]]]:
    """Serve a world; give the cluster to reach it by, and the options with the ingress' addresses."""
    (folder / "tls.crt").write_bytes(world.certificate)
    (folder / "tls.key").write_bytes(world.key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    with (
        served(_ApiServer, world) as api,
        served(_Ingress, world, tls) as https,
        served(_PlainIngress, world) as http,
        served(_Grafana, world) as grafana,
    ):
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "clusters": [{"name": "world", "cluster": {"server": f"http://{api[0]}:{api[1]}"}}],
                    "users": [{"name": "world", "user": {}}],
                    "contexts": [{"name": "world", "context": {"cluster": "world", "user": "world"}}],
                    "current-context": "world",
                }
            ),
            encoding="utf-8",
        )
        addresses = {"ingress_address": f"{https[0]}:{https[1]}", "ingress_http_address": f"{http[0]}:{http[1]}"}
        yield Reached(str(kubeconfig), world, grafana), addresses
