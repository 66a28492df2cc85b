"""Grafana: data sources of every store, and settings that come from Secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ... import databases
from ...addressing import TENANT_HEADER, headless, service_host, url
from ...catalogue import port
from ...messages import wrong
from ...model import Stack
from ...own import Configuration, Own
from ...secrets import Secret
from .inputs import config_problems, secret_problems, variable

OWN = Own(
    env=("GF_SECURITY_ADMIN_*", "GF_SECURITY_SECRET_KEY*", "GF_SERVER_*", "GF_PATHS_*", "GF_DATABASE_*", "GF_UNIFIED_ALERTING_HA_*"),
    args=("config", "homepath"),
    mounts=("/etc/grafana", "/etc/grafana/grafana.ini", "/etc/grafana/provisioning/*", "/var/lib/grafana", "/tmp"),  # noqa: S108 (a path of the pod)
)  # fmt: skip
CONFIGURATION = Configuration(
    free=("log", "analytics", "news", "database.wal", "security", "users"),
    also=(
        "server.protocol", "server.http_addr", "server.serve_from_sub_path", "paths.data", "paths.provisioning", "metrics.enabled",
        "metrics.basic_auth_username", "security.admin_user", "database.type", "database.host", "database.url", "database.name",
        "database.user", "unified_alerting.ha_peers", "unified_alerting.ha_listen_address", "unified_alerting.ha_advertise_address",
    ),
    instead={
        "server.domain": "grafana_host or observability_domain",
        "server.root_url": "grafana_host or observability_domain",
        "security.admin_user": "grafana_admin_user",
        "database.type": databases.NAME,
        "database.host": databases.NAME,
        "database.url": databases.NAME,
        "database.name": databases.NAME,
        "database.user": databases.NAME,
    },
)  # fmt: skip
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
    """Return `data_sources`, `database` and `alerting` (sections of grafana.ini), and `environment`.

    That has a variable for each setting that comes from a Secret. `secrets` maps a section of grafana.ini to its keys, and a key to `name`
    and `key` of a Secret in the stack's namespace.
    """
    found = {
        variable(section, key): {"name": reference["name"], "key": reference["key"]}
        for wanted in (_SECRETS, _database_secrets(stack), secrets)
        for section, keys in wanted.items()
        for key, reference in keys.items()
    }
    environment = [{"name": name, "valueFrom": {"secretKeyRef": reference}} for name, reference in found.items()]
    return {
        "data_sources": data_sources(stack),
        "database": database(stack),
        "alerting": {"ha_peers": f"{service_host(stack, headless('grafana'))}:{port('grafana', 'alerting')}"} if _several(stack) else {},
        "environment": [*(_peer_environment() if _several(stack) else []), *environment],
    }


def _several(stack: Stack) -> bool:
    return stack.replicas["grafana"] > 1


def _peer_environment() -> list[dict[str, Any]]:
    """Return the pod's address for the other replicas; in brackets, which an IPv6 address needs and an IPv4 address may have."""
    address = f"[$(POD_IP)]:{port('grafana', 'alerting')}"
    return [
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": variable("unified_alerting", "ha_listen_address"), "value": address},
        {"name": variable("unified_alerting", "ha_advertise_address"), "value": address},
    ]


def _database_secrets(stack: Stack) -> dict[str, dict[str, dict[str, str]]]:
    """Return the user and the password of the shared database, where there is one."""
    if not stack.database:
        return {}
    return {"database": {key: {"name": stack.database["secret"], "key": key} for key in ("user", "password")}}


def database(stack: Stack) -> dict[str, Any]:
    """Return grafana.ini's section `database`: the shared one, or a file on the volume."""
    if not stack.database:
        # The write-ahead log allows reads during a write.
        return {"wal": True}
    return {
        "type": "postgres", "host": databases.address(stack), "name": stack.database["name"], "ssl_mode": stack.database["ssl_mode"],
    }  # fmt: skip


def secrets(_stack: Stack) -> list[Secret]:
    """Return the Secrets that the role creates where they are missing."""
    return [
        Secret("grafana-admin", ("username", "password"), "Grafana's administrator, at its first start"),
        Secret("grafana-secret-key", ("secret_key",), "Grafana encrypts the secrets in its database with it: it must never change"),
    ]


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


def problems(values: Mapping[str, Any], _stack: Stack) -> Iterator[str]:
    """Return a sentence for each thing that is wrong with the variables of Grafana."""
    yield from config_problems(values)
    yield from secret_problems(values)
    name = "grafana_admin_user"
    if not isinstance(values[name], str) or not values[name].strip():
        yield wrong(name, "", values[name], "it should be the name of a user")
