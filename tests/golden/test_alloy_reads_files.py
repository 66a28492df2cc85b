"""A real Alloy, where there is one, reads files as a container runtime writes them, and sends what Loki gets. Only the ends are stubs."""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.golden.test_render import Rendered, binary, objects_of, rendered

__all__ = ["rendered"]

UID = "3f9c1f0e-5d0e-4a53-9a3e-0f6f0c6a2c11"
HASH = "8c5f4d3b2a190807f6e5d4c3b2a19080"


def pod(name: str, labels: dict[str, str], logs: str = "") -> dict[str, Any]:
    annotations = {"observability.stack/logs": logs} if logs else {}
    metadata = {"namespace": "shop", "name": name, "uid": UID, "labels": labels, "annotations": annotations}
    return {"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": {"podIP": "10.0.0.1"}}


PODS = [
    pod("web-0", {"app.kubernetes.io/name": "web", "app": "old"}),
    pod("plain-0", {"app": "plain"}),
    pod("static-node-1", {}),
    pod("quiet-0", {}, logs="none"),
    pod("pushes-0", {}, logs="otlp"),
    # Left out by the processor's own defaults.
    pod("jaeger-agent", {"app": "jaeger"}),
]


@dataclass
class Ends:
    """The API server, with PODS, and Loki: what it got, as (labels, body), and the headers of the last request."""

    lines: list[tuple[dict[str, str], str, dict[str, Any]]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    address: str = ""


@contextmanager
def ends() -> Iterator[Ends]:
    found = Ends()
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, body: Any) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            if "watch=true" not in self.path and "watch=1" not in self.path:
                self._answer(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": PODS})
            elif "sendInitialEvents" in self.path:
                status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Invalid", "code": 422}
                self._answer(422, status)
            else:
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.end_headers()
                over.wait()

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            found.headers = dict(self.headers)
            for resource in body["resourceLogs"]:
                labels = {item["key"]: item["value"]["stringValue"] for item in resource["resource"].get("attributes", [])}
                for scope in resource["scopeLogs"]:
                    found.lines += [(labels, record["body"]["stringValue"], record) for record in scope["logRecords"]]
            self._answer(200, {})

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        over.set()
        server.shutdown()
        server.server_close()


def files(root: Path) -> None:
    """Write what a container runtime and kubelet write."""

    def write(directory: str, name: str, *lines: str) -> None:
        path = root / directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = "".join(f"2026-11-24T13:50:47.{number:09d}Z {line}\n" for number, line in enumerate(lines, 1)).encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)

    web = f"shop_web-0_{UID}/web"
    write(web, "0.log.20261124-135000.gz", "stdout F compressed")
    write(web, "0.log.20261124-135010", "stdout F rotated")
    write(web, "0.log.20261124-135005.tmp", "stdout F unfinished copy")
    write(web, "0.log", "stdout F  blanks ", "stderr P part 1, ", "stdout F between", "stderr F part 2")
    write(f"shop_plain-0_{UID}/main", "0.log", "stdout F plain")
    write(f"shop_static-node-1_{HASH}/etcd", "0.log", "stderr F static")
    write(f"shop_quiet-0_{UID}/main", "0.log", "stdout F not wanted")
    write(f"shop_pushes-0_{UID}/main", "0.log", "stdout F sent by OTLP")
    write(f"shop_jaeger-agent_{UID}/main", "0.log", "stdout F jaeger")
    write(f"shop_gone-0_{UID}/main", "0.log", "stdout F of a pod that is gone")
    long = "x" * 2**14
    write(f"shop_plain-0_{UID}/long", "0.log", *[f"stdout P {long}"] * 20, "stdout F end")


def configuration(rendered: Rendered, root: Path, address: str) -> str:
    """Return the configuration of the role for `only_logs`, with other paths and addresses."""
    (text,) = (item["data"]["config.alloy"] for _, item in objects_of("only_logs", rendered) if "config.alloy" in item.get("data", {}))
    for old, new in (("/var/log/pods", str(root / "pods")), ("/var/lib/alloy/data", str(root / "data"))):
        assert old in text
        text = text.replace(old, new)
    text, count = re.subn(r'endpoint( +)= "http://[^"]*/otlp"', rf'endpoint\1= "{address}/otlp"', text)
    assert count == 1
    text = text.replace('otelcol.exporter.otlphttp "loki" {', 'otelcol.exporter.otlphttp "loki" {\n\tencoding = "json"')
    return text.replace('otelcol.processor.k8sattributes "pods" {', 'otelcol.processor.k8sattributes "pods" {\n\tauth_type = "kubeConfig"')


