"""Alloy: node metrics to every Prometheus replica, and the lines of log files through a queue on the node's disk to Loki."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .. import high_availability, sizing
from ..addressing import replica_urls, tenant_headers, url
from ..labels import LOG_LABELS, instance
from ..messages import wrong
from ..model import Stack
from ..own import Own

# On each node; below it a directory for each stack, by its instance.
HOST_DIRECTORY = "/var/lib/observability-stack"
# The container runtime writes long lines in parts of this size; Alloy joins as many as fit and begins another line with the rest.
_CRI_PART = 2**14

OWN = Own(
    env=("GOMEMLIMIT",),
    args=("server.http.*", "storage.path", "disable-reporting", "stability.level", "cluster.*", "config.*"),
    volumes=("logs", "proc", "sys", "root"),
    mounts=("/etc/alloy", "/var/lib/alloy/data", "/host/*", "/var/log/*"),
)  # fmt: skip


def settings(stack: Stack) -> dict[str, Any]:
    """Return what Alloy's configuration takes.

    `collector_label`, `exported_label` and `collector`: the label of pushed series, the one that keeps an application's own value of it,
    and its value. `scrape_interval`, `scrape_timeout`, `keep` and `keep_at_most`: durations; samples stay in the write-ahead log for
    `keep`, also when they were sent, and for `keep_at_most` when a replica does not take them. `endpoints`: `replica` (pod name) and
    `remote_write` (URL) of each Prometheus replica. `loki` and `loki_otlp`: its URLs for pushes, or empty. `logs`: sizes in bytes of the
    queue, of a line and of requests, and the attributes that Loki gets. `directory`: of positions, queue and write-ahead log on the node.
    """
    endpoints = replica_urls(stack, "prometheus", "/api/v1/write")
    return {
        "collector_label": high_availability.COLLECTOR_LABEL,
        "exported_label": high_availability.EXPORTED_LABEL,
        "collector": high_availability.collector_value("alloy"),
        "scrape_interval": f"{stack.scrape_interval}s",
        "scrape_timeout": f"{min(stack.scrape_interval, 10)}s",
        "keep": f"{stack.outage_horizon}s",
        "keep_at_most": f"{max(8 * 3600, 2 * stack.outage_horizon)}s",
        "endpoints": [{"replica": pod, "remote_write": address} for pod, address in endpoints.items()],
        "loki": url(stack, "loki", path="/loki/api/v1/push") if stack.has("loki") else "",
        "loki_otlp": url(stack, "loki", path="/otlp") if stack.has("loki") else "",
        "tenant_headers": tenant_headers(stack),
        "logs": {
            "queue": sizing.node_log_queue(stack),
            "line": sizing.LINE - _CRI_PART,
            "smallest_batch": sizing.SMALLEST_LOG_BATCH,
            "largest_batch": sizing.LARGEST_LOG_BATCH,
            # Loki names a stream's service after it; it is a label by default.
            "labels": [*LOG_LABELS, "service.name"],
        },
        "directory": f"{HOST_DIRECTORY}/{instance(stack)}/alloy",
    }


def on_nodes(stack: Stack) -> dict[str, str]:
    """Return the directory of a stack on every node (`root` and `name`), and `image`, which can remove it; empty when there is none."""
    if stack.log_source != "files":
        return {}
    # Alloy has written there, so its image is on these nodes already; it is one of the few of the stack that have `rm`.
    return {"root": HOST_DIRECTORY, "name": instance(stack), "image": stack.images["alloy"]}


def problems(values: Mapping[str, Any], _stack: Stack) -> Iterator[str]:
    """Return a sentence for a DaemonSet's `maxUnavailable` that Kubernetes would not take."""
    name = "alloy_max_unavailable"
    found = values[name]
    number = isinstance(found, int) and not isinstance(found, bool) and found >= 1
    share = isinstance(found, str) and re.fullmatch(r"([1-9][0-9]?|100)%", found)
    if not number and not share:
        yield wrong(name, "", found, "it should be a share of the nodes like 10%, or a number of them without quotes, 1 or more")


def rules(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """Return what its account may do: it finds the pods of its node, and reads the kubelet's metrics; logs from the API server or files."""
    found: list[dict[str, Any]] = [
        {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
    ]
    if stack.log_source != "files":
        found.append({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]})
    return {"ClusterRole": found}
