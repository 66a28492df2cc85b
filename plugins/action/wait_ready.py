"""The action of `wait_ready`: on the controller, where a task can speak while it waits. Documented in plugins/modules."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.observability.stack.plugins.module_utils.stack import rollouts

KINDS = ("StatefulSet", "DaemonSet", "Deployment")
PART_OF = "app.kubernetes.io/part-of=observability-stack"
PAUSE = 2.0
SPEC = {
    "namespace": {"type": "str", "required": True},
    "instance": {"type": "str", "required": True},
    "kinds": {"type": "list", "elements": "str", "choices": list(KINDS), "default": list(KINDS)},
    "timeout": {"type": "int", "default": 600},
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
}


class _AnswerError(Exception):
    """The cluster did not answer; the message is its module's."""


@dataclass(frozen=True)
class _State:
    """What is missing and why, on one line (empty when all is ready), what cannot become ready, and what is not waited for."""

    missing: str = ""
    hopeless: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    progress: Mapping[str, int] = field(default_factory=dict)


class ActionModule(ActionBase):
    """Poll until everything is ready, and print what is missing."""

    _supports_check_mode = False

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return `seconds` that it took, or a failure that says why which pod is not ready, with its events and last log lines."""
        result: dict[str, Any] = super().run(tmp, task_vars) or {}
        _result, options = self.validate_argument_spec(SPEC)
        variables = dict(task_vars or {})
        start = progressed = time.monotonic()
        best: dict[str, int] = {}
        said = ""
        while (state := self._state(options, variables)).missing:
            now = time.monotonic()
            if any(count > best.get(name, -1) for name, count in state.progress.items()):
                progressed = now
                best |= {name: max(count, best.get(name, -1)) for name, count in state.progress.items()}
            if state.hopeless or now - progressed > options["timeout"]:
                why = "no waiting helps" if state.hopeless else f"nothing has become ready for {options['timeout']} s (common_wait_timeout)"
                message = f"{why}: {'; '.join(state.hopeless) or state.missing}\n{self._reasons(options, variables)}"
                return {**result, "failed": True, "msg": message}
            if state.missing != said:
                self._display.display(f"waiting, {now - start:.0f} s: {state.missing}")
                said = state.missing
            time.sleep(PAUSE)
        warnings = [f"not waited for, their nodes are not ready: {', '.join(state.left_out)}"] if state.left_out else []
        return {
            **result,
            "changed": False,
            "seconds": round(time.monotonic() - start, 1),
            "left_out": list(state.left_out),
            **({"warnings": warnings} if warnings else {}),
        }

    def _state(self, options: Mapping[str, Any], variables: dict[str, Any]) -> _State:
        """Ask for one kind after the other, up to the first that is not ready."""
        left_out: list[str] = []
        try:
            for kind in options["kinds"]:
                workloads = self._list(options, variables, kind, api_version="apps/v1")
                states = [rollouts.rollout(workload) for workload in workloads]
                if all(state.done for state in states):
                    continue
                pods = self._list(options, variables, "Pod")
                if kind in rollouts.BOUND:
                    nodes = self._nodes(options, variables)
                    states = [rollouts.rollout(workload, pods, nodes) for workload in workloads]
                    left_out += [pod for state in states for pod in state.left_out]
                    lost = rollouts.lost_pods(pods, nodes)
                    pods = [pod for pod in pods if pod["metadata"]["name"] not in lost]
                if not all(state.done for state in states):
                    line, progress = rollouts.waiting_line(states, pods), rollouts.progress(states, pods)
                    return _State(line, tuple(rollouts.hopeless(pods)), tuple(left_out), progress)
        except _AnswerError as error:
            return _State(f"the cluster does not answer: {error}")
        return _State(left_out=tuple(left_out))

    def _nodes(self, options: Mapping[str, Any], variables: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the nodes; none without the permission to list them; then no pod is ignored."""
        try:
            nodes: list[dict[str, Any]] = self._ask(options, variables, kind="Node")["resources"]
        except _AnswerError:
            return []
        return nodes

    def _reasons(self, options: Mapping[str, Any], variables: dict[str, Any]) -> str:
        try:
            pods = self._list(options, variables, "Pod")
            events = self._ask(options, variables, kind="Event", field_selectors=["type=Warning"])["resources"]
        except _AnswerError as error:
            return str(error)
        logs = [self._log(options, variables, pod["name"]) for pod in rollouts.waiting_pods(pods)]
        return rollouts.waiting_reasons(pods, events, logs)

    def _list(self, options: Mapping[str, Any], variables: dict[str, Any], kind: str, **extra: Any) -> list[dict[str, Any]]:
        selectors = [PART_OF, f"app.kubernetes.io/instance={options['instance']}"]
        resources: list[dict[str, Any]] = self._ask(options, variables, kind=kind, label_selectors=selectors, **extra)["resources"]
        return resources

    def _log(self, options: Mapping[str, Any], variables: dict[str, Any], pod: str) -> dict[str, Any]:
        try:
            return {"item": pod, "log": self._ask(options, variables, "k8s_log", name=pod, tail_lines=10)["log"]}
        except _AnswerError as error:  # a container that has not started has no log
            return {"item": pod, "log": str(error)}

    def _ask(self, options: Mapping[str, Any], variables: dict[str, Any], module: str = "k8s_info", **arguments: Any) -> dict[str, Any]:
        """Run a module of kubernetes.core on the host of the task, in the namespace; raise _AnswerError when it fails."""
        access = {name: options[name] for name in ("kubeconfig", "context") if options.get(name)}
        answer: dict[str, Any] = self._execute_module(
            module_name=f"kubernetes.core.{module}",
            module_args={"namespace": options["namespace"], **access, **arguments},
            task_vars=variables,
        )
        if answer.get("failed"):
            raise _AnswerError(answer.get("msg", "no reason given"))
        return answer
