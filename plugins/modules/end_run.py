"""Documentation of the action `end_run`; the code is in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: end_run
author: observability.stack contributors (@observability)
short_description: Let other runs change the stack
version_added: 0.1.0
description:
  - Releases the Lease C(observability-stack-run) that the tasks of this run hold while they change the stack. A run that does not is
    waited for until the Lease expires.
extends_documentation_fragment:
  - observability.stack.on_cluster
attributes:
  check_mode:
    description: Does nothing, since no Lease is held.
    support: full
"""

EXAMPLES = r"""
- name: End of the changes
  observability.stack.end_run:
"""

RETURN = r"""
released:
  description: Whether this run held the Lease.
  type: bool
  returned: success
"""
