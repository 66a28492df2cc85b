"""The action of `wait_ready`: on the controller, where a task can speak while it waits. Documented in plugins/modules."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.observability.stack.plugins.plugin_utils import _workloads

KINDS = ("StatefulSet", "DaemonSet", "Deployment")
SELECTOR = "app.kubernetes.io/part-of=observability-stack"
PAUSE = 2.0
SPEC = {
    "namespace": {"type": "str", "required": True},
    "kinds": {"type": "list", "elements": "str", "choices": list(KINDS), "default": list(KINDS)},
    "timeout": {"type": "int", "default": 600},
    "kubeconfig": {"type": "str"},
    "context": {"type": "str"},
}


class _AnswerError(Exception):
    """The cluster did not answer; the message is its module's."""


class ActionModule(ActionBase):
    """Ask, tell what is missing, ask again."""

    _supports_check_mode = False

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return `seconds` that it took, or a failure that says why which pod is not ready, with its events and last log lines."""
        result: dict[str, Any] = super().run(tmp, task_vars) or {}
        _, options = self.validate_argument_spec(SPEC)
        variables = dict(task_vars or {})
        start, said = time.monotonic(), ""
        while missing := self._missing(options, variables):
            seconds = time.monotonic() - start
            if seconds > options["timeout"]:
                reasons = self._reasons(options, variables)
                message = f"not ready after {options['timeout']} s (common_wait_timeout): {missing}\n{reasons}"
                return {**result, "failed": True, "msg": message}
            if missing != said:
                self._display.display(f"waiting, {seconds:.0f} s: {missing}")
                said = missing
            time.sleep(PAUSE)
        return {**result, "changed": False, "seconds": round(time.monotonic() - start, 1)}

    def _missing(self, options: Mapping[str, Any], variables: dict[str, Any]) -> str:
        """Return what is not rolled out yet and why, on one line; nothing when all is ready."""
        try:
            for kind in options["kinds"]:
                if missing := _workloads.not_ready(self._list(options, variables, kind, api_version="apps/v1")):
                    pods = _workloads.waiting_pods(self._list(options, variables, "Pod"))
                    return "; ".join([*missing, *(f"{pod['name']}: {pod['why']}" for pod in pods)])
        except _AnswerError as error:
            return f"the cluster does not answer: {error}"
        return ""

    def _reasons(self, options: Mapping[str, Any], variables: dict[str, Any]) -> str:
        try:
            pods = self._list(options, variables, "Pod")
            events = self._ask(options, variables, kind="Event", field_selectors=["type=Warning"])["resources"]
        except _AnswerError as error:
            return str(error)
        logs = [self._log(options, variables, pod["name"]) for pod in _workloads.waiting_pods(pods)]
        return _workloads.waiting_reasons(pods, events, logs)

    def _list(self, options: Mapping[str, Any], variables: dict[str, Any], kind: str, **extra: Any) -> list[dict[str, Any]]:
        resources: list[dict[str, Any]] = self._ask(options, variables, kind=kind, label_selectors=[SELECTOR], **extra)["resources"]
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
