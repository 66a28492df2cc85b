"""The part of the documentation that every action on the cluster of a stack has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """`observability.stack.on_cluster`: the stack, which names its cluster."""

    DOCUMENTATION = """
requirements:
  - kubernetes (Python client), on the controller
options:
  stack:
    description:
      - The checked model, C(observability_stack), as M(observability.stack.check_inventory) sets it.
      - The cluster is the one that C(observability_kubeconfig) and C(observability_context) name.
    type: dict
    required: true
"""
