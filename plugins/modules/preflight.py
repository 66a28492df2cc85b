"""The part of the action `preflight` that runs where the cluster can be reached, and the documentation of both."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
author: observability.stack contributors
short_description: Look at a cluster before anything is changed, and reject what cannot work there
version_added: 0.1.0
description:
  - Reads what the cluster has and what is in the stack's namespace, and fails with all problems at once, each with the variable, its value
    and what would be right.
  - Fails within seconds when the kubeconfig is missing, or the API server does not answer or does not take the credentials.
  - Changes nothing.
requirements:
  - kubernetes (Python client)
attributes:
  check_mode:
    description: Does the same in check mode.
    support: full
options:
  stack:
    description: The checked model, C(observability_stack).
    type: dict
    required: true
  purpose:
    description: What the run is going to do.
    type: str
    choices: [apply, verify, remove]
    default: apply
  kubeconfig:
    description: Path of the kubeconfig; the usual one when empty.
    type: path
  context:
    description:
      - Its context. It has to be named, unless the model says C(observability_current_context), or this runs in a pod of the cluster with a
        service account and no kubeconfig is named either.
    type: str
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
  description: One sentence for each thing that is wrong.
  type: list
  elements: str
  returned: failure
facts:
  description:
    - What was read, C(server), C(version), C(groups), C(storage_classes), C(ingress_classes), C(namespaces) (with C(labels) and C(objects)
      each), and C(unreadable), what the credentials may not read.
  type: dict
  returned: success
"""

import traceback
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError, inside
    from ansible_collections.observability.stack.plugins.module_utils.survey import survey

    MISSING = None
except ImportError as error:
    MISSING = (error.name or str(error), traceback.format_exc())

# What the action hands over; people see the options above.
SPEC: dict[str, Any] = {
    "namespaces": {"type": "list", "elements": "str", "required": True},
    "current_context": {"type": "bool", "default": False},
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
}
# Seconds for one answer of the API server.
TIMEOUT = 10.0


def main() -> None:
    """Read, and hand back what was found, or why nothing was."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if MISSING:
        module.fail_json(msg=missing_required_lib(MISSING[0]), exception=MISSING[1])
    kubeconfig, context = module.params["kubeconfig"] or "", module.params["context"] or ""
    if not (context or module.params["current_context"] or inside(kubeconfig, context)):
        module.exit_json(changed=False, unnamed=True)
    namespaces = module.params["namespaces"]
    try:
        facts = survey(Cluster(kubeconfig, context, namespaces[0], TIMEOUT), namespaces)
    except ClusterError as error:
        module.exit_json(changed=False, no_answer=str(error))
    module.exit_json(changed=False, facts=facts)


if __name__ == "__main__":
    main()
