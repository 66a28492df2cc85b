"""What the client asks: one target for each component that users reach, and one for the ingress itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster
from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue
from ansible_collections.observability.stack.plugins.module_utils.stack.addressing import tenant_headers
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.verify.ingress_client import split_address
from ansible_collections.observability.stack.plugins.module_utils.verify.session import basic_authentication

from tests.failover.generator import APP
from tests.failover.results import OTLP_LOGS, Run
from tests.failover.stores import SERIES

# Seconds between two requests of one kind to one target.
INTERVAL = 0.7
# A bit more than how old the latest data in an answer may be.
_SINCE = "150s"
# What Grafana is asked for: it has two replicas in every profile, so that a failure is Grafana's own.
_BEHIND_GRAFANA = "prometheus"


def plan(cluster: Cluster, stack: Stack, run: Run, address: str) -> dict[str, Any]:
    """Return the client's plan: where the ingress is, which authority it trusts, and its targets with their credentials."""
    host, port = split_address(address, 443)
    users = cluster.secret("observability-basic-auth")
    administrator = cluster.secret("grafana-admin")
    return {
        "address": host,
        "port": port,
        "ca": cluster.secret(stack.tls_secret)["ca.crt"],
        "interval": INTERVAL,
        "run": {"start": run.start / 1000, "interval": run.interval / 1000},
        "targets": targets(
            stack,
            run.identifier,
            basic_authentication(users["username"], users["password"]),
            basic_authentication(administrator["username"], administrator["password"]),
        ),
    }


def targets(stack: Stack, run: str, login: Mapping[str, str], administrator: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the targets for the data of a run: component, host, path, headers, and what is expected of the answer."""
    found = [
        _target(stack, component, f"{_api(component)}{_path(component, run)}", {**login, **tenant_headers(stack)})
        for component in ("prometheus", "mimir", "loki")
        if stack.has(component)
    ]
    if stack.has("grafana"):
        path = f"/api/datasources/proxy/uid/{_BEHIND_GRAFANA}{_path(_BEHIND_GRAFANA, run)}"
        found.append({**_target(stack, "grafana", path, administrator), "expects": "metrics"})
    # Answered by the ingress, without any component behind it.
    asked = next(target for target in found if target["component"] != "grafana")
    return [*found, {**asked, "component": "ingress", "headers": {}, "expects": "login"}]


def _target(stack: Stack, component: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    expects = "logs" if component == "loki" else "metrics"
    return {"component": component, "host": stack.hosts[component], "path": path, "headers": dict(headers), "expects": expects}


def _api(component: str) -> str:
    public = catalogue.component(component).public
    return public.api if public else ""


def _path(component: str, run: str) -> str:
    if component == "loki":
        # The streams and the time of what is sent only: the test is not to be the load.
        query = {"query": f'{{service_name="{APP}"}} |= `"run":"{run}"` |= `"path":"{OTLP_LOGS}"`', "limit": "1", "since": _SINCE}
        return f"/loki/api/v1/query_range?{urlencode(query)}"
    query = {"query": f'max(last_over_time({SERIES["otlp-metrics-http"]}{{run="{run}"}}[5m]))'}
    return f"/api/v1/query?{urlencode(query)}"
