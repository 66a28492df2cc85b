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
      - The checked model; left out, the fact C(observability_stack) that M(observability.stack.check_inventory) has set.
      - The cluster is the one that C(observability_kubeconfig) and C(observability_context) name.
    type: dict
"""

    # For what the tasks of a role call: `observability.stack.on_cluster.mode`.
    MODE = """
options:
  mode:
    description:
      - What is done with the objects and the Secrets of a role. A playbook sets it for all roles, by C(module_defaults) of the group
        C(observability.stack.objects).
      - V(apply) changes the cluster. V(compare) adds to the fact C(observability_drift) how the cluster differs, and changes nothing.
        V(render) writes files, and talks to no cluster. V(secrets) makes the missing Secrets, the certificate and the namespace, and
        applies nothing else.
    type: str
    choices: [apply, compare, render, secrets]
    default: apply
"""
