"""The ingress: Ingresses with the annotations of their controller, the request for a certificate, and the controller's Service.

What is public is in the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ... import catalogue
from ...connections import receivers
from ...labels import labels
from ...model import Stack
from ...own import Own
from ...secrets import TLS, Secret, authority_name
from .inputs import ISSUER_DEFAULTS, config_problems, issuer_problems, service_problems

OWN = Own(
    args=(
        "nginx-configmaps", "ingress-class", "watch-namespace*", "enable-custom-resources", "enable-telemetry-reporting",
        "report-ingress-status", "external-service", "leader-election-lock-name", "ready-status*", "enable-prometheus-metrics",
        "prometheus-metrics-listen-port",
    ),
    volumes=("nginx", "cache", "library", "log"),
    mounts=("/etc/nginx", "/var/cache/nginx", "/var/lib/nginx", "/var/log/nginx"),
)  # fmt: skip
_REALM = "observability"


def settings(
    stack: Stack,
    auth_secret: str,
    issuer: Mapping[str, str],
    service_type: str = "ClusterIP",
    node_ports: Mapping[str, int] | None = None,
    service_annotations: Mapping[str, str] | None = None,
    load_balancer_class: str = "",
    load_balancer_source_ranges: Sequence[str] = (),
    external_traffic_policy: str = "Cluster",
) -> dict[str, Any]:
    """Return `routes`, `ingresses`, `certificate`, and `service`, what the inventory says about the Service of the controller.

    `auth_secret` names the Secret with the credentials, `issuer` has `name`, and where they differ from the defaults `kind` and `group`.
    The rest are the fields of a Kubernetes Service of these names.
    """
    spec: dict[str, Any] = {"type": service_type}
    if service_type != "ClusterIP":
        spec["externalTrafficPolicy"] = external_traffic_policy
    if load_balancer_class:
        spec["loadBalancerClass"] = load_balancer_class
    if load_balancer_source_ranges:
        spec["loadBalancerSourceRanges"] = list(load_balancer_source_ranges)
    if node_ports:
        spec["ports"] = {name: {"nodePort": number} for name, number in node_ports.items()}
    return {
        "routes": routes(stack),
        "ingresses": ingresses(stack, auth_secret),
        "certificate": certificate(stack, issuer),
        # Without ours there is no field of ours for those that a cloud adds.
        "service": {"metadata": {"annotations": dict(service_annotations)} if service_annotations else {}, "spec": spec},
    }


def secrets(stack: Stack) -> list[Secret]:
    """Return the Secrets that the role creates where they are missing."""
    users = ("username", "password", "htpasswd", "auth")
    found = [Secret("observability-basic-auth", users, "users of Prometheus, Mimir and Loki", "nginx.org/htpasswd")]
    if stack.tls_source == "self_signed":
        found += [
            Secret(stack.tls_secret, ("tls.crt", "tls.key", "ca.crt"), "certificate of the public hosts", TLS),
            Secret(authority_name(stack.tls_secret), ("tls.crt", "tls.key"), "authority that signs that certificate; no pod uses it", TLS),
        ]
    return found


def routes(stack: Stack) -> list[dict[str, Any]]:
    """Return one route per public host.

    `component`, `host`, `service`, `port`, `auth`, `websocket`, `body_size` (megabytes), `paths`, and `guarded`: paths that ask for
    credentials where `auth` is false. A path is `{"path": …, "type": "Prefix" | "Exact"}`.
    """

    def paths(listed: tuple[str, ...]) -> list[dict[str, str]]:
        return [{"path": path.removeprefix("="), "type": "Exact" if path.startswith("=") else "Prefix"} for path in dict.fromkeys(listed)]

    found = []
    for name in receivers("ingress"):
        public = catalogue.component(name).public
        if public is None or not stack.has(name):
            continue
        found.append({
            "component": name,
            "host": stack.hosts[name],
            "service": catalogue.workload_name(name),
            "port": "http",
            "auth": not public.own_login,
            "websocket": public.websocket,
            "body_size": public.body_megabytes,
            "paths": paths((*public.paths, *stack.ingress_open_paths.get(name, ()))),
            "guarded": paths(public.guarded),
        })  # fmt: skip
    return found


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
    annotations = {
        "nginx.org/mergeable-ingress-type": "minion",
        "nginx.org/client-max-body-size": f"{route['body_size']}m",
        # A replica that is ending may say so with a 503: then another one is asked, but not for a POST. Controllers since 5.4 read it.
        "nginx.org/proxy-next-upstream": "error timeout http_502 http_503",
    }
    if route["websocket"]:
        annotations |= {"nginx.org/websocket-services": route["service"], "nginx.org/proxy-read-timeout": "3600s"}
    if route["auth"]:
        annotations |= {"nginx.org/basic-auth-secret": secret, "nginx.org/basic-auth-realm": _REALM}
    return annotations


_ANNOTATIONS: dict[str, Callable[[dict[str, Any], str], dict[str, str]]] = {"community": _community_annotations, "f5": _f5_annotations}


def ingresses(stack: Stack, auth_secret: str) -> list[dict[str, Any]]:
    """Return the Ingresses of every public host, with the annotations that their controller reads.

    One Ingress per way of logging in: its annotations are for all of its paths. The F5 controller lets one Ingress own a host, so there
    the host and its certificate have an Ingress of their own, NAME-host (a "master" in its documentation, "Cross-namespace configuration"),
    to which those with paths ("minions") are added; an ACME solver for HTTP-01 can join it in the same way.
    """
    annotate = _ANNOTATIONS[stack.ingress_controller]
    separate = stack.ingress_controller == "f5"
    objects = []
    for route in routes(stack):
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
    backend = {"service": {"name": route["service"], "port": {"name": route["port"]}}}
    return {"path": path["path"], "pathType": path["type"], "backend": backend}


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


def certificate(stack: Stack, issuer: Mapping[str, str]) -> dict[str, Any]:
    """Return cert-manager's Certificate for all public hosts, in the Secret of the Ingresses.

    One for all of them: of several annotated Ingresses that share a Secret, cert-manager serves the first only. An ACME issuer decides
    between DNS-01 and HTTP-01. For HTTP-01 its solver gets the class of our Ingresses, whatever class the issuer names, and until it has
    solved the challenge a temporary certificate lets the controller answer at all (cert-manager documentation 1.18, "Annotations").
    """
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {
            "name": stack.tls_secret,
            "namespace": stack.namespace,
            "labels": labels(stack, "ingress"),
            "annotations": {
                "acme.cert-manager.io/http01-override-ingress-ingressclassname": stack.ingress_class,
                "cert-manager.io/issue-temporary-certificate": "true",
            },
        },
        "spec": {
            "secretName": stack.tls_secret,
            "secretTemplate": {"labels": labels(stack, "ingress")},
            "dnsNames": [route["host"] for route in routes(stack)],
            "usages": ["server auth"],
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "issuerRef": {**ISSUER_DEFAULTS, **issuer},
        },
    }


def problems(values: Mapping[str, Any], _stack: Stack) -> Iterator[str]:
    """Return a sentence for each thing that is wrong with the variables of the ingress."""
    for check in (issuer_problems, service_problems, config_problems):
        yield from check(values)


def rules(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """Return what the controller's account may do, in its namespace and outside of it."""
    read = ["get", "list", "watch"]
    return {
        "Role": [
            {"apiGroups": [""], "resources": ["configmaps", "secrets", "services", "pods"], "verbs": read},
            # It labels its own pod with its version, and checks whether the namespace that it watches exists.
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["update"]},
            {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": [stack.namespace], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch", "list"]},
            {"apiGroups": ["apps"], "resources": ["replicasets", "daemonsets"], "verbs": ["get"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
            {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": read},
            {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["update"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["ingress"], "verbs": ["get", "update"]},
        ],
        "ClusterRole": [{"apiGroups": ["networking.k8s.io"], "resources": ["ingressclasses"], "verbs": read}],
    }
