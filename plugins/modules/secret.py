"""Documentation of the action `secret`; the code is in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret
author: observability.stack contributors (@observability)
short_description: Create the missing ones of some Secrets
version_added: 0.1.0
description:
  - Creates each Secret that does not exist. One that exists is neither read nor changed, whoever has made it, unless O(replace) says so.
extends_documentation_fragment:
  - observability.stack.on_cluster
  - observability.stack.on_cluster.mode
attributes:
  check_mode:
    description: Says which ones would be created.
    support: full
options:
  role:
    description: The role of this collection that the Secrets are of.
    type: str
    required: true
  secrets:
    description: Each has C(name), C(data) with its keys and clear values, and C(type), which is C(Opaque) when it is missing.
    type: list
    elements: dict
    required: true
  replace:
    description: Whether Secrets that exist get this content.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Generate a password once
  observability.stack.secret:
    role: grafana
    secrets:
      - name: grafana-admin
        data: {password: "{{ lookup('ansible.builtin.password', '/dev/null', length=24) }}"}
  no_log: true
"""

RETURN = r"""
created:
  description: The names of the Secrets that were created or replaced.
  type: list
  elements: str
  returned: success
"""
