"""One row per connection: source, target, ports, content, kind of verification, loss counters and queue metrics.

Network policies, diagram, order of removal, the list of the verification and the tables of the documentation are views of these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import catalogue
from .catalogue import CATALOGUE, OUTSIDE

if TYPE_CHECKING:
    from .model import Stack


@dataclass(frozen=True)
class Connection:
    """One connection.

    `source` opens it, `target` listens on `ports` (names in the catalogue); without ports it does not use the network, and `any_port` is
    one that depends on the application; with `udp` it uses UDP as well as TCP. `purpose` is what it is for: `push`, `scrape` (data flows
    back to the source), `store` (the source keeps its own data there), `query` or `control`. `to` is how the target is addressed:
    `service`, `replica` (each by its own name), `pod` or `node`.

    `check` names the check of the verification, in `verify/checks`; a connection without one is verified along with others.
    `only` names a field of the model and the value with which the connection exists. `needs` are further components without which nothing
    passes. `lost` maps a component to its counters of data that this connection has
    lost or dropped, `queue` to the metrics of its queue. `step` is its number in the diagram.
    """

    name: str
    source: str
    target: str
    carries: str
    ports: tuple[str, ...] = ("http",)
    any_port: bool = False
    protocol: str = "HTTP"
    purpose: str = "push"
    to: str = "service"
    udp: bool = False
    check: str = ""
    step: int = 0
    only: tuple[str, str] | None = None
    needs: tuple[str, ...] = ()
    lost: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    queue: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def components(self) -> tuple[str, ...]:
        """The components that have to run for this connection."""
        return tuple(dict.fromkeys(name for name in (self.source, self.target, *self.needs) if name in CATALOGUE))

    @property
    def flow(self) -> tuple[str, str]:
        """From where to where the data flows."""
        return (self.target, self.source) if self.purpose == "scrape" else (self.source, self.target)


# Prometheus' remote write counts in the same way wherever it is built in (Prometheus 3.13, Alloy 1.20: storage/remote).
_REMOTE_WRITE = ("prometheus_remote_storage_samples_failed_total",)
_EXPORTER_QUEUE = ("otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity")


def _exporter(signal: str) -> tuple[str, ...]:
    """Return the counters of data of a signal that an exporter of the collector's code has dropped (OpenTelemetry Collector 0.161)."""
    return (f"otelcol_exporter_send_failed_{signal}_total", f"otelcol_exporter_enqueue_failed_{signal}_total")


