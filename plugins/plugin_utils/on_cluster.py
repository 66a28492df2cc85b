"""What the actions of this collection that talk to a cluster have in common. They run on the controller, in the process of the task."""

from __future__ import annotations

import functools
import gc
import getpass
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.action import ActionBase

# At the top, so that the process from which all tasks are forked imports the client once for each run.
from ansible_collections.observability.stack.plugins.module_utils.cluster import MISSING, Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine.lease import RunLease
from ansible_collections.observability.stack.plugins.module_utils.engine.waiting import Waiting
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import RUN, labels
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.plugin_utils.native import native

STACK: dict[str, Any] = {"stack": {"type": "dict"}}
# Each task is a fork of the process that has imported all this: what is frozen is not looked through for garbage there, and so not copied
# (Python 3.12, `gc.freeze`).
gc.freeze()
# Seconds that an API server may be unavailable for.
PATIENCE = 60.0


class ClusterAction(ActionBase):
    """An action with the options SPEC, which hands over what `work` returns, or fails with the message of the error that it raises."""

    SPEC: ClassVar[dict[str, Any]] = {}

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the result of `work`, or a failure."""
        result: dict[str, Any] = super().run(tmp, task_vars) or {}
        _result, options = self.validate_argument_spec(self.SPEC)
        if MISSING:
            return {**result, "failed": True, "msg": missing_required_lib(MISSING.name or str(MISSING))}
        self.variables = dict(task_vars or {})
        try:
            return {**result, **self.work(native(options))}
        except (ClusterError, ValueError) as error:
            # It has no secret in it, unlike the options of such a task.
            if self._task.no_log:
                self.say(str(error))
            return {**result, "failed": True, "msg": str(error)}

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the result. Raises ClusterError or ValueError with a message for people."""
        raise NotImplementedError

    def model(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the model as a dict: the option `stack`, or the fact of this host; empty without either."""
        found: dict[str, Any] = options["stack"] or native(self.variables.get("observability_stack")) or {}
        return found

    def stack(self, options: Mapping[str, Any]) -> Stack:
        """Return the checked model. Raises ValueError when there is none."""
        model = self.model(options)
        if not model:
            raise ValueError("there is no fact observability_stack; run the module observability.stack.check_inventory first, it makes it")
        return Stack.from_dict(model)

    def say(self, line: str) -> None:
        """Print a line, with the host that it is about."""
        self._display.display(f"[{self.variables.get('inventory_hostname', 'localhost')}] {line}")

    def cluster(self, stack: Stack, timeout: float = 15.0, patience: float = PATIENCE, *, known: bool = True) -> Cluster:
        """Return the cluster of a stack; `known`: whether it has answered in this run."""
        kubeconfig = os.path.expandvars(Path(stack.kubeconfig).expanduser()) if stack.kubeconfig else ""
        return Cluster(kubeconfig, stack.context, stack.namespace, timeout, patience, self.say, known=known)

    def hold(self, cluster: Cluster, stack: Stack) -> Waiting:
        """Take the Lease of the runs, and return how steps wait: it is kept meanwhile, since pods may take longer to end than it lasts."""
        lease = self.lease(cluster, stack)
        lease.hold(stack.wait_timeout, self.say)
        return Waiting(stack.wait_timeout, self.say, functools.partial(lease.keep, stack.wait_timeout, self.say))

    def lease(self, cluster: Cluster, stack: Stack) -> RunLease:
        """Return the Lease of the runs on a stack; all tasks of this run have the same parent process."""
        holder = f"{getpass.getuser()} on {socket.gethostname()}, process {os.getppid()}"
        return RunLease(cluster, stack.namespace, holder, labels(stack, RUN))
