"""The generator's queries: what it asks the stores, the access that it needs, and its accounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster
from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import NAME, selector
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack

from tests.failover.results import OTLP_LOGS, PUSHED_METRICS, QUERIES, SCRAPE

# Events until every replica has data of a run; an even number.
_FIRST_DATA = 50


def urls(application: str, identifier: str, paths: Sequence[str], addresses: Mapping[str, str]) -> dict[str, str]:
    """Return a query for each store that has some of these paths, for what `application` sent in a run: name -> URL.

    `addresses`: of the Services of the stores.

    The program asks each of them over connections of both kinds, and names its accounts as QUERIES has them.
    """
    latest = {"query": f'count({{run="{identifier}"}})'}
    lines = {"query": f'{{service_name="{application}"}} |= "{identifier}"', "since": "5m", "limit": "1"}
    found = {}
    if set(paths) & {SCRAPE, *PUSHED_METRICS}:
        found = {"mimir": ("/prometheus/api/v1/query", latest), "prometheus": ("/api/v1/query", latest)}
    if OTLP_LOGS in paths:
        found["loki"] = ("/loki/api/v1/query_range", lines)
    return {
        f"{store}-queries": f"http://{addresses[store]}:{catalogue.port(store, 'http')}{path}?{urlencode(form)}"
        for store, (path, form) in found.items()
        if store in addresses
    }


def addresses(cluster: Cluster, stack: Stack) -> dict[str, str]:
    """Return the address of each store's Service, which stays the same: a DNS server on a lost node is not the subject."""
    found = {}
    for store in dict.fromkeys(QUERIES.values()):
        if stack.has(store):
            service = cluster.object("GET", f"/api/v1/namespaces/{stack.namespace}/services/{catalogue.workload_name(store)}")
            ip = str(service["spec"]["clusterIP"])
            found[store] = f"[{ip}]" if ":" in ip else ip
    return found


def policies(stack: Stack, namespace: str, name: str) -> list[dict[str, Any]]:
    """Return the NetworkPolicies that let a namespace push to Prometheus and query the stores: in the stack only its components do."""
    sources = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}]
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": f"{name}-{store}", "namespace": stack.namespace, "labels": {NAME: name}},
            "spec": {
                "podSelector": {"matchLabels": selector(stack, store)},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": sources, "ports": [{"port": catalogue.port(store, "http"), "protocol": "TCP"}]}],
            },
        }
        for store in dict.fromkeys(QUERIES.values())
        if stack.has(store)
    ]


def accounts(queries: Iterable[Mapping[str, Any]]) -> dict[str, tuple[int, dict[int, str]]]:
    """Return, by query, the event from which it counts, 0 for none, and those for which it failed, with the reason.

    That is a little after the first answer with data: the other replicas have their first data at other moments.
    """
    return {
        query["name"]: (
            query["first"] and query["first"] + _FIRST_DATA,
            {failure["number"]: failure["error"] for failure in query["failed"]},
        )
        for query in queries
    }