CONNECTIONS: tuple[Connection, ...] = (
    Connection(
        "user-ingress", "user", "ingress", "HTTPS, and HTTP that redirects to it", ("http", "https"), protocol="HTTPS", purpose="query",
    ),
    *(
        Connection(f"ingress-{name}", "ingress", name, "requests of users", purpose="query", check="public_host", step=1)
        for name in ("grafana", "prometheus", "mimir", "loki")
    ),
    Connection(
        "ingress-acme_solver", "ingress", "acme_solver", "HTTP-01 challenges",
        purpose="control", to="pod", only=("tls_source", "cert_manager"),
    ),
    Connection(
        "application-prometheus", "prometheus", "application", "scraped metrics, both replicas", (),
        any_port=True, purpose="scrape", to="pod", check="scrape", step=2,
    ),
    Connection("verify-prometheus", "prometheus", "verify", "scraped metrics of the probe pods", purpose="scrape", to="pod"),
    Connection(
        "application-alloy", "application", "alloy", "stdout and stderr, on the same node", (),
        protocol="files", to="node", check="log_files", step=3, needs=("loki",),
        lost={"alloy": ("otelcol_receiver_refused_log_records_total", "otelcol_receiver_failed_log_records_total")},
    ),
    Connection(
        "alloy-loki", "alloy", "loki", "log lines", check="log_lines", step=3,
        lost={"alloy": (*_exporter("log_records"), "loki_write_dropped_entries_total"), "loki": ("loki_discarded_samples_total",)},
        queue={"alloy": _EXPORTER_QUEUE},
    ),
    Connection(
        "application-otel_collector", "application", "otel_collector", "OTLP through the Service", ("otlp-grpc", "otlp-http"),
        protocol="OTLP", check="otlp_accepted", step=4,
    ),
    Connection(
        "otel_collector-prometheus", "otel_collector", "prometheus", "metrics, to every replica",
        protocol="OTLP", to="replica", check="otlp_metrics", step=4,
        lost={"otel_collector": _exporter("metric_points")}, queue={"otel_collector": _EXPORTER_QUEUE},
    ),
    Connection(
        "otel_collector-loki", "otel_collector", "loki", "logs",
        protocol="OTLP", check="otlp_logs", step=4,
        lost={"otel_collector": _exporter("log_records"), "loki": ("loki_discarded_samples_total",)},
        queue={"otel_collector": _EXPORTER_QUEUE},
    ),
    Connection(
        "alloy-prometheus", "alloy", "prometheus", "node metrics, to every replica",
        protocol="remote write", to="replica", check="node_metrics", step=5,
        lost={"alloy": _REMOTE_WRITE},
    ),
    Connection(
        "prometheus-mimir", "prometheus", "mimir", "remote write, both replicas, one copy kept",
        protocol="remote write", check="remote_write", step=6,
        lost={"prometheus": _REMOTE_WRITE, "mimir": ("cortex_discarded_samples_total",)},
        queue={"prometheus": ("prometheus_remote_storage_samples_pending",)},
    ),
    *(
        Connection(f"grafana-{name}", "grafana", name, "queries", purpose="query", check="data_source", step=7)
        for name in ("prometheus", "mimir", "loki")
    ),
    # Each user of object storage has it in the stack, or outside of it; the other rows do not exist then.
    *(
        Connection(f"{name}-{target}", name, target, carries, ports, protocol=protocol, purpose=purpose)
        for name, row in CATALOGUE.items()
        if row.shared == "storage"
        for target, carries, ports, protocol, purpose in (
            ("object_storage", "what it keeps", ("http",), "S3", "store"),
            ("object_store", "what it keeps", ("api",), "HTTPS", "store"),
            ("metadata_server", "the identity that a cloud gives the pod", ("http", "gke"), "HTTP", "control"),
        )
    ),
    *(
        Connection(f"grafana-{target}", "grafana", target, "dashboards, users and alerts", ("sql",), protocol="SQL", purpose="store")
        for target in ("postgresql", "database")
    ),
    Connection(
        "grafana-alerting", "grafana", "grafana", "which replica sends a notification", ("alerting",),
        protocol="gossip", purpose="control", to="pod", udp=True,
    ),
    # Metrics of the stack itself; scraped like those of any application.
    *(
        Connection(
            f"{name}-metrics", "prometheus", name, "its own metrics", (row.metrics,), purpose="scrape", to="pod",
            # What runs in a namespace of its own is an application.
            check="" if row.own_namespace else "targets",
        )
        for name, row in CATALOGUE.items()
        if row.scraped
    ),
    # Members of a ring find each other, and call each other; with one replica that is the pod itself.
    *(
        Connection(
            f"{name}-memberlist", name, name, "membership, and calls between replicas", ("memberlist", "grpc"),
            protocol="memberlist, gRPC", purpose="control", to="pod", check="members",
        )
        for name, row in CATALOGUE.items()
        if "memberlist" in row.ports
    ),
    *(
        Connection(f"{name}-api_server", name, "api_server", carries, ("https", "endpoint"), protocol="HTTPS", purpose="control")
        for name, carries in (
            ("prometheus", "discovery of annotated pods"),
            ("alloy", "the pods of its node"),
            ("otel_collector", "the pods that send"),
            ("ingress", "Ingresses, Services and Secrets"),
        )
    ),
    Connection(
        "alloy-kubelet", "alloy", "kubelet", "metrics of the kubelet and of containers", ("https",),
        protocol="HTTPS", purpose="scrape", to="node",
    ),
    *(
        Connection(f"{name}-dns", name, "dns", "names of Services", ("dns", "dns-openshift"), protocol="DNS", purpose="control", udp=True)
        for name, row in CATALOGUE.items()
        if not row.own_namespace
    ),
)  # fmt: skip
# The kubelet's probes have no row: Kubernetes lets a node reach its own pods whatever the policies say (documentation 1.36, "Network
# Policies"). Nor has verification: it uses port-forwards, which the kubelet opens inside the pod.


def check_rows() -> None:
    """Raise ValueError for an end, a port or a component that does not exist, and for a name that two rows have; called at import."""
    names = [row.name for row in CONNECTIONS]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"several connections are called {', '.join(twice)}")
    for row in CONNECTIONS:
        for end in (row.source, row.target):
            catalogue.ports(end)
        for name in (*row.needs, *row.lost, *row.queue):
            catalogue.component(name)
        for name in row.ports:
            catalogue.port(row.target, name)


check_rows()


def active(stack: Stack) -> list[Connection]:
    """Return the connections that exist with the inventory: their ends are there, and nothing else rules them out."""
    return [
        row
        for row in CONNECTIONS
        if all(stack.has(name) for name in row.components)
        and all(end in stack.outside for end in (row.source, row.target) if end in OUTSIDE and OUTSIDE[end].named)
        and (row.only is None or getattr(stack, row.only[0]) == row.only[1])
    ]


def receivers(source: str, purpose: str = "") -> tuple[str, ...]:
    """Return the components that a component or party connects to, for one purpose if that is given."""
    found = [row.target for row in CONNECTIONS if row.source == source and row.target in CATALOGUE and purpose in ("", row.purpose)]
    return tuple(dict.fromkeys(found))


def lost(component: str) -> tuple[str, ...]:
    """Return a component's counters of lost data, those of all of its connections."""
    return tuple(dict.fromkeys(name for row in CONNECTIONS for name in row.lost.get(component, ())))


def queued(component: str) -> tuple[str, ...]:
    """Return a component's metrics of queues, those of all of its connections."""
    return tuple(dict.fromkeys(name for row in CONNECTIONS for name in row.queue.get(component, ())))
