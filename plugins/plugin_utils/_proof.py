"""What `verify` has to know of the wiring, and how it shows what it found. Pure Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import _wiring
from ._stack import Stack

# One request each that must not get through from outside: what writes, and what shows or changes the inside.
_CLOSED = {
    "grafana": (("GET", "/metrics"),),
    "prometheus": (("POST", "/api/v1/write"), ("POST", "/api/v1/otlp/v1/metrics"), ("GET", "/-/healthy"), ("GET", "/metrics")),
    "mimir": (("POST", "/api/v1/push"), ("POST", "/otlp/v1/metrics"), ("GET", "/ingester/ring"), ("GET", "/config")),
    "loki": (("POST", "/loki/api/v1/push"), ("POST", "/otlp/v1/logs"), ("GET", "/ring"), ("GET", "/config")),
}
# Where Grafana's data source proxy and the public route find a store's query API.
_API_PREFIX = {"prometheus": "", "mimir": "/prometheus", "loki": ""}


def verify_plan(stack: Stack) -> dict[str, Any]:
    """Return what the module `verify_data_path` takes: the arrows, and every address, label and path that it needs to prove them."""
    components = {
        component: {
            "service": entry.service,
            "ports": dict(entry.ports),
            "metrics": entry.ports[entry.metrics],
            "selector": _wiring.selector(stack, component),
            "pods": _wiring.pod_names(stack, component) if entry.headless else [],
        }
        for component, entry in _wiring.CATALOGUE.items()
        if stack.has(component)
    }
    open_paths = {component: tuple(paths) for component, paths in stack.ingress_open_paths.items()}
    routes = {
        route["component"]: {
            "host": route["host"],
            "auth": route["auth"],
            "closed": [
                {"method": method, "path": path}
                for method, path in _CLOSED[route["component"]]
                if not any(path.startswith(opened) for opened in open_paths.get(route["component"], ()))
            ],
        }
        for route in _wiring.ingress_routes(stack)
    }
    return {
        "namespace": stack.namespace,
        "cluster_name": stack.cluster_name,
        "image": stack.images["prometheus"],
        "labels": _wiring.labels(stack, "verify"),
        "components": components,
        "headers": {_wiring.TENANT_HEADER: stack.tenant} if stack.tenant else {},
        "prefix": dict(_API_PREFIX),
        "data_sources": {source["uid"]: source["type"] for source in _wiring.data_sources(stack)},
        "marks": {component: mark for component, mark in _wiring.PUSHERS.items() if stack.has(component)},
        "mark_label": _wiring.PUSHED_LABEL,
        "replica_label": _wiring.HA_REPLICA_LABEL,
        "ha_group": _wiring.external_labels(stack)[_wiring.HA_GROUP_LABEL],
        "queues": {
            "scraped": [queue["name"] for queue in _wiring.remote_write(stack) if queue["name"] != "mimir-pushed"],
            "pushed": [queue["name"] for queue in _wiring.remote_write(stack) if queue["name"] == "mimir-pushed"],
        },
        "scrape_interval": stack.scrape_interval,
        "log_source": stack.log_source,
        "ingress": {"class": stack.ingress_class, "tls_secret": stack.tls_secret, "routes": routes},
        "arrows": [_with_third(stack, arrow) for arrow in _wiring.arrows(stack)],
    }


def _with_third(stack: Stack, arrow: dict[str, Any]) -> dict[str, Any]:
    """Add what an arrow needs beside its two ends: users come in through the ingress, and Alloy reads no log where Loki takes none."""
    third = "ingress_nginx" if arrow["source"] == "user" else "loki" if arrow["name"] == "application-alloy" else ""
    missing = [third] if third and not stack.has(third) else []
    return {**arrow, "off": [*arrow["off"], *missing]}


_MARKS = {"ok": "ok", "failed": "FAILED", "not tested": "not tested"}


def verify_table(rows: Sequence[Mapping[str, Any]], versions: Mapping[str, str] | None = None) -> list[str]:
    """Return the report as lines of aligned text: arrow, result, seconds, and below each what was sent, read back, and the detail.

    `versions` are the components that run in another version than versions.yml names, each with which one: a line each at the end.
    """
    header = ("arrow", "result", "seconds")
    cells = [(str(row["arrow"]), _MARKS[row["status"]], "" if row["seconds"] is None else f"{row['seconds']:.1f}") for row in rows]
    widths = [max(len(line[column]) for line in (header, *cells)) for column in range(3)]
    lines = [f"{header[0]:{widths[0]}}  {header[1]:{widths[1]}}  {header[2]:>{widths[2]}}  what was sent -> where it was read back"]
    for row, (arrow, result, seconds) in zip(rows, cells, strict=True):
        told = row["detail"] if row["status"] != "ok" else " -> ".join(text for text in (row["sent"], row["read_back"]) if text)
        lines.append(f"{arrow:{widths[0]}}  {result:{widths[1]}}  {seconds:>{widths[2]}}  {told}")
    return lines + [f"not the version of versions.yml: {component} is {version}" for component, version in sorted((versions or {}).items())]
