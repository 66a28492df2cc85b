"""Documentation of the action `prune`; the code is in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prune
author: observability.stack contributors (@observability)
short_description: Remove what an inventory no longer produces
version_added: 0.2.0
description:
  - Compares the objects with the labels of the stack with what its roles want on the cluster, and removes the rest, in the order that
    loses nothing. Senders end before what they send to.
  - Removes only what this collection has applied, by the labels and by the manager of its fields. Secrets, volumes and namespaces stay.
extends_documentation_fragment:
  - observability.stack.access
  - observability.stack.access.stack
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
  timeout:
    description: How many seconds to wait for another run on the same stack, and for the objects to be gone.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Remove what is left over
  observability.stack.prune:
    stack: "{{ observability_stack }}"
    applied: "{{ observability_applied }}"
    context: my-cluster
"""

RETURN = r"""
objects:
  description: A line for each object that was removed.
  type: list
  elements: str
  returned: success
"""
