"""One run of the verification: what its checks share, each created once, at its first use."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from ..cluster import Answer, Cluster, ClusterError, Query
from ..stack import catalogue
from ..stack.addressing import pod_names, tenant_headers
from ..stack.labels import selector
from ..stack.model import Stack
from . import probes, sending
from .counters import Counters
from .ingress_client import IngressClient, split_address
from .outcome import Failed, NotYet, SharedResult
from .stores import Logs, Metrics

T = TypeVar("T")

# How deep a run looks: `quick` only reads what is there, `full` sends something and reads it back.
DEPTHS = QUICK, FULL = ("quick", "full")


@dataclass(frozen=True)
class Options:
    """How to verify.

    `depth` is one of DEPTHS. `timeout` is in seconds, and so is `window`, over which losses are counted at least; `absent` maps a component
    to why the real one does not run here; the Secrets hold `username` and `password`.
    """

    depth: str = FULL
    timeout: float = 180.0
    window: float = 3.0
    max_nodes: int = 5
    absent: Mapping[str, str] = field(default_factory=dict)
    ingress_address: str = ""
    ingress_http_address: str = ""
    grafana_secret: str = ""
    users_secret: str = ""


class Session:
    """One run: the cluster, the model of the stack, an ID that is in everything it sends, and what the checks share."""

    def __init__(self, cluster: Cluster, stack: Stack, options: Options) -> None:
        self.cluster = cluster
        self.stack = stack
        self.options = options
        self.run_id = secrets.token_hex(4)
        self.started = time.time()
        self.sends = options.depth == FULL
        # What a replica knows of the others, and what a store has of them, is up to a scrape interval old.
        renewed = 2.0 * stack.scrape_interval
        self.patience = options.timeout if self.sends else min(options.timeout, renewed)
        self.deadline = time.monotonic() + self.patience
        # The Unix time from which a sample is new enough.
        self.fresh = self.started if self.sends else self.started - renewed
        self.warnings: list[str] = []
        self.created: list[str] = []
        self.counters = Counters(self._metrics_page, self.pods, self.until, options.window)
        self.probes = SharedResult(partial(probes.start, self))
        self.sent = SharedResult(partial(sending.send, self))
        self.ingress = SharedResult(self._ingress)

    # --- the components ---

    def name(self, component: str) -> str:
        """Return the name of a component's Service."""
        return catalogue.workload_name(component)

    def port(self, component: str, name: str = "http") -> int:
        """Return the number of a named port of a component's pods."""
        return catalogue.port(component, name)

    def running(self, component: str) -> list[dict[str, Any]]:
        """Return the pods of a component as they are now."""
        return self.cluster.pods(selector(self.stack, component))

    def pods(self, component: str) -> list[str]:
        """Return the names of a component's pods: those of a StatefulSet by their ordinals, others as far as they are ready now."""
        return pod_names(self.stack, component) or sorted(
            pod["metadata"]["name"] for pod in self.cluster.pods(selector(self.stack, component)) if probes.ready(pod)
        )

    def api(self, component: str) -> str:
        """Return the prefix of a component's query API."""
        public = catalogue.component(component).public
        return public.api if public else ""

    def replicas(self, component: str) -> list[Metrics]:
        """Return each replica of a component as a store."""
        return [Metrics(pod, self._ask_pod(component, pod)) for pod in self.pods(component)]

    def metrics(self, component: str) -> Metrics:
        """Return a component as a store of metrics."""
        return Metrics(component, self._ask_service(component))

    def logs(self, component: str) -> Logs:
        """Return a component as a store of log lines."""
        return Logs(component, self._ask_service(component))

    def _ask_pod(self, component: str, pod: str) -> Callable[[str, Query], Answer]:
        return lambda path, query: self.cluster.pod(pod, self.port(component), path, query=query)

    def _ask_service(self, component: str) -> Callable[[str, Query], Answer]:
        return lambda path, query: self.cluster.service(
            self.name(component), self.port(component), self.api(component) + path, query=query, headers=tenant_headers(self.stack)
        )

    def _metrics_page(self, component: str, pod: str) -> str:
        port = self.port(component, catalogue.component(component).metrics)
        answer = self.cluster.pod(pod, port, "/metrics", headers={"accept": "text/plain"})
        if answer.status != 200:
            raise ClusterError(f"/metrics of {pod} cannot be read: {answer.excerpt()}")
        return answer.text

    def until(self, look: Callable[[], T]) -> T:
        """Return what `look` returns, tried again every second while it raises NotYet or ClusterError and there is time."""
        while True:
            try:
                return look()
            except (NotYet, ClusterError) as error:
                if time.monotonic() + 1 > self.deadline:
                    raise Failed(f"{error} (waited until the {self.patience:.0f} s of this run were over)") from error
            time.sleep(1)

    def clean(self) -> None:
        """Delete the probe pods of this run. Pods that could not be deleted are in `warnings`."""
        try:
            self.cluster.delete_pods(self.created, grace=5)
        except ClusterError as error:
            self.warnings.append(
                f"{error}; it ends by itself, and the next run deletes it (`kubectl delete pod -l {probes.RUN_LABEL}={self.run_id}`)"
            )

    # --- ingress ---

    def _ingress(self) -> IngressClient:
        address = self.options.ingress_address or self._ingress_address()
        https = split_address(address, 443)
        http: tuple[str, int] | None = None
        if self.options.ingress_http_address:
            http = split_address(self.options.ingress_http_address, 80)
        elif https[1] == 443:
            http = (https[0], 80)
        secret = self.cluster.secret(self.stack.tls_secret)
        return IngressClient(https, http, secret.get("ca.crt") or secret.get("tls.crt", ""))

    def _ingress_address(self) -> str:
        hosts = set(self.stack.hosts.values())
        for ingress in self.cluster.ingresses():
            if hosts & {rule.get("host") for rule in ingress["spec"].get("rules", [])}:
                for entry in (ingress.get("status", {}).get("loadBalancer") or {}).get("ingress", []):
                    found: str = entry.get("ip") or entry.get("hostname", "")
                    if found:
                        return found
        raise Failed(
            "no Ingress of the stack has an address in its status; set verify_ingress_address to the one that users reach (IP or IP:port)"
        )

    def login(self, secret_name: str) -> dict[str, str]:
        """Return the header with which a user logs in. Raises Failed when the Secret does not hold a name and a password."""
        secret = self.cluster.secret(secret_name)
        missing = [key for key in ("username", "password") if key not in secret]
        if missing:
            raise Failed(f"Secret {secret_name} has no key {' and '.join(missing)}; it has {', '.join(secret) or 'none'}")
        return basic_authentication(secret["username"], secret["password"])

    # --- something of this run, in every store ---

    def expression(self, component: str) -> str:
        """Return a query that a store answers with something of this run only or, where nothing is sent, with something at any time."""
        if not self.sends:
            public = catalogue.component(component).public
            return public.query if public else ""
        if component != "loki":
            return f'up{{pod=~"verify-{self.run_id}-.+"}}'
        if self.stack.has(sending.RECEIVER):
            return f'{{service_name="{sending.SERVICE_NAME}"}} |= "{self.run_id}"'
        return f'{{pod=~"verify-{self.run_id}-.+"}}'

    def query_path(self, component: str) -> tuple[str, list[tuple[str, str]]]:
        """Return path and parameters of that query, below the prefix of the store's API."""
        if component == "loki":
            return "/loki/api/v1/query_range", [
                ("query", self.expression(component)),
                ("start", str(int(self.started * 1e9))),
                ("limit", "1000"),
            ]
        return "/api/v1/query", [("query", self.expression(component))]

    def send_something(self, component: str) -> None:
        """Make sure that what `expression` looks for has been sent."""
        if not self.sends:
            return
        if component == "loki" and self.stack.has(sending.RECEIVER):
            self.sent()
        else:
            self.probes()


def basic_authentication(user: str, password: str) -> dict[str, str]:
    """Return the header of basic authentication."""
    return {"authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
