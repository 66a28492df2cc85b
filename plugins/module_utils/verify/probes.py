"""The probe pods: one on each of some nodes, which are scraped and whose logs are read, as those of any application."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..stack import catalogue
from ..stack.labels import labels
from ..stack.model import Stack
from .outcome import Failed, NotYet

if TYPE_CHECKING:
    from .session import Session

RUN_LABEL = "observability.stack/verify"
# The component whose image the probes run.
_PROBE = "prometheus"
# A run that was killed could not delete its probes; the next one does, once they are older than this (seconds).
_LEFTOVER = 3600


def start(session: Session) -> dict[str, str]:
    """Start one probe pod on each of some nodes and return pod -> node, once all are ready."""
    nodes = [node["metadata"]["name"] for node in session.cluster.nodes() if _schedulable(node)]
    if not nodes:
        raise Failed("no node is Ready, schedulable and without a NoSchedule taint, so no probe pod can run (`kubectl get nodes`)")
    chosen = sorted(random.sample(nodes, min(len(nodes), session.options.max_nodes)))
    probes = {f"verify-{session.run_id}-{number}": node for number, node in enumerate(chosen)}
    for name, node in probes.items():
        session.created.append(name)
        session.cluster.create_pod(probe_pod(session.stack, session.run_id, name, node, int(session.options.timeout)))

    def all_ready() -> dict[str, str]:
        running = {pod["metadata"]["name"]: pod for pod in session.cluster.pods({RUN_LABEL: session.run_id})}
        waiting = [f"{name} on {node}: {_why_waiting(running.get(name))}" for name, node in probes.items() if not ready(running.get(name))]
        if waiting:
            raise NotYet(f"probe pods are not ready: {'; '.join(waiting)}")
        return probes

    return session.until(all_ready)


def remove_leftovers(session: Session) -> None:
    """Delete the probes of runs that were killed more than an hour ago."""
    now = datetime.now(UTC)
    old = [
        pod["metadata"]["name"]
        for pod in session.cluster.pods(RUN_LABEL)
        if (now - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])).total_seconds() > _LEFTOVER
    ]
    session.cluster.delete_pods(old, grace=0)


def ready(pod: Mapping[str, Any] | None) -> bool:
    """Whether a pod (or a node) is ready."""
    conditions = (pod or {}).get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _schedulable(node: Mapping[str, Any]) -> bool:
    tainted = any(taint["effect"] in ("NoSchedule", "NoExecute") for taint in node["spec"].get("taints", []))
    return ready(node) and not tainted and not node["spec"].get("unschedulable", False)


def _why_waiting(pod: Mapping[str, Any] | None) -> str:
    if pod is None:
        return "it is gone"
    for status in pod["status"].get("containerStatuses", []):
        for state in ("waiting", "terminated"):
            if state in status.get("state", {}):
                found = status["state"][state]
                return f"{found.get('reason', state)} {found.get('message', '')}".strip()
    for condition in pod["status"].get("conditions", []):
        if condition["status"] == "False" and condition.get("message"):
            return str(condition["message"])
    return str(pod["status"].get("phase", "unknown"))


def probe_pod(stack: Stack, run_id: str, name: str, node: str, seconds: int) -> dict[str, Any]:
    """Return the probe pod for a node, annotated like any application; it ends by itself soon after `seconds`.

    It is an idle Prometheus, because the nodes have that image already. Its metrics are scraped, its first log lines are read.
    """
    port = catalogue.port("verify", "http")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {**labels(stack, "verify"), RUN_LABEL: run_id},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": str(port)},
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds + 60,
            "terminationGracePeriodSeconds": 5,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]
                    }
                }
            },
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "runAsGroup": 65534,
                "fsGroup": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "probe",
                    "image": stack.images[_PROBE],
                    "imagePullPolicy": "IfNotPresent",
                    "args": ["--config.file=/dev/null", "--storage.tsdb.path=/data", f"--web.listen-address=:{port}"],
                    "ports": [{"name": "http", "containerPort": port}],
                    "readinessProbe": {"httpGet": {"path": "/-/ready", "port": "http"}, "periodSeconds": 1},
                    "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"cpu": "500m", "memory": "192Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
            "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "64Mi"}}],
        },
    }
