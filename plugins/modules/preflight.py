"""Documentation of the action `preflight`; the code is in plugins/action, what it reads comes from the module `cluster_info`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
author: observability.stack contributors (@observability)
short_description: Look at a cluster before anything is changed, and reject what cannot work there
version_added: 0.1.0
description:
  - Reads what the cluster has and what is in the stack's namespace, and fails with all problems at once, each with the variable, its value
    and what would be right.
  - Fails within seconds when the kubeconfig is missing, or the API server does not answer or does not take the credentials.
  - The context has to be named, unless the model says C(observability_current_context), or this runs in a pod of the cluster with a
    service account and no kubeconfig is named either.
  - Changes nothing.
extends_documentation_fragment:
  - observability.stack.access
  - observability.stack.access.reading
options:
  stack:
    description: The checked model, C(observability_stack).
    type: dict
    required: true
  purpose:
    description: What the run is going to do.
    type: str
    choices: [apply, diff, verify, remove]
    default: apply
"""

EXAMPLES = r"""
- name: Look at the cluster
  observability.stack.preflight:
    stack: "{{ observability_stack }}"
    context: my-cluster
"""

RETURN = r"""
ansible_facts:
  description: C(observability_stack), the model, with C(namespace_state), which is V(absent), V(ours) or V(foreign).
  type: dict
  returned: success
problems:
  description: One sentence for each thing on the cluster with which the run cannot work.
  type: list
  elements: str
  returned: failure
facts:
  description: What was read, as M(observability.stack.cluster_info) returns it.
  type: dict
  returned: success
"""
