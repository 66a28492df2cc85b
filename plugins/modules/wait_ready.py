"""Documentation of the action `wait_ready`; the code is in plugins/action."""

from __future__ import annotations

DOCUMENTATION = """
module: wait_ready
author: observability.stack contributors
short_description: Wait until every pod of the stack's workloads is ready, and say what it waits for
version_added: 0.1.0
description:
  - Asks for the workloads that carry the label C(app.kubernetes.io/part-of=observability-stack), kind by kind, until each has as many
    updated and available pods as it wants. These are the fields that C(kubectl rollout status) reads.
  - Prints a line whenever what is missing changes, with the reason that each pod gives.
  - Fails after O(timeout) with that line, the warnings about each pod that is not ready, and the last lines of its log.
  - A cluster that does not answer is waited for as well.
requirements:
  - kubernetes.core, whose modules it runs on the host of the task
attributes:
  check_mode:
    description: Is skipped in check mode, where nothing was applied.
    support: none
options:
  namespace:
    description: Namespace of the workloads.
    type: str
    required: true
  kinds:
    description: Kinds to wait for, in this order.
    type: list
    elements: str
    choices: [StatefulSet, DaemonSet, Deployment]
    default: [StatefulSet, DaemonSet, Deployment]
  timeout:
    description: How long to wait, in seconds.
    type: int
    default: 600
  kubeconfig:
    description: File with the access to the cluster; what M(kubernetes.core.k8s_info) uses by default when it is empty.
    type: str
  context:
    description: Context in that file; its current one when it is empty.
    type: str
"""

EXAMPLES = """
- name: Wait until the stores are ready
  observability.stack.wait_ready:
    namespace: observability
    kinds: [StatefulSet]
"""

RETURN = """
seconds:
  description: How long it took.
  type: float
  returned: success
"""
