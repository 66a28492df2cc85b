"""A small stack behind a proxy, and what it consists of."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.engine import record
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND
from ansible_collections.observability.stack.plugins.module_utils.stack.kubernetes import CHECKSUM

from tests.engine.faults import Asked, Proxy
from tests.engine.installations import Installation, Run

# A stack that is small and has a wave, a ClusterRole, policies, and volumes nevertheless.
SMALL = {f"{component}_enabled": False for component in ("loki", "alloy", "otel_collector", "grafana", "ingress")}
# The fields that differ between two stacks with the same inventory.
OTHER = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")


def behind(proxy: Proxy, namespace: str, **variables: Any) -> Installation:
    """Return a stack in a namespace of its own, not installed yet, whose runs go through the proxy."""
    access = {"observability_kubeconfig": str(proxy.kubeconfig), "observability_context": proxy.context}
    return Installation(proxy.server, namespace, {**SMALL, **access, **variables})


def content(stack: Installation) -> dict[str, Any]:
    """Return what the stack consists of, as far as it does not say when and where; of the record only that it is there."""
    found = {}
    for key, item in stack.objects().items():
        if item["kind"] == "Lease":
            continue
        kept = (
            {}
            if item["metadata"]["name"] == record.NAME
            else {name: value for name, value in item.items() if name not in ("status", "metadata")}
        )
        metadata = {name: value for name, value in item["metadata"].items() if name not in OTHER}
        for given in ("clusterIP", "clusterIPs"):
            if kept.get("spec", {}).get(given, "None") not in ("None", ["None"]):
                del kept["spec"][given]
        text = json.dumps([kept, metadata], sort_keys=True).replace(stack.namespace, "N")
        # The configuration has the names of the stack in it.
        found[key.replace(stack.namespace, "N")] = re.sub(rf'"{CHECKSUM}": "\w+"', "", text)
    return found


def is_write(asked: Asked, resource: str = "") -> bool:
    return asked.method != "GET" and "reviews" not in asked.path and resource in asked.path


def drift(stack: Installation) -> None:
    """Change what a run has to put right: the ConfigMap of Prometheus, and the Service of Mimir."""
    stack.cluster.object("PATCH", BY_KIND["ConfigMap"].path(stack.namespace, "prometheus"), body={"data": {"prometheus.yaml": "no"}})
    stack.cluster.request("DELETE", BY_KIND["Service"].path(stack.namespace, "mimir"))


def said(run: Run) -> str:
    """Return the output of a run on one line, without YAML's quotes."""
    return " ".join(run.output.split()).replace("''", "'")
