"""What an inventory may say about the controller's Service, its ConfigMap and the issuer of a certificate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...fields import is_network
from ...messages import wrong

# Defaults of `ingress_issuer`; an issuer that is not cert-manager's own has a group and kinds of its own.
ISSUER_DEFAULTS = {"kind": "ClusterIssuer", "group": "cert-manager.io"}
# The names of the ports that the controller's Service offers.
SERVICE_PORTS = ("http", "https")

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_KIND = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
_ANNOTATION = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LOAD_BALANCER_CLASS = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?(/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


def issuer_problems(values: Mapping[str, Any]) -> Iterator[str]:
    """Return a sentence for each thing that is wrong with the issuer of a certificate."""
    name, source = "ingress_issuer", values["ingress_tls_source"]
    issuer = values[name]
    if not isinstance(issuer, Mapping):
        yield f"{name} is {issuer!r}; it should be a mapping, like {{name: letsencrypt, kind: ClusterIssuer}}"
        return
    if issuer and source != "cert_manager":
        yield f"{name} is {dict(issuer)!r}; it is for ingress_tls_source: cert_manager, but that is {source!r}"
    if not issuer:
        if source == "cert_manager":
            yield f"{name} is {{}}; with ingress_tls_source: cert_manager it should name the issuer, like {{name: letsencrypt}}"
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


def service_problems(values: Mapping[str, Any]) -> Iterator[str]:
    """Return a sentence for each field of the controller's Service that is wrong by itself, or for the type of Service."""
    kind = values["ingress_service_type"]
    numbers: Any = values["ingress_node_ports"]
    name = "ingress_node_ports"
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
    annotations: Any = values["ingress_service_annotations"]
    if not isinstance(annotations, Mapping):
        yield f"ingress_service_annotations is {annotations!r}; it should be a mapping of names to strings"
    else:
        for key, value in annotations.items():
            if not isinstance(key, str) or not _ANNOTATION.fullmatch(key) or not isinstance(value, str):
                yield (f"ingress_service_annotations has {key!r}: {value!r}; a name is like example.com/name, its value a quoted string")
    load_balancer: Any = values["ingress_load_balancer_class"]
    if load_balancer != "" and not (isinstance(load_balancer, str) and _LOAD_BALANCER_CLASS.fullmatch(load_balancer)):
        yield f"ingress_load_balancer_class is {load_balancer!r}; it should be empty or like service.k8s.aws/nlb"
    ranges: Any = values["ingress_load_balancer_source_ranges"]
    if not isinstance(ranges, list):
        yield f"ingress_load_balancer_source_ranges is {ranges!r}; it should be a list, like [192.0.2.0/24]"
    else:
        for entry in ranges:
            if not is_network(entry):
                yield f"ingress_load_balancer_source_ranges has {entry!r}; it should be a network, like 192.0.2.0/24 or 2001:db8::/32"
    policy: Any = values["ingress_external_traffic_policy"]
    if policy not in ("Cluster", "Local"):
        yield f"ingress_external_traffic_policy is {policy!r}; it should be Cluster or Local"
    for variable, there, needed in (
        ("ingress_node_ports", bool(numbers), ("NodePort", "LoadBalancer")),
        ("ingress_load_balancer_class", bool(load_balancer), ("LoadBalancer",)),
        ("ingress_load_balancer_source_ranges", bool(ranges), ("LoadBalancer",)),
        ("ingress_external_traffic_policy", policy == "Local", ("NodePort", "LoadBalancer")),
    ):
        if there and kind in ("ClusterIP", "NodePort", "LoadBalancer") and kind not in needed:
            yield f"{variable} is {values[variable]!r}; it needs ingress_service_type {' or '.join(needed)}, and that is {kind}"


def config_problems(values: Mapping[str, Any]) -> Iterator[str]:
    """Return a sentence for each key or value of the controller's ConfigMap that Kubernetes would not take."""
    name = "ingress_config"
    for key, value in values[name].items() if isinstance(values[name], Mapping) else ():
        if not isinstance(key, str) or not _CONFIG_KEY.fullmatch(key):
            yield wrong(name, str(key), value, "a key of a ConfigMap has letters, digits and - _ .")
        elif not isinstance(value, str):
            yield wrong(name, key, value, "a ConfigMap holds strings; quote it")
