"""One row per component: what it is in Kubernetes, what it listens on, what it needs, and what of it is public.

Everything that holds for a component by itself is here, and nowhere else. What holds between two of them is in `connections.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from .rows import Component, Party, Public, Replicas

# The query API of Prometheus, of which Mimir has most (documentation 3.13, "HTTP API").
_QUERIES = (
    "query", "query_range", "query_exemplars", "format_query", "parse_query", "series", "labels", "label", "metadata",
)  # fmt: skip
# The profiles, and how many replicas each asks for.
PROFILES = ("single", "ha")
_RESTART = "with one, its restart is an outage"
_STORE = {
    "single": Replicas(usual=1, most=1, why="three or more are the profile `ha` (observability_profile)"),
    "ha": Replicas(usual=3, least=3, why="a replication factor of 3 needs two of three: two replicas stop at the first restart"),
}
_PAIR = dict.fromkeys(PROFILES, Replicas(least=2, why=_RESTART))

# In the order of the playbook.
CATALOGUE: dict[str, Component] = {
    # One pod and one volume, for an evaluation of the profile `ha` without a cloud.
    "object_storage": Component(
        title="Object storage",
        workload="StatefulSet",
        user=65532,
        ports={"http": 7070},
        ready="/health",
        live="/health",
        scraped=False,
        headless=True,
        volume=True,
        serves=("mimir", "loki"),
        replicas=dict.fromkeys(PROFILES, Replicas(most=1, why="its data is on one volume")),
        evaluation=True,
    ),
    "postgresql": Component(
        title="PostgreSQL",
        workload="StatefulSet",
        # That of the image.
        user=999,
        ports={"sql": 5432},
        # It speaks no HTTP.
        ready="",
        live="",
        health="sql",
        metrics="sql",
        scraped=False,
        headless=True,
        volume=True,
        drain=60,
        needs=("grafana",),
        replicas=dict.fromkeys(PROFILES, Replicas(most=1, why="its data is on one volume")),
        newer_data="major",
        evaluation=True,
    ),
    "mimir": Component(
        title="Mimir",
        workload="StatefulSet",
        backend=True,
        user=10001,
        ports={"http": 8080, "grpc": 9095, "memberlist": 7946},
        ready="/ready",
        live="/api/v1/status/buildinfo",
        headless=True,
        ring="/ingester/ring",
        volume=True,
        serves=("prometheus",),
        queries=15,
        drain=240,
        replicas=_STORE,
        shared="storage",
        newer_data="minor",
        public=Public(
            paths=tuple(f"/prometheus/api/v1/{name}" for name in (*_QUERIES, "rules", "alerts", "cardinality", "status")),
            closed=(("POST", "/api/v1/push"), ("POST", "/otlp/v1/metrics"), ("GET", "/ingester/ring"), ("GET", "/config")),
            body_megabytes=100,
            api="/prometheus",
            query="count(up)",
        ),
    ),
    "loki": Component(
        title="Loki",
        workload="StatefulSet",
        backend=True,
        user=10001,
        ports={"http": 3100, "grpc": 9095, "memberlist": 7946},
        ready="/ready",
        live="/loki/api/v1/status/buildinfo",
        headless=True,
        ring="/ring",
        volume=True,
        serves=("alloy", "otel_collector"),
        queries=15,
        drain=240,
        replicas=_STORE,
        shared="storage",
        newer_data="minor",
        public=Public(
            paths=(
                # Exact: rule groups are set and deleted below it.
                "=/loki/api/v1/rules",
                *(
                    f"/loki/api/v1/{name}"
                    for name in (
                        "query", "query_range", "labels", "label", "series", "tail", "index", "patterns",
                        "detected_fields", "detected_field", "detected_labels", "format_query",
                    )
                ),
            ),
            closed=(("POST", "/loki/api/v1/push"), ("POST", "/otlp/v1/logs"), ("GET", "/ring"), ("GET", "/config")),
            body_megabytes=20,
            # There may be no logs.
            query="vector(1)",
            websocket=True,
        ),
    ),
    "prometheus": Component(
        title="Prometheus",
        workload="StatefulSet",
        backend=True,
        user=65534,
        ports={"http": 9090},
        ready="/-/ready",
        live="/-/healthy",
        headless=True,
        balanced="balanced_reads",
        volume=True,
        queries=15,
        drain=120,
        replicas=_PAIR,
        newer_data="minor",
        public=Public(
            paths=(
                "=/", "/query", "/graph", "/alerts", "/rules", "/targets", "/service-discovery", "/status", "/tsdb-status", "/flags",
                "/config", "/agent", "/assets", "/favicon.svg", "/manifest.json",
                *(
                    f"/api/v1/{name}"
                    for name in (
                        *_QUERIES,
                        "targets", "rules", "alerts", "alertmanagers", "status", "scrape_pools", "notifications", "features",
                    )
                ),
            ),
            closed=(("POST", "/api/v1/write"), ("POST", "/api/v1/otlp/v1/metrics"), ("GET", "/-/healthy"), ("GET", "/metrics")),
            body_megabytes=10,
            query="count(up)",
        ),
        open_egress="it scrapes annotated pods of every namespace on any port, and whatever prometheus_scrape_configs names",
    ),
    "alloy": Component(
        title="Alloy",
        workload="DaemonSet",
        ports={"http": 12345},
        ready="/-/ready",
        drain=260,
        # Not `/-/healthy`: that fails while a part of its configuration cannot reach its target.
        live="/-/ready",
        # It sends its own metrics itself.
        scraped=False,
        pre_stop=0,
        host_paths=True,
        serves=("prometheus", "loki"),
    ),
    "otel_collector": Component(
        title="OpenTelemetry Collector",
        workload="StatefulSet",
        user=10001,
        ports={"otlp-grpc": 4317, "otlp-http": 4318, "health": 13133, "metrics": 8888},
        # One answer for both: it is 200 from when the pipelines run until the shutdown begins.
        ready="/",
        live="/",
        health="health",
        metrics="metrics",
        headless=True,
        balanced="balanced_requests",
        volume=True,
        serves=("prometheus", "loki"),
        replicas=_PAIR,
    ),
    "grafana": Component(
        title="Grafana",
        workload="Deployment",
        user=472,
        # Its replicas agree on `alerting` which of them sends a notification.
        ports={"http": 3000, "alerting": 9094},
        offered=("http",),
        ready="/api/health",
        live="/healthz",
        headless=True,
        volume=True,
        serves=("prometheus", "mimir", "loki"),
        replicas={"single": Replicas(usual=1), "ha": Replicas(usual=2, least=2, why=_RESTART)},
        shared="database",
        volume_instead=True,
        newer_data="minor",
        public=Public(
            paths=("/",),
            closed=(("GET", "/metrics"),),
            body_megabytes=10,
            websocket=True,
            own_login=True,
            # Grafana serves /metrics, and those of its plugins below it, without a login (documentation 12.x, "Monitor Grafana").
            guarded=("/metrics",),
        ),
        open_egress="single sign-on, mail, plugins and further data sources are outside, at addresses that the site chooses",
    ),
    "sample_application": Component(
        title="Sample application",
        workload="Deployment",
        user=65532,
        ports={"http": 8080},
        ready="/healthz",
        live="/healthz",
        service=False,
        account=False,
        pre_stop=0,
        needs=("prometheus", "otel_collector"),
        own_namespace=True,
    ),
    # Ports and probes are those of the F5 NGINX Ingress Controller, where the stack installs it. Its redirects name the port that it
    # listens on, so that is the public one. Ready once the first configuration is in nginx.
    "ingress": Component(
        title="Ingress",
        workload="Deployment",
        ports={"http": 80, "https": 443, "health": 8081, "metrics": 9113},
        ready="/nginx-ready",
        live="",
        health="health",
        metrics="metrics",
        offered=("http", "https"),
        # Load balancers take longer than Services to stop sending new connections.
        pre_stop=15,
        drain=35,
        reloads=True,
        replicas={"ha": Replicas(least=2, why=_RESTART)},
        serves=("grafana", "prometheus", "mimir", "loki"),
        optional_install=True,
    ),
}  # fmt: skip

OUTSIDE: dict[str, Party] = {
    "user": Party("Users"),
    "application": Party("Applications"),
    # The pods that verification starts in the stack's namespace.
    "verify": Party(
        "Verification", {"http": 9091}, {"app.kubernetes.io/name": "verify", "app.kubernetes.io/part-of": "observability-stack"}
    ),
    # Of cert-manager, while it answers an HTTP-01 challenge for the stack's hosts.
    "acme_solver": Party("ACME solver", {"http": 8089}, {"acme.cert-manager.io/http01-solver": "true"}),
    "kubelet": Party("kubelet", {"https": 10250}),
    # Of the Service `kubernetes`, and of the API servers behind it, which a policy may see instead.
    "api_server": Party("Kubernetes API", {"https": 443, "endpoint": 6443}),
    # The inventory says where they are, and on which port.
    "object_store": Party("Object store", {"api": 443}, named=True),
    "database": Party("Database", {"sql": 5432}, named=True),
    # Where pods get the identity that a cloud gives them: on port 80, on GKE also on 988.
    "metadata_server": Party("Metadata server", {"http": 80, "gke": 988}, named=True),
    # 5353 is where the DNS pods of OpenShift listen.
    "dns": Party("DNS", {"dns": 53, "dns-openshift": 5353}),
}


def component(name: str) -> Component:
    """Return the row of a component. Raises ValueError, which says what there is, for a name that is none."""
    if name not in CATALOGUE:
        raise ValueError(f"{name!r} is no component; it should be one of {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


def ports(name: str) -> Mapping[str, int]:
    """Return the ports of a component, or of a party outside of the stack, by name. Raises ValueError for neither."""
    return OUTSIDE[name].ports if name in OUTSIDE else component(name).ports


def port(name: str, port_name: str) -> int:
    """Return the number of a port. Raises ValueError, which says what there is, for a component or a port that does not exist."""
    found = ports(name)
    if port_name not in found:
        raise ValueError(f"{name} has no port {port_name!r}; it has {', '.join(found) or 'none'}")
    return found[port_name]


def title(name: str) -> str:
    """Return the name for people of a component, or of a party outside of the stack. Raises ValueError for neither."""
    return OUTSIDE[name].title if name in OUTSIDE else component(name).title


def workload_name(name: str) -> str:
    """Return the name of a component's objects in Kubernetes: `otel_collector` -> "otel-collector"."""
    return name.replace("_", "-")


def public_components() -> tuple[str, ...]:
    """Return the components that have a host name of their own."""
    return tuple(name for name, row in CATALOGUE.items() if row.public)