@contextmanager
def alloy(program: Path, root: Path, text: str, address: str) -> Iterator[None]:
    """Run Alloy until the block ends, and then end it in order."""
    (root / "config.alloy").write_text(text)
    access = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": address}}],
        "users": [{"name": "x", "user": {}}],
    }
    (root / "kubeconfig").write_text(yaml.safe_dump(access))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = [f"--server.http.listen-addr=127.0.0.1:{port}", f"--storage.path={root / 'data'}", "--disable-reporting"]
    with (root / "log").open("w") as log:
        process = subprocess.Popen(
            [program, "run", root / "config.alloy", *arguments, "--stability.level=experimental"],
            env={**os.environ, "NODE_NAME": "node-1", "KUBECONFIG": str(root / "kubeconfig")},
            stdout=log,
            stderr=log,
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


def until(condition: Any, root: Path) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, (root / "log").read_text()[-3000:]
        time.sleep(0.2)


@pytest.fixture(scope="module")
def read(rendered: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    """Give what Loki got of `files`, and of a line that is written while Alloy is down, after a rotation."""
    program = binary("alloy")
    root = tmp_path_factory.mktemp("alloy")
    files(root / "pods")
    with ends() as found:
        text = configuration(rendered, root, found.address)
        with alloy(program, root, text, found.address):
            until(lambda: len(found.lines) >= 11, root)
        web = root / f"pods/shop_web-0_{UID}/web"
        with (web / "0.log").open("a") as log:
            log.write("2026-11-24T13:51:00.000000001Z stdout F before the rotation\n")
        (web / "0.log").rename(web / "0.log.20261124-135101")
        (web / "0.log").write_text("2026-11-24T13:51:02.000000001Z stdout F after the rotation\n")
        with alloy(program, root, text, found.address):
            until(lambda: any(body == "after the rotation" for _, body, _ in found.lines), root)
        yield found


def bodies(found: Ends, **wanted: str) -> list[str]:
    return sorted(body for labels, body, _ in found.lines if wanted.items() <= labels.items())


def test_every_line_arrives_once_whatever_the_file_is_called(read: Ends) -> None:
    stdout = [" blanks ", "after the rotation", "before the rotation", "between", "compressed", "rotated"]
    assert bodies(read, pod="web-0", stream="stdout") == stdout
    # Parts are joined within a stream.
    assert bodies(read, pod="web-0", stream="stderr") == ["part 1, part 2"]


def test_labels_are_those_of_the_pod(read: Ends) -> None:
    labels = {pod: next(labels for labels, *_ in read.lines if labels["pod"] == pod) for pod in ("web-0", "plain-0", "static-node-1")}
    common = {"namespace": "shop", "node": "node-1", "cluster": "only-logs"}
    web = {**common, "pod": "web-0", "container": "web", "app": "web", "service.name": "web"}
    assert {**labels["web-0"], "stream": ""} == {**web, "stream": ""}
    assert (labels["plain-0"]["app"], labels["plain-0"]["service.name"]) == ("plain", "plain")
    static = {**common, "pod": "static-node-1", "container": "etcd", "stream": "stderr", "service.name": "etcd"}
    assert labels["static-node-1"] == static
    assert bodies(read, app="jaeger") == ["jaeger"]


def test_a_pod_that_is_not_wanted_is_left_out_and_one_that_is_gone_is_not(read: Ends) -> None:
    assert not bodies(read, pod="quiet-0")
    assert not bodies(read, pod="pushes-0")
    assert bodies(read, pod="gone-0") == ["of a pod that is gone"]


def test_a_line_that_is_read_again_would_be_the_same_line(read: Ends) -> None:
    for labels, _, record in read.lines:
        assert set(record) == {"timeUnixNano", "body"}
        assert "k8s.pod.uid" not in labels
        assert "logs" not in labels


def test_a_line_that_is_too_long_for_loki_becomes_several(read: Ends) -> None:
    parts = bodies(read, container="long")
    assert sorted(map(len, parts)) == [4 * 2**14 + 3, 2**18]


def test_the_tenant_is_named(read: Ends) -> None:
    assert read.headers["X-Scope-Orgid"] == "team-a"
