"""Documentation of the action `prune`; the code is in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prune
author: observability.stack contributors (@observability)
short_description: Remove what an inventory no longer produces, and record what it produces
version_added: 0.1.0
description:
  - Compares the objects with the labels of the stack with what its roles want on the cluster, and removes the rest, in the order that
    loses nothing. Senders end before what they send to.
  - Writes the record of what the roles of this run have applied, the ConfigMap C(observability-stack-state).
  - Removes only what this collection has applied, by the labels and by the manager of its fields. Secrets, volumes and namespaces stay.
extends_documentation_fragment:
  - observability.stack.on_cluster
attributes:
  check_mode:
    description: Says what would be removed.
    support: full
  diff_mode:
    description: Shows each object.
    support: full
options:
  applied:
    description:
      - For each role of this run the objects that it wants, from the fact C(observability_applied). For other roles the record on
        the cluster counts.
    type: dict
    default: {}
  inputs:
    description: For each role the digest of what its objects follow from, the fact C(observability_inputs). Without it nothing is recorded.
    type: dict
    default: {}
  present:
    description:
      - The keys of the objects that the stack had before this run, from the fact C(observability_run).
      - When all of them are wanted, nothing is left over. Left out, the cluster is read.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Remove what is left over
  observability.stack.prune:
    applied: "{{ observability_applied }}"
    inputs: "{{ observability_inputs }}"
    present: "{{ observability_run.present }}"
"""

RETURN = r"""
objects:
  description: A line for each object that was removed.
  type: list
  elements: str
  returned: success
"""
