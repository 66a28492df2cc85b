"""The part of the documentation that every filter over the checked model has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """`observability.stack.model`: the input of a filter over the checked model."""

    DOCUMENTATION = """
author:
  - observability.stack contributors
version_added: 0.1.0
options:
  _input:
    description:
      - The checked model of the inventory, C(observability_stack), as M(observability.stack.check_inventory) sets it.
      - Anything else is an error.
    type: dict
    required: true
"""
