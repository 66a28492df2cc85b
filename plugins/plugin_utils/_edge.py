"""The way in: the Ingresses in the dialect of their controller, the request for a certificate, and Grafana's environment.

Pure functions from a checked `Stack` to plain data; what is public is in `ingress_routes` of `_wiring.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ._edge_inventory import ISSUER_DEFAULTS, grafana_variable
from ._stack import Stack
from ._wiring import ingress_routes, labels

_REALM = "observability"


def _community_annotations(route: dict[str, Any], secret: str) -> dict[str, str]:
    prefix = "nginx.ingress.kubernetes.io"
    annotations = {
        f"{prefix}/ssl-redirect": "true",
        f"{prefix}/force-ssl-redirect": "true",
        f"{prefix}/proxy-body-size": f"{route['body_size']}m",
    }
    if route["websocket"]:
        annotations |= {f"{prefix}/proxy-read-timeout": "3600", f"{prefix}/proxy-send-timeout": "3600"}
    if route["auth"]:
        annotations |= {f"{prefix}/auth-type": "basic", f"{prefix}/auth-secret": secret, f"{prefix}/auth-realm": _REALM}
    return annotations


def _f5_annotations(route: dict[str, Any], secret: str) -> dict[str, str]:
    annotations = {"nginx.org/mergeable-ingress-type": "minion", "nginx.org/client-max-body-size": f"{route['body_size']}m"}
    if route["websocket"]:
        annotations |= {"nginx.org/websocket-services": route["service"], "nginx.org/proxy-read-timeout": "3600s"}
    if route["auth"]:
        annotations |= {"nginx.org/basic-auth-secret": secret, "nginx.org/basic-auth-realm": _REALM}
    return annotations


_DIALECTS: dict[str, Callable[[dict[str, Any], str], dict[str, str]]] = {"community": _community_annotations, "f5": _f5_annotations}


def ingress_objects(stack: Stack, auth_secret: str) -> list[dict[str, Any]]:
    """Return the Ingresses of every public host, with the annotations of the controller's dialect.

    One Ingress per way of logging in: its annotations are for all of its paths. The F5 controller lets one Ingress own a host, so there
    the host and its certificate have an Ingress of their own, NAME-host (a "master" in its documentation, "Cross-namespace configuration"),
    to which those with paths ("minions") are added; an ACME solver for HTTP-01 can join it in the same way. `auth_secret` names the Secret
    with the credentials.
    """
    annotate = _DIALECTS[stack.ingress_dialect]
    separate = stack.ingress_dialect == "f5"
    objects = []
    for route in ingress_routes(stack):
        tls = {"tls": [{"hosts": [route["host"]], "secretName": stack.tls_secret}]}
        if separate:
            objects.append(
                _ingress(stack, route, "-host", {"nginx.org/mergeable-ingress-type": "master"}, {**tls, "rules": [{"host": route["host"]}]})
            )
        parts = [("", route)]
        if route["guarded"]:
            parts.append(("-guarded", {**route, "auth": True, "websocket": False, "paths": route["guarded"]}))
        for suffix, part in parts:
            spec = {"rules": [{"host": part["host"], "http": {"paths": [_path(part, path) for path in part["paths"]]}}]}
            objects.append(_ingress(stack, part, suffix, annotate(part, auth_secret), spec if separate else {**tls, **spec}))
    return objects


def _path(route: dict[str, Any], path: dict[str, str]) -> dict[str, Any]:
    return {
        "path": path["path"],
        "pathType": path["type"],
        "backend": {"service": {"name": route["service"], "port": {"name": route["port"]}}},
    }


def _ingress(stack: Stack, route: dict[str, Any], suffix: str, annotations: dict[str, str], spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": f"{route['service']}{suffix}",
            "namespace": stack.namespace,
            "labels": labels(stack, route["component"]),
            "annotations": annotations,
        },
        "spec": {"ingressClassName": stack.ingress_class, **spec},
    }


def ingress_certificate(stack: Stack, issuer: Mapping[str, str]) -> dict[str, Any]:
    """Return cert-manager's Certificate for all public hosts, in the Secret of the Ingresses.

    One for all of them: of several annotated Ingresses that share a Secret, cert-manager serves the first only. An ACME issuer decides
    between DNS-01 and HTTP-01. For HTTP-01 its solver gets the class of our Ingresses, whatever class the issuer names, and until it has
    solved the challenge a temporary certificate lets the controller answer at all (cert-manager documentation 1.18, "Annotations").
    `issuer` has `name`, and where they differ from the defaults `kind` and `group`.
    """
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {
            "name": stack.tls_secret,
            "namespace": stack.namespace,
            "labels": labels(stack, "ingress_nginx"),
            "annotations": {
                "acme.cert-manager.io/http01-override-ingress-ingressclassname": stack.ingress_class,
                "cert-manager.io/issue-temporary-certificate": "true",
            },
        },
        "spec": {
            "secretName": stack.tls_secret,
            "secretTemplate": {"labels": labels(stack, "ingress_nginx")},
            "dnsNames": [route["host"] for route in ingress_routes(stack)],
            "usages": ["server auth"],
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "issuerRef": {**ISSUER_DEFAULTS, **issuer},
        },
    }


# Settings that come from Secrets of the stack's own, unless the inventory names another Secret for them.
_GRAFANA_SECRETS = {
    "security": {
        "admin_user": {"name": "grafana-admin", "key": "username"},
        "admin_password": {"name": "grafana-admin", "key": "password"},
        # What is encrypted in the database can be read with this key only.
        "secret_key": {"name": "grafana-secret-key", "key": "secret_key"},
    }
}


def grafana_environment(stack: Stack, secrets: Mapping[str, Mapping[str, Mapping[str, str]]]) -> list[dict[str, Any]]:
    """Return the environment of Grafana's container: a variable for each setting that comes from a Secret.

    `secrets` maps a section of grafana.ini to its keys, and a key to `name` and `key` of a Secret in the stack's namespace.
    """
    found = {
        grafana_variable(section, key): {"name": reference["name"], "key": reference["key"]}
        for wanted in (_GRAFANA_SECRETS, secrets)
        for section, keys in wanted.items()
        for key, reference in keys.items()
    }
    return [{"name": name, "valueFrom": {"secretKeyRef": reference}} for name, reference in found.items()]
