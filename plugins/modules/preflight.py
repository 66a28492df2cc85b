"""Documentation of the action `preflight`; the code is in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
author: observability.stack contributors (@observability)
short_description: Look at a cluster before anything is changed, and reject what cannot work there
version_added: 0.1.0
description:
  - Compares the record of earlier runs on the cluster with the inventory and with what is there. When nothing differs and every pod is
    ready, there is nothing to do, and it says so.
  - Otherwise it reads what the cluster has and what is in the stack's namespace, and fails with all problems at once, each with the
    variable, its value and what would be right.
  - Fails within seconds when the kubeconfig is missing, or the API server does not answer or does not take the credentials.
  - The context has to be named, unless the model says C(observability_current_context), or this runs in a pod of the cluster with a
    service account and no kubeconfig is named either.
  - Changes nothing.
extends_documentation_fragment:
  - observability.stack.on_cluster
  - observability.stack.access.reading
options:
  purpose:
    description: What the run is going to do.
    type: str
    choices: [apply, diff, verify, remove]
    default: apply
  inputs:
    description: For each role of the stack the digest of what its objects follow from, the fact C(observability_inputs).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Look at the cluster
  observability.stack.preflight:
"""

RETURN = r"""
ansible_facts:
  description:
    - C(observability_stack), the model, with C(namespace_state), which is V(absent), V(ours) or V(foreign).
    - C(observability_run), with C(settled), whether there is nothing to do.
    - In it C(waves), in their order, each with C(name), C(roles), those whose objects have to be rendered and compared, and C(wait), the
      options of M(observability.stack.wait_ready) after it, where it has pods.
    - In it C(present), the keys of the objects that this collection has applied before; null when the credentials may not list them.
  type: dict
  returned: success
problems:
  description: One sentence for each thing on the cluster with which the run cannot work.
  type: list
  elements: str
  returned: failure
"""
