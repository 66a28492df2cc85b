"""What a cluster has and what is in some namespaces, read where the cluster can be reached. The action `preflight` decides on it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
author: observability.stack contributors (@observability)
short_description: Read what a cluster has, before anything is changed
version_added: 0.1.0
description:
  - Reads version, API groups, StorageClasses and IngressClasses of a cluster, and labels and objects of some namespaces.
  - Changes nothing. M(observability.stack.preflight) compares the result with the inventory.
extends_documentation_fragment:
  - observability.stack.access
  - observability.stack.access.reading
options:
  namespaces:
    description: Namespaces to look at; they need not exist.
    type: list
    elements: str
    required: true
  current_context:
    description: Whether the current context of the kubeconfig may be used when O(context) is empty.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Read what the cluster has
  observability.stack.cluster_info:
    namespaces: [observability]
    context: my-cluster
"""

RETURN = r"""
facts:
  description:
    - What was read, C(server), C(version), C(groups), C(storage_classes), C(ingress_classes), C(namespaces) (with C(labels) and C(objects)
      each), and C(unreadable), what the credentials may not read.
  type: dict
  returned: when the cluster answers
no_answer:
  description: Why the cluster does not answer.
  type: str
  returned: when it does not
unnamed:
  description: Set when no context is named and the current one may not be used; nothing was read then.
  type: bool
  returned: when nothing was read
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.observability.stack.plugins.module_utils.cluster import MISSING, Cluster, ClusterError, inside
from ansible_collections.observability.stack.plugins.module_utils.survey import survey

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
        module.fail_json(msg=missing_required_lib(MISSING.name or str(MISSING)))
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
