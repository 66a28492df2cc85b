"""What an inventory may say about the ingress, its certificate, and Grafana's own settings. Pure; `parse` of `_stack.py` asks it.

Every function takes the variables and returns a sentence for each problem, which begins with the variable's name. None of them shows a
value that may be a secret.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

# Defaults of `ingress_nginx_issuer`; an issuer that is not cert-manager's own has a group and kinds of its own.
ISSUER_DEFAULTS = {"kind": "ClusterIssuer", "group": "cert-manager.io"}
# The names of the ports that the controller's Service offers.
SERVICE_PORTS = ("http", "https")

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_KIND = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
_ANNOTATION = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LOAD_BALANCER_CLASS = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?(/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_SECRET_KEY = re.compile(r"[-._A-Za-z0-9]{1,253}")
_SETTING = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

# How the keys of grafana.ini end that hold a secret (documentation 12.x, "Configure Grafana"), and how a secret looks in an address.
_SECRET_ENDINGS = (
    "password", "passphrase", "secret", "secret_key", "access_key", "account_key", "private_key", "api_key", "api_token", "renderer_token",
    "connstr", "license_text",
)  # fmt: skip
_PASSWORD_IN_ADDRESS = re.compile(r"://[^/@\s]*:[^/@\s]+@")
# A value that only says where the secret is (documentation 12.x, "Variable expansion").
_REFERENCE = re.compile(r"\$(__\w+)?\{[^}]*\}")

# Settings that something outside of Grafana depends on, and what to do instead.
_OWNED_BY_WIRING = {
    ("server", "protocol"): "the ingress and the health checks speak plain HTTP to it",
    ("server", "http_addr"): "it listens on all addresses of its pod",
    ("server", "http_port"): "the Service and the health checks have the port",
    ("server", "domain"): "set grafana_host",
    ("server", "root_url"): "set grafana_host",
    ("server", "serve_from_sub_path"): "its host leads to it alone, set grafana_host",
    ("paths", "data"): "its volume is mounted there",
    ("paths", "provisioning"): "the data sources are mounted there",
    ("metrics", "enabled"): "Prometheus scrapes it; from outside /metrics asks for a password",
    ("metrics", "basic_auth_username"): "Prometheus scrapes it without one; from outside /metrics asks for a password already",
    ("security", "admin_user"): "set grafana_admin_user",
}


def problems(values: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each thing that is wrong with the variables of the ingress and of Grafana's settings."""
    return [problem for check in (_issuer, _service, _grafana_config, _grafana_secrets) for problem in check(values)]


def grafana_variable(section: str, key: str) -> str:
    """Return the environment variable that sets a key of grafana.ini: GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET."""
    return re.sub(r"[.-]", "_", f"GF_{section}_{key}").upper()


def _issuer(values: Mapping[str, Any]) -> Iterator[str]:
    name, source = "ingress_nginx_issuer", values["ingress_nginx_tls_source"]
    issuer = values[name]
    if not isinstance(issuer, Mapping):
        yield f"{name} is {issuer!r}; it should be a mapping, like {{name: letsencrypt, kind: ClusterIssuer}}"
        return
    if issuer and source != "cert_manager":
        yield f"{name} is {dict(issuer)!r}; it is for ingress_nginx_tls_source: cert_manager, but that is {source!r}"
    if not issuer:
        if source == "cert_manager":
            yield f"{name} is {{}}; with ingress_nginx_tls_source: cert_manager it should name the issuer, like {{name: letsencrypt}}"
        return
    patterns = {"name": _NAME, "kind": _KIND, "group": _NAME}
    for key in [key for key in issuer if key not in patterns]:
        yield f"{name} has the key {key!r}; it has name, kind and group"
    for key, value in {"name": None, **issuer}.items():
        if key in patterns and (not isinstance(value, str) or not patterns[key].fullmatch(value)):
            yield f"{name} has {key} {value!r}; it should be the {key} of an issuer, like {{name: letsencrypt, kind: ClusterIssuer}}"
    kind = issuer.get("kind", ISSUER_DEFAULTS["kind"])
    if issuer.get("group", ISSUER_DEFAULTS["group"]) == ISSUER_DEFAULTS["group"] and kind not in ("Issuer", "ClusterIssuer"):
        yield f"{name} has kind {kind!r}; cert-manager's own are Issuer and ClusterIssuer, another one needs its group"


