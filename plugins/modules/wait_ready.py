"""Documentation of the action `wait_ready`; the code is in plugins/action."""

from __future__ import annotations

DOCUMENTATION = """
module: wait_ready
author: observability.stack contributors (@observability)
short_description: Wait until every pod of the stack's workloads is ready, and say what it waits for
version_added: 0.1.0
description:
  - Asks for the workloads of one stack, by its labels, kind by kind, until each has the desired number of updated and available pods,
    by the fields that C(kubectl rollout status) reads.
  - The pods of a DaemonSet or StatefulSet whose node is not ready are not waited for, as long as others of the same workload run
    elsewhere. A warning names them.
  - Prints a line whenever what is missing changes, with the reasons that the first pods give.
  - Fails once nothing has become ready for C(observability_wait_timeout), with that line, the warnings about each pod that is not
    ready, and the last lines of its log. It fails at once when the image that a pod names is no valid one.
  - Does not wait for volumes that grow. A line says which have not done so yet; where that may need somebody, it is a warning.
  - A cluster that does not answer is waited for as well.
extends_documentation_fragment:
  - observability.stack.on_cluster
attributes:
  check_mode:
    description: Is skipped in check mode, where nothing was applied.
    support: none
options:
  kinds:
    description: Kinds to wait for, in this order.
    type: list
    elements: str
    choices: [StatefulSet, DaemonSet, Deployment]
    default: [StatefulSet, DaemonSet, Deployment]
  available:
    description: Whether pods count only once they have been ready for the C(minReadySeconds) of their workload.
    type: bool
    default: true
"""

EXAMPLES = """
- name: Wait until the stores are ready
  observability.stack.wait_ready:
    stack: "{{ observability_stack }}"
    kinds: [StatefulSet]
"""

RETURN = """
seconds:
  description: How long it took.
  type: float
  returned: success
left_out:
  description: The pods that were not waited for, with their nodes, which are not ready.
  type: list
  elements: str
  returned: success
"""
