"""Where the stack of a cluster is reached, and where its passwords are (never the passwords themselves)."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.verify.ingress_client import split_address
from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from tools.lab import build
from tools.lab.provider_protocol import Provider, ProviderError

OURS = "app.kubernetes.io/part-of=observability-stack"


def addresses(provider: Provider) -> list[str]:
    """Return lines for people: every host, how a machine finds it, and the commands that show the credentials.

    Raises ProviderError when there is no cluster, or it does not answer.
    """
    access = provider.access()
    if not access.kubeconfig.is_file():
        raise ProviderError(f"there is no kubeconfig {access.kubeconfig}, and so no cluster; `make up` makes one")
    try:
        config.load_kube_config(str(access.kubeconfig), access.context)
        ingresses = client.NetworkingV1Api().list_ingress_for_all_namespaces(label_selector=OURS, _request_timeout=10).items
        secrets = client.CoreV1Api().list_secret_for_all_namespaces(label_selector=OURS, _request_timeout=10).items
    except ConfigException as error:
        raise ProviderError(f"the context {access.context} of {access.kubeconfig} cannot be used: {error}") from error
    except client.ApiException as error:
        raise ProviderError(f"the cluster of {access.kubeconfig} rejects the request: {error.status} {error.reason}") from error
    except HTTPError as error:
        raise ProviderError(f"the cluster of {access.kubeconfig} does not answer; does it run? `make up` starts it") from error
    program = shutil.which("kubectl") or (build.binary("kubectl") if provider.name == "lab" else "kubectl")
    kubectl = f"{program} --kubeconfig={access.kubeconfig} --context={access.context}"
    entry = str(provider.variables().get("verify_ingress_address", "")) or _published(ingresses)
    return describe(
        sorted(_hosts(ingresses)), entry, [(item.metadata.namespace, item.metadata.name, set(item.data or {})) for item in secrets], kubectl
    )


def describe(hosts: list[str], entry: str, secrets: Iterable[tuple[str, str, set[str]]], kubectl: str) -> list[str]:
    """Return the lines for those hosts behind `entry` (address, or address:port) and those Secrets (namespace, name, keys)."""
    if not hosts:
        return ["no host of the stack is reachable from outside (no Ingress)"]
    address, port = split_address(entry, 443)
    lines = [f"https://{host}{'' if port == 443 else f':{port}'}/" for host in hosts]
    if address:
        lines += ["this machine finds them with one line in /etc/hosts:", f"  {address} {' '.join(hosts)}"]
    for namespace, name, keys in sorted(secrets, key=lambda secret: secret[:2]):
        if "password" in keys:
            shown = [f"{{{{ .data.{key} | base64decode }}}}" for key in ("username", "password") if key in keys]
            lines += [
                f"user and password in the Secret {name}:",
                f"  {kubectl} -n {namespace} get secret {name} -o go-template='{' '.join(shown)}'",
            ]
        if "ca.crt" in keys and "tls.crt" in keys:
            lines += [f"the certificate is signed by this cluster's own authority, in the Secret {name}:"]
            lines += [f"  {kubectl} -n {namespace} get secret {name} -o go-template='{{{{ index .data \"ca.crt\" | base64decode }}}}'"]
    return lines


def _hosts(ingresses: Iterable[Any]) -> set[str]:
    return {rule.host for ingress in ingresses for rule in ingress.spec.rules or [] if rule.host}


def _published(ingresses: Iterable[Any]) -> str:
    """Return the first address in the status of the Ingresses, or nothing."""
    for ingress in ingresses:
        for point in ingress.status.load_balancer.ingress or []:
            return str(point.ip or point.hostname)
    return ""
