"""What the state of workloads and pods means, as small pure functions over objects of the Kubernetes API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Pods that stay with their node, whatever becomes of it: one for each node, or one with a name and a volume of its own.
BOUND = ("DaemonSet", "StatefulSet")
# What no waiting can mend: the image that a pod names can never be had.
_HOPELESS = ("InvalidImageName", "ErrImageNeverPull")
_SHOWN_PODS = 5
# The fields of the status that count, by whether pods have to be available: the desired pods, the ready ones, the updated ones.
_OF_DAEMON_SETS = {
    True: ("desiredNumberScheduled", "numberAvailable", "updatedNumberScheduled"),
    False: ("desiredNumberScheduled", "numberReady", "updatedNumberScheduled"),
}
_OF_REPLICAS = {True: ("availableReplicas", "updatedReplicas"), False: ("readyReplicas", "updatedReplicas")}


@dataclass(frozen=True)
class Rollout:
    """How far a workload is: desired pods, updated pods, available pods.

    `seen`: whether its controller has looked at its newest template. `left_out` names the pods that are not
    wanted, because their nodes are not ready.
    """

    name: str
    seen: bool
    wanted: int
    updated: int
    ready: int
    left_out: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.seen and self.updated >= self.wanted and self.ready >= self.wanted

    def __str__(self) -> str:
        """Return a line like "StatefulSet mimir: 0 of 1 pods ready, 1 updated"."""
        rest = f" (left out, their nodes are not ready: {', '.join(self.left_out)})" if self.left_out else ""
        # They are unavailable to the controller as well, and that may be as many as it allows.
        held = "; the roll-out may be held back until they are ready" if rest and self.updated < self.wanted else ""
        return f"{self.name}: {self.ready} of {self.wanted} pods ready, {self.updated} updated{rest}{held}"


def rollout(
    workload: Mapping[str, Any], pods: Sequence[Mapping[str, Any]] = (), nodes: Sequence[Mapping[str, Any]] = (), *, available: bool = True
) -> Rollout:
    """Return how far a workload is, by the fields that `kubectl rollout status` reads (Kubernetes API 1.36, apps/v1).

    Ready pods count once they have been ready for their `minReadySeconds`, without `available` at once.
    With `pods` and `nodes`, those of its pods that stay with a node that is not ready are left out, as long as others remain: they come
    back with the node, and nothing else brings them back. The pods of a Deployment are replaced on other nodes, so they are waited for.
    """
    status = workload.get("status") or {}
    metadata = workload["metadata"]
    name = f"{workload['kind']} {metadata['name']}"
    seen = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    if workload["kind"] == "DaemonSet":
        wanted, ready, updated = (status.get(key, 0) for key in _OF_DAEMON_SETS[available])
    else:
        wanted = workload["spec"].get("replicas", 1)
        ready, updated = (status.get(key, 0) for key in _OF_REPLICAS[available])
    own = [pod for pod in pods if any(owner.get("uid") == metadata.get("uid") for owner in pod["metadata"].get("ownerReferences") or [])]
    lost = lost_pods(own, nodes) if workload["kind"] in BOUND else {}
    if not lost or len(lost) >= wanted:
        return Rollout(name, seen, wanted, updated, ready)
    updated = sum(_is_updated(workload, pod) for pod in own if pod["metadata"]["name"] not in lost)
    return Rollout(name, seen, wanted - len(lost), updated, ready, tuple(f"{pod} on {node}" for pod, node in sorted(lost.items())))


def available(workload: Mapping[str, Any]) -> bool:
    """Whether its controller says of its newest template that as many pods as it wants are available."""
    status = workload.get("status") or {}
    seen = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    return bool(seen and status.get("availableReplicas", 0) >= workload["spec"].get("replicas", 1))


def held_back(stateful_set: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the pods that a StatefulSet should have again before another one of them is replaced, each with why it has not.

    None when it has one replica, and where nothing is lost: no pod is ready, or the only one that is not is the one with the highest
    number. That one is replaced first, so the change takes no other one, and may be what makes it ready.
    """
    spec, name = stateful_set["spec"], stateful_set["metadata"]["name"]
    count, start = spec.get("replicas", 1), (spec.get("ordinals") or {}).get("start", 0)
    names = [f"{name}-{number}" for number in range(start, start + count)]
    there = {pod["metadata"]["name"]: pod for pod in pods if pod["metadata"]["name"] in names}
    waiting = {pod["name"]: pod["why"] for pod in waiting_pods(list(there.values()))}
    waiting |= {pod: "it is ending" for pod, item in there.items() if item["metadata"].get("deletionTimestamp")}
    waiting |= {pod: "it is not there" for pod in names if pod not in there}
    if count < 2 or len(waiting) == count or list(waiting) == names[-1:]:
        return {}
    seconds = f" for its minReadySeconds ({spec['minReadySeconds']} s)" if spec.get("minReadySeconds") else ""
    return waiting or {name: f"its controller does not say yet that all pods are available{seconds}"}


