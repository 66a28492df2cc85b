"""Grafana: data sources of every store, and settings that come from Secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..addressing import TENANT_HEADER, url
from ..model import Stack

# Settings that come from Secrets of the stack's own, unless the inventory names another Secret for them.
_SECRETS = {
    "security": {
        "admin_user": {"name": "grafana-admin", "key": "username"},
        "admin_password": {"name": "grafana-admin", "key": "password"},
        # What is encrypted in the database can be read with this key only.
        "secret_key": {"name": "grafana-secret-key", "key": "secret_key"},
    }
}


def settings(stack: Stack, secrets: Mapping[str, Mapping[str, Mapping[str, str]]]) -> dict[str, Any]:
    """Return `data_sources`, and `environment`: a variable for each setting that comes from a Secret.

    `secrets` maps a section of grafana.ini to its keys, and a key to `name` and `key` of a Secret in the stack's namespace.
    """
    found = {
        variable(section, key): {"name": reference["name"], "key": reference["key"]}
        for wanted in (_SECRETS, secrets)
        for section, keys in wanted.items()
        for key, reference in keys.items()
    }
    environment = [{"name": name, "valueFrom": {"secretKeyRef": reference}} for name, reference in found.items()]
    return {"data_sources": data_sources(stack), "environment": environment}


def variable(section: str, key: str) -> str:
    """Return the environment variable that sets a key of grafana.ini: GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET."""
    return re.sub(r"[.-]", "_", f"GF_{section}_{key}").upper()


def data_sources(stack: Stack) -> list[dict[str, Any]]:
    """Return Grafana's provisioned data sources, with fixed uids; Mimir, or else Prometheus, is the default one."""
    found: list[dict[str, Any]] = []

    def add(component: str, name: str, kind: str, path: str, options: dict[str, Any], tenant: bool) -> None:
        if not stack.has(component):
            return
        source: dict[str, Any] = {
            "name": name,
            "uid": component,
            "type": kind,
            "access": "proxy",
            "url": url(stack, component, path=path),
            "editable": False,
            "isDefault": component == default,
            "jsonData": dict(options),
        }
        if tenant and stack.tenant:
            source["jsonData"]["httpHeaderName1"] = TENANT_HEADER
            source["secureJsonData"] = {"httpHeaderValue1": stack.tenant.replace("$", "$$")}
        found.append(source)

    default = "mimir" if stack.has("mimir") else "prometheus"
    query = {"httpMethod": "POST", "prometheusType": "Prometheus", "timeInterval": f"{stack.scrape_interval}s"}
    add("prometheus", "Prometheus", "prometheus", "", query, tenant=False)
    add("mimir", "Mimir", "prometheus", "/prometheus", {**query, "prometheusType": "Mimir"}, tenant=True)
    add("loki", "Loki", "loki", "", {"maxLines": 1000}, tenant=True)
    return found