def _service(values: Mapping[str, Any]) -> Iterator[str]:
    """Check the Service of the controller: each field by itself, and against the type of Service that takes it."""
    kind = values["ingress_nginx_service_type"]
    numbers: Any = values["ingress_nginx_node_ports"]
    name = "ingress_nginx_node_ports"
    if not isinstance(numbers, Mapping):
        yield f"{name} is {numbers!r}; it should be a mapping, like {{http: 30080, https: 30443}}"
    else:
        for port, number in numbers.items():
            if port not in SERVICE_PORTS:
                yield f"{name} has {port!r}; the ports are {' and '.join(SERVICE_PORTS)}"
            elif isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 65536:
                yield f"{name} has {number!r} for {port}; it should be a port number, which clusters take from 30000 to 32767 by default"
        if len(numbers) > 1 and len({repr(number) for number in numbers.values()}) < len(numbers):
            yield f"{name} is {dict(numbers)!r}; each port should have a number of its own"
    annotations: Any = values["ingress_nginx_service_annotations"]
    if not isinstance(annotations, Mapping):
        yield f"ingress_nginx_service_annotations is {annotations!r}; it should be a mapping of names to strings"
    else:
        for key, value in annotations.items():
            if not isinstance(key, str) or not _ANNOTATION.fullmatch(key) or not isinstance(value, str):
                yield (
                    f"ingress_nginx_service_annotations has {key!r}: {value!r}; a name is like example.com/name, its value a quoted string"
                )
    load_balancer: Any = values["ingress_nginx_load_balancer_class"]
    if load_balancer != "" and not (isinstance(load_balancer, str) and _LOAD_BALANCER_CLASS.fullmatch(load_balancer)):
        yield f"ingress_nginx_load_balancer_class is {load_balancer!r}; it should be empty or like service.k8s.aws/nlb"
    ranges: Any = values["ingress_nginx_load_balancer_source_ranges"]
    if not isinstance(ranges, list):
        yield f"ingress_nginx_load_balancer_source_ranges is {ranges!r}; it should be a list, like [192.0.2.0/24]"
    else:
        for entry in ranges:
            if not _is_network(entry):
                yield f"ingress_nginx_load_balancer_source_ranges has {entry!r}; it should be a network, like 192.0.2.0/24 or 2001:db8::/32"
    policy: Any = values["ingress_nginx_external_traffic_policy"]
    if policy not in ("Cluster", "Local"):
        yield f"ingress_nginx_external_traffic_policy is {policy!r}; it should be Cluster or Local"
    for variable, there, needed in (
        ("ingress_nginx_node_ports", bool(numbers), ("NodePort", "LoadBalancer")),
        ("ingress_nginx_load_balancer_class", bool(load_balancer), ("LoadBalancer",)),
        ("ingress_nginx_load_balancer_source_ranges", bool(ranges), ("LoadBalancer",)),
        ("ingress_nginx_external_traffic_policy", policy == "Local", ("NodePort", "LoadBalancer")),
    ):
        if there and kind in ("ClusterIP", "NodePort", "LoadBalancer") and kind not in needed:
            yield f"{variable} is {values[variable]!r}; it needs ingress_nginx_service_type {' or '.join(needed)}, and that is {kind}"


def _is_network(entry: Any) -> bool:
    if not isinstance(entry, str) or "/" not in entry:
        return False
    try:
        ipaddress.ip_network(entry)
    except ValueError:
        return False
    return True