def lost_pods(pods: Sequence[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the names of the pods on, or for, a node that is there and not ready, with the node."""
    unready = {
        node["metadata"]["name"]
        for node in nodes
        if not any(item["type"] == "Ready" and item["status"] == "True" for item in (node.get("status") or {}).get("conditions") or [])
    }
    return {pod["metadata"]["name"]: node for pod in pods if (node := _node(pod)) in unready}


def _node(pod: Mapping[str, Any]) -> str:
    """Return the node that a pod is on or, before a DaemonSet's pod is on it, the one that it is for; or nothing."""
    spec = pod.get("spec") or {}
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    fields = [field for term in affinity.get("nodeSelectorTerms") or [] for field in term.get("matchFields") or []]
    return str(spec.get("nodeName") or next((field["values"][0] for field in fields if field["key"] == "metadata.name"), ""))


def _is_updated(workload: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    labels = pod["metadata"].get("labels") or {}
    if workload["kind"] == "StatefulSet":
        return bool(labels.get("controller-revision-hash") == (workload.get("status") or {}).get("updateRevision"))
    generation = (workload["metadata"].get("annotations") or {}).get("deprecated.daemonset.template.generation")
    return bool(labels.get("pod-template-generation") == generation)


def progress(rollouts: Sequence[Rollout], pods: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return counts that only grow while something goes on: a new maximum of one of them is progress."""
    steps = sum(item["status"] == "True" for pod in pods for item in (pod.get("status") or {}).get("conditions") or [])
    return {"steps": steps} | {
        f"{rollout.name} {what}": count
        for rollout in rollouts
        for what, count in (("seen", int(rollout.seen)), ("updated", rollout.updated), ("ready", rollout.ready))
    }


def hopeless(pods: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each pod that no waiting can make ready."""
    return [
        f"{pod['metadata']['name']}: {container['name']}: {waiting['reason']} {waiting.get('message', '')}".strip()
        for pod in pods
        for container in (pod.get("status") or {}).get("containerStatuses") or []
        if (waiting := (container.get("state") or {}).get("waiting") or {}).get("reason") in _HOPELESS
    ]


def waiting_line(rollouts: Sequence[Rollout], pods: Sequence[Mapping[str, Any]]) -> str:
    """Return what is missing and why, on one line: the workloads, and the first of the pods that are not ready."""
    waiting = waiting_pods(pods)
    shown = [f"{pod['name']}: {pod['why']}" for pod in waiting[:_SHOWN_PODS]]
    more = [f"and {len(waiting) - _SHOWN_PODS} more pods"] if len(waiting) > _SHOWN_PODS else []
    return "; ".join([*(str(rollout) for rollout in rollouts if not rollout.done), *shown, *more])


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
    """Return, for a person, why pods are not ready or not made: their state, the warnings about them, and the last lines that they logged.

    `events` are objects of the API, `logs` the log of each pod (`item`: pod name, `log`: text).
    """
    # A workload whose pods are not allowed says so itself: a quota, a priority class that does not exist, Pod Security.
    lines = [
        f"{event['involvedObject'].get('kind')} {event['involvedObject'].get('name')}: {event.get('message')}"
        for event in events
        if event.get("reason") == "FailedCreate" and "involvedObject" in event
    ][-3:]
    written = {result.get("item"): result.get("log") or "" for result in logs}
    for pod in waiting_pods(pods):
        lines.append(f"pod {pod['name']} is not ready: {pod['why']}")
        about = [event for event in events if event.get("involvedObject", {}).get("name") == pod["name"]]
        lines += [f"  event {event.get('reason')}: {event.get('message')}" for event in about[-3:]]
        lines += [f"  log: {line}" for line in written.get(pod["name"], "").splitlines()[-10:]]
    return "\n".join(lines) or "every pod is ready by now; run the playbook again"
