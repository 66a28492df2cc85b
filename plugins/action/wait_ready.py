"""The action `wait_ready`: waits for the workloads of the stack, and prints what it waits for. Documented in plugins/modules."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine import snapshot
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND, Kind
from ansible_collections.observability.stack.plugins.module_utils.stack import expansion, graph, rollouts
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import ownership
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.plugin_utils.on_cluster import STACK, ClusterAction

KINDS = ("StatefulSet", "DaemonSet", "Deployment")
_POD = Kind("v1", "Pod")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 1.0


@dataclass(frozen=True)
class _State:
    """What is missing and why, on one line (empty when all is ready), what cannot become ready, and what is not waited for."""

    missing: str = ""
    hopeless: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    progress: Mapping[str, int] = field(default_factory=dict)


class ActionModule(ClusterAction):
    """Poll until everything is ready, and print what is missing."""

    _supports_check_mode = False
    SPEC: ClassVar[dict[str, Any]] = {
        **STACK,
        "kinds": {"type": "list", "elements": "str", "choices": list(KINDS), "default": list(KINDS)},
        "available": {"type": "bool", "default": True},
    }

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return `seconds` that it took, or a failure that says why which pod is not ready, with its events and last log lines."""
        stack = Stack.from_dict(options["stack"])
        cluster = self.cluster(stack, patience=stack.wait_timeout)
        lease = self.lease(cluster, stack)
        start = progressed = time.monotonic()
        best: dict[str, int] = {}
        said, pause = "", _FIRST_PAUSE
        while (state := _state(cluster, stack, options)).missing:
            now = time.monotonic()
            if any(count > best.get(name, -1) for name, count in state.progress.items()):
                progressed = now
                best |= {name: max(count, best.get(name, -1)) for name, count in state.progress.items()}
            if state.hopeless or now - progressed > stack.wait_timeout:
                why = f"nothing has become ready for {stack.wait_timeout} s (observability_wait_timeout)"
                why = "no waiting helps" if state.hopeless else why
                raise ClusterError(f"{why}: {'; '.join(state.hopeless) or state.missing}\n{_reasons(cluster, stack)}")
            if state.missing != said:
                self.say(f"waiting, {now - start:.0f} s: {state.missing}")
                said = state.missing
            lease.keep(stack.wait_timeout, self.say)
            time.sleep(pause)
            pause = min(1.5 * pause, _LONGEST_PAUSE)
        warnings = [f"not waited for, their nodes are not ready: {', '.join(state.left_out)}"] if state.left_out else []
        for line, stuck in _growing(cluster, stack) if options["available"] else ():
            if stuck:
                warnings.append(line)
            else:
                self.say(line)
        return {
            "changed": False,
            "seconds": round(time.monotonic() - start, 1),
            "left_out": list(state.left_out),
            **({"warnings": warnings} if warnings else {}),
        }


def _state(cluster: Cluster, stack: Stack, options: Mapping[str, Any]) -> _State:
    """Ask for one kind after the other, up to the first that is not ready."""
    left_out: list[str] = []
    available = options["available"]
    for kind in options["kinds"]:
        workloads = _selected(cluster, stack, BY_KIND[kind])
        states = [rollouts.rollout(workload, available=available) for workload in workloads]
        if all(state.done for state in states):
            continue
        pods = _selected(cluster, stack, _POD)
        if kind in rollouts.BOUND:
            nodes = _nodes(cluster)
            states = [rollouts.rollout(workload, pods, nodes, available=available) for workload in workloads]
            left_out += [pod for state in states for pod in state.left_out]
            lost = rollouts.lost_pods(pods, nodes)
            pods = [pod for pod in pods if pod["metadata"]["name"] not in lost]
        if not all(state.done for state in states):
            line = "; ".join([rollouts.waiting_line(states, pods), *(text for text, _stuck in _growing(cluster, stack))])
            progress = rollouts.progress(states, pods)
            return _State(line, tuple(rollouts.hopeless(pods)), tuple(left_out), progress)
    return _State(left_out=tuple(left_out))


def _selected(cluster: Cluster, stack: Stack, kind: Kind) -> list[dict[str, Any]]:
    return snapshot.selected(cluster, [(kind, namespace) for namespace in graph.namespaces(stack)], ownership(stack))


def _growing(cluster: Cluster, stack: Stack) -> list[tuple[str, bool]]:
    """Return a line for each volume that is not as large yet as it is to be, and whether it may need somebody."""
    return list(expansion.growing(_selected(cluster, stack, BY_KIND["PersistentVolumeClaim"])))


def _nodes(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the nodes; none without the permission to list them; then no pod is ignored."""
    answer = cluster.request("GET", "/api/v1/nodes")
    return answer.items() if answer.status == 200 else []


def _reasons(cluster: Cluster, stack: Stack) -> str:
    """Return why pods are not ready, with the warnings about them and the last lines that they have logged."""
    pods = _selected(cluster, stack, _POD)
    answer = cluster.request("GET", Kind("v1", "Event").path(stack.namespace), [("fieldSelector", "type=Warning")])
    # Without the permission to list events the rest is still worth reading.
    events = answer.items() if answer.status == 200 else []
    logs = []
    for pod in rollouts.waiting_pods(pods):
        answer = cluster.request("GET", f"{_POD.path(stack.namespace, pod['name'])}/log", [("tailLines", "10")])
        # A container that has not started has no log.
        logs.append({"item": pod["name"], "log": answer.text if answer.status == 200 else answer.reason()})
    return rollouts.waiting_reasons(pods, events, logs)
