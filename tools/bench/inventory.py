"""Inventories to measure with: every component, one or many stacks on one API server."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tools.lab import loopback

# What is changed for a measurement, by name: nothing; the ConfigMap of the ingress controller, which it reads by itself; the configuration
# of Loki, which is in a ConfigMap and starts a rollout.
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "config": {"ingress_config": {"worker-processes": "2"}},
    "rollout": {"loki_config": {"limits_config": {"max_query_series": 1000}}},
}


def namespace(host: str) -> str:
    """Return the namespace of the stack of a host."""
    return f"bench-{host}"


def inventory(hosts: Iterable[str], control_plane: loopback.ControlPlane, output: Path) -> dict[str, Any]:
    """Return an inventory in which each host is a stack of its own in the same cluster, small, with every component."""
    common = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "observability_kubeconfig": str(control_plane.kubeconfig),
        "observability_context": control_plane.context,
        "observability_domain": "example.test",
        "observability_output_directory": str(output),
        "sample_application_enabled": True,
        # Nothing here gives a load balancer an address, for which Helm would wait.
        "ingress_service_type": "NodePort",
    }
    own = {
        host: {
            "observability_cluster_name": namespace(host),
            "observability_namespace": namespace(host),
            "ingress_class": namespace(host),
            "sample_application_namespace": f"{namespace(host)}-application",
        }
        for host in hosts
    }
    return {"observability": {"hosts": own, "vars": common}}


def write(path: Path, content: Any) -> Path:
    """Write YAML to a file and return its path."""
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path
