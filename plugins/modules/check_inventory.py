"""Documentation of the action `check_inventory`; the code is in plugins/action."""

from __future__ import annotations

DOCUMENTATION = """
module: check_inventory
author: observability.stack contributors (@observability)
short_description: Check the inventory and derive the model that everything else reads
version_added: 0.1.0
description:
  - Gathers every variable of the stack (C(observability_*) and those of the collection's roles, their defaults included), checks them
    against the roles' argument specifications and against each other, and sets the fact C(observability_stack), the model that the
    filters of this collection take.
  - Talks to nothing. When anything is wrong, it fails with all problems at once, each with the variable, its value and what would be
    right.
  - A variable that is nearly one of the collection's is a problem; one that only begins like one is mentioned in a warning.
  - Expressions in C(prometheus_rules) are parsed when the Python package C(promql-parser) is installed; otherwise only their brackets
    and quotes are looked at, with a warning.
attributes:
  check_mode:
    description: Does the same in check mode.
    support: full
options: {}
"""

EXAMPLES = """
- name: Check the inventory
  observability.stack.check_inventory:
"""

RETURN = """
ansible_facts:
  description:
    - C(observability_stack), the checked model, and C(observability_inputs), for each role a digest of what its objects follow from.
  type: dict
  returned: success
problems:
  description: One sentence for each thing that is wrong.
  type: list
  elements: str
  returned: failure
"""