def _settings(given: Any) -> Iterator[tuple[str, str, Any]]:
    """Return section, key and value of each setting of a mapping of sections, as far as it is one; the rest is in `_shape`."""
    for section, keys in given.items() if isinstance(given, Mapping) else ():
        for key, value in keys.items() if isinstance(keys, Mapping) else ():
            if _is_setting(section) and _is_setting(key):
                yield section, key, value


def _is_setting(name: Any) -> bool:
    return isinstance(name, str) and _SETTING.fullmatch(name) is not None


def _shape(name: str, given: Any, example: str) -> Iterator[str]:
    """Check that a variable maps sections of grafana.ini to mappings of keys."""
    if not isinstance(given, Mapping):
        yield f"{name} is no mapping; it should map a section of grafana.ini to its keys, like {example}"
        return
    for section, keys in given.items():
        if not _is_setting(section):
            yield f"{name} has {section!r}, which is no section of grafana.ini, like {example}"
        elif not isinstance(keys, Mapping):
            yield f"{name} has no mapping for {section}; it should map a section of grafana.ini to its keys, like {example}"
        else:
            for key in keys:
                if not _is_setting(key):
                    yield f"{name} has {key!r} in {section}, which is no key of grafana.ini, like {example}"


def _grafana_config(values: Mapping[str, Any]) -> Iterator[str]:
    name = "grafana_config"
    yield from _shape(name, values[name], "{users: {viewers_can_edit: true}}")
    for section, key, value in _settings(values[name]):
        setting = f"{section}.{key}"
        if isinstance(value, Mapping):
            yield (
                f"{name} has a mapping for {setting}; grafana.ini has sections and keys only, so a section below another is written "
                f'with a dot: "{setting}": {{…}}'
            )
        elif _is_secret(key, value):
            yield (
                f"{name} has {setting}, a secret, and a ConfigMap keeps it in the clear; make a Secret and name it in grafana_secrets: "
                f"{{{section}: {{{key}: {{name: …, key: …}}}}}}"
            )
        elif (section, key) in _OWNED_BY_WIRING:
            yield f"{name} has {setting}, which is set already: {_OWNED_BY_WIRING[section, key]}"
        elif not isinstance(value, str | int | float):
            yield f"{name} has {value!r} for {setting}; it should be a string, a number, true or false"


def _is_secret(key: str, value: Any) -> bool:
    """Whether a value of grafana.ini is a secret itself, not an empty one, a switch, or a reference to it."""
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        return False
    text = str(value)
    return (key.lower().endswith(_SECRET_ENDINGS) and not _REFERENCE.fullmatch(text)) or bool(_PASSWORD_IN_ADDRESS.search(text))


def _grafana_secrets(values: Mapping[str, Any]) -> Iterator[str]:
    name = "grafana_secrets"
    example = "{auth.generic_oauth: {client_secret: {name: grafana-oidc, key: client_secret}}}"
    yield from _shape(name, values[name], example)
    fields: dict[str, Callable[[str], Any]] = {"name": _NAME.fullmatch, "key": _SECRET_KEY.fullmatch}
    config = {(section, key) for section, key, _ in _settings(values["grafana_config"])}
    variables: dict[str, str] = {}
    for section, key, reference in _settings(values[name]):
        right = isinstance(reference, Mapping) and set(reference) == set(fields)
        if not right or not all(isinstance(reference[field], str) and matches(reference[field]) for field, matches in fields.items()):
            # Not what it is: it may be the secret itself.
            yield f"{name} has no Secret for {section}.{key}; it should have name and key of one, like {example}"
        if (section, key) in config:
            yield f"{name} has {section}.{key}, and grafana_config has it too; it should be in one of them"
        variable = grafana_variable(section, key)
        if variable in variables:
            yield f"{name} has {section}.{key} and {variables[variable]}, which are both {variable}"
        variables[variable] = f"{section}.{key}"
