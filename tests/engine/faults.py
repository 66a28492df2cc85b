"""A proxy before an API server, on the loopback address, that answers instead of it, notes every request, or is unavailable."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from tools.lab.loopback import IP, ControlPlane

# Belong to one connection.
_HOP = ("connection", "content-length", "host", "transfer-encoding", "accept-encoding")


@dataclass(frozen=True)
class Asked:
    """A request: its method, path with query, and headers (lower case)."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """An answer that does not come from the API server; `length` is what it claims to be long, where that is not true."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


@dataclass
class Proxy:
    """The proxy. `kubeconfig` leads to it; `fault` decides what is answered: None for the API server's answer, which `seen` gets."""

    server: ControlPlane
    directory: Path
    fault: Callable[[Asked], Fault | None] = lambda _asked: None
    seen: Callable[[Asked, int], None] = lambda _asked, _status: None
    requests: list[Asked] = field(default_factory=list)
    port: int = 0
    _listening: ThreadingHTTPServer | None = None
    _open: set[BaseHTTPRequestHandler] = field(default_factory=set)
    context = "faults"

    @property
    def kubeconfig(self) -> Path:
        """Return the file with the access to the proxy, as the administrator."""
        return self.kubeconfig_for({})

    def kubeconfig_for(self, user: Mapping[str, object]) -> Path:
        """Write the access with the credentials of a user, which the proxy hands on; without any it is the administrator's."""
        path = self.directory / "faults.kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.context, "cluster": {"server": f"http://{IP}:{self.port}"}}],
            "users": [{"name": self.context, "user": dict(user)}],
            "contexts": [{"name": self.context, "context": {"cluster": self.context, "user": self.context}}],
        }
        path.write_text(yaml.safe_dump(content))
        return path

    def start(self) -> None:
        """Begin to listen, on the same port as before."""
        owner = self

        class Handler(_Handler):
            proxy = owner

        self._listening = _Server((IP, self.port), Handler)
        self.port = self._listening.server_address[1]
        threading.Thread(target=self._listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """End listening, and every connection: there are no further ones."""
        if self._listening:
            self._listening.shutdown()
            self._listening.server_close()
            self._listening = None
        for handler in list(self._open):
            with contextlib.suppress(OSError):
                handler.connection.shutdown(2)

    def unavailable(self, seconds: float) -> None:
        """Take no connections for that long, from now on, and go on in the background."""

        def outage() -> None:
            self.stop()
            time.sleep(seconds)
            self.start()

        threading.Thread(target=outage, daemon=True).start()

    def client(self, *, administrator: bool) -> http.client.HTTPSConnection:
        """Return a connection to the API server itself."""
        context = ssl.create_default_context(cafile=str(self.server.place.pki / "ca.crt"))
        if administrator:
            context.load_cert_chain(self.server.admin.certificate, self.server.admin.key)
        return http.client.HTTPSConnection(IP, self.server.place.ports["kube-apiserver"], timeout=30, context=context)


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that is killed is no error here."""


class _Handler(BaseHTTPRequestHandler):
    """Answers one client, with a connection of its own to the API server."""

    protocol_version = "HTTP/1.1"
    # A small answer in two packets would wait for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    proxy: Proxy

    def log_message(self, *_: object) -> None: ...

    def setup(self) -> None:
        super().setup()
        self.upstream: http.client.HTTPSConnection | None = None
        self.proxy._open.add(self)

    def finish(self) -> None:
        self.proxy._open.discard(self)
        if self.upstream:
            self.upstream.close()
        with contextlib.suppress(OSError):
            super().finish()

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        asked = Asked(self.command, self.path, headers)
        self.proxy.requests.append(asked)
        fault = self.proxy.fault(asked)
        if fault:
            length = len(fault.body) if fault.length is None else fault.length
            self._send(fault.status, fault.headers, fault.body, length)
            self.close_connection = length != len(fault.body)
            return
        if self.upstream is None:
            self.upstream = self.proxy.client(administrator="authorization" not in headers)
        self.upstream.request(self.command, self.path, body or None, {name: text for name, text in headers.items() if name not in _HOP})
        response = self.upstream.getresponse()
        content = response.read()
        self.proxy.seen(asked, response.status)
        kept = {name: text for name, text in response.getheaders() if name.lower() not in _HOP}
        self._send(response.status, kept, content, len(content))

    def _send(self, status: int, headers: Mapping[str, str], body: bytes, length: int) -> None:
        self.send_response_only(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("content-length", str(length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names that the library looks for


@contextlib.contextmanager
def proxy(server: ControlPlane, directory: Path) -> Iterator[Proxy]:
    """Yield a proxy before that API server."""
    made = Proxy(server, directory)
    made.start()
    try:
        yield made
    finally:
        made.stop()
