"""Documentation of the action `end_run`; the code is in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: end_run
author: observability.stack contributors (@observability)
short_description: Remove what an inventory no longer produces, record what it produces, and let other runs change the stack
version_added: 0.1.0
description:
  - Compares the objects with the labels of the stack with what its roles want on the cluster, and removes the rest, in the order that
    loses nothing. Senders end before what they send to.
  - Removes only what this collection has applied, by the labels and by the manager of its fields. Secrets, volumes and namespaces stay.
  - Writes the record of what the roles of this run have applied, the ConfigMap C(observability-stack-state).
  - Releases the Lease C(observability-stack-run) that the tasks of this run hold while they change the stack. A run that does not is
    waited for until the Lease expires. Without O(inputs) nothing else is done.
extends_documentation_fragment:
  - observability.stack.on_cluster
attributes:
  check_mode:
    description: Says what would be removed.
    support: full
  diff_mode:
    description: Shows each object that is removed.
    support: full
options:
  applied:
    description:
      - For each role of this run the objects that it wants, from the fact C(observability_applied). For other roles the record on
        the cluster counts.
    type: dict
    default: {}
  inputs:
    description: For each role the digest of what its objects follow from, the fact C(observability_inputs).
    type: dict
  present:
    description:
      - The keys of the objects that the stack had before this run, from the fact C(observability_run).
      - When all of them are wanted, nothing is left over. Left out, the cluster is read.
    type: list
    elements: str
  failed_at:
    description: The name of the task at which the run has failed. Then this one fails, too, since C(rescue) would make a success of it.
    type: str
"""

EXAMPLES = r"""
- name: Remove what is left over, and end the run
  observability.stack.end_run:
    applied: "{{ observability_applied }}"
    inputs: "{{ observability_inputs }}"
    present: "{{ observability_run.present }}"

- name: Release the Lease after a failure, in a C(rescue)
  observability.stack.end_run:
    failed_at: "{{ ansible_failed_task.name }}"
"""

RETURN = r"""
objects:
  description: A line for each object that was removed.
  type: list
  elements: str
  returned: success
released:
  description: Whether this run held the Lease.
  type: bool
  returned: success
"""
