"""Grafana's database where the lab has no program of PostgreSQL: Grafana's substitute there does not open it, and needs the Secret only."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError

from tests.failover.waiting import wait

_SECRET = "grafana-database"  # noqa: S105 (a name)
_PATIENCE = 180.0


def variables(provider: str, profile: Mapping[str, Any]) -> dict[str, Any]:
    """Return what replaces the bundled PostgreSQL in the lab, nothing elsewhere."""
    if provider != "lab" or not profile.get("postgresql_enabled"):
        return {}
    # The namespace is made here, with the Secret in it.
    return {"postgresql_enabled": False, "grafana_database": {"host": "db.example.test", "secret": _SECRET}, "namespaces_adopt": True}


def prepare(cluster: Cluster, inventory: Mapping[str, Any]) -> None:
    """Make the namespace and the Secret of a database outside the stack, where the inventory names one."""
    if not inventory.get("grafana_database"):
        return
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.namespace}}
    password = base64.b64encode(secrets.token_hex(16).encode()).decode()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _SECRET, "namespace": cluster.namespace},
        "data": {"user": base64.b64encode(b"grafana").decode(), "password": password},
    }
    for path, definition in (("/api/v1/namespaces", namespace), (f"/api/v1/namespaces/{cluster.namespace}/secrets", secret)):
        answer = cluster.send("POST", path, definition)
        if answer.status not in (201, 409):
            raise ClusterError(f"{definition['kind']} of the database cannot be made: {answer.excerpt()}")


def remove(cluster: Cluster, inventory: Mapping[str, Any]) -> None:
    """Remove the namespace that was made here, and wait until it is gone."""
    if not inventory.get("grafana_database"):
        return
    path = f"/api/v1/namespaces/{cluster.namespace}"
    if cluster.request("DELETE", path).status != 404:
        wait(_PATIENCE, lambda: cluster.request("GET", path).status == 404, f"the namespace {cluster.namespace} is not removed")
