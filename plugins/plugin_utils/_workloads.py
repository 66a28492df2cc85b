"""What the state of workloads and pods means, as small pure functions over objects of the Kubernetes API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def _rollout(workload: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return how many pods a workload wants, how many have its newest template, and how many of its pods are ready.

    The fields are those that `kubectl rollout status` reads (Kubernetes API 1.36, apps/v1).
    """
    status = workload.get("status") or {}
    spec = workload["spec"]
    if workload["kind"] == "DaemonSet":
        return status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    wanted = spec.get("replicas", 1)
    return wanted, status.get("updatedReplicas", 0), status.get("availableReplicas", 0)


def not_ready(workloads: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each workload that is not rolled out, like "StatefulSet mimir: 0 of 1 pods ready, 1 updated"."""
    waiting = []
    for workload in workloads:
        wanted, updated, ready = _rollout(workload)
        seen = (workload.get("status") or {}).get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
        if not seen or updated < wanted or ready < wanted:
            waiting.append(f"{workload['kind']} {workload['metadata']['name']}: {ready} of {wanted} pods ready, {updated} updated")
    return waiting


def waiting_pods(pods: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return `name` and `why` of each pod that is not ready: what its containers wait for, or why it has no node."""
    found = []
    for pod in pods:
        status = pod.get("status") or {}
        conditions = {item["type"]: item for item in status.get("conditions") or []}
        if conditions.get("Ready", {}).get("status") == "True":
            continue
        reasons = []
        for container in status.get("containerStatuses") or []:
            for state in (container.get("state") or {}, container.get("lastState") or {}):
                for detail in (state.get("waiting"), state.get("terminated")):
                    if detail:
                        exit_code = f", exit code {detail['exitCode']}" if "exitCode" in detail else ""
                        reasons.append(
                            f"{container['name']}: {detail.get('reason', 'waiting')}{exit_code} {detail.get('message', '')}".strip()
                        )
        reasons += [item["message"] for item in conditions.values() if item.get("message") and item["status"] != "True"]
        found.append({"name": pod["metadata"]["name"], "why": "; ".join(dict.fromkeys(reasons)) or status.get("phase", "unknown")})
    return found


def waiting_reasons(pods: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]], logs: Sequence[Mapping[str, Any]]) -> str:
    """Return, for a person, why pods are not ready: their state, the warnings about them, and the last lines that they logged.

    `events` are objects of the API, `logs` results of kubernetes.core.k8s_log in a loop (`item`: pod name, `log`: text).
    """
    lines = []
    written = {result.get("item"): result.get("log") or "" for result in logs}
    for pod in waiting_pods(pods):
        lines.append(f"pod {pod['name']} is not ready: {pod['why']}")
        about = [event for event in events if event.get("involvedObject", {}).get("name") == pod["name"]]
        lines += [f"  event {event.get('reason')}: {event.get('message')}" for event in about[-3:]]
        lines += [f"  log: {line}" for line in written.get(pod["name"], "").splitlines()[-10:]]
    return "\n".join(lines) or "every pod is ready by now; run the playbook again"


def object_changes(applied: Mapping[str, Any]) -> list[str]:
    """Return a line for each object that a kubernetes.core.k8s task changed, with the fields that differ.

    `applied` is the registered result of the task, for one definition or for a list of them. Values of Secrets are not shown.
    """
    result = applied.get("result") or {}
    results = result.get("results") if isinstance(result, Mapping) and "results" in result else [applied]
    lines = []
    for one in results or []:
        if not one.get("changed"):
            continue
        content = one.get("result") or {}
        name = f"{content.get('kind')} {(content.get('metadata') or {}).get('name')}"
        diff = one.get("diff") or {}
        before, after = _leaves(diff.get("before") or {}), _leaves(diff.get("after") or {})
        if content.get("kind") == "Secret":
            before, after = {}, {}
        lines.append(f"{name}: {one.get('method', 'change')}")
        # Counted by the API server at every change, and no change of its own.
        paths = sorted((before.keys() | after.keys()) - {"metadata.generation", "metadata.resourceVersion"})
        lines += [f"  {path}: {before.get(path)!r} -> {after.get(path)!r}" for path in paths if before.get(path) != after.get(path)]
    return lines


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {key: leaf for name, item in value.items() for key, leaf in _leaves(item, f"{path}.{name}" if path else str(name)).items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return {key: leaf for number, item in enumerate(value) for key, leaf in _leaves(item, f"{path}[{number}]").items()}
    return {path: value}
