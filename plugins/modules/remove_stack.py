"""The Ansible module around the removal in module_utils/removal.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: remove_stack
author: observability.stack contributors (@observability)
short_description: Remove one stack from a cluster, and nothing that is not its own
version_added: 0.1.0
description:
  - Deletes objects by the labels of this one stack, kind by kind in the given order, and waits between them.
  - With O(data), also volumes, generated Secrets, the directories on the nodes, and each namespace that the stack has made, unless others
    have something in it.
extends_documentation_fragment:
  - observability.stack.access
attributes:
  check_mode:
    description: Says what would be removed.
    support: full
options:
  plan:
    description: What belongs to the stack, from the filter P(observability.stack.removal_plan#filter).
    type: dict
    required: true
  data:
    description: Whether the data goes as well.
    type: bool
    default: false
  timeout:
    description: Seconds until the objects of a kind that is waited for have to be gone.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Remove the stack, and keep its data
  observability.stack.remove_stack:
    plan: "{{ observability_stack | observability.stack.removal_plan }}"
    context: my-cluster
"""

RETURN = r"""
removed:
  description: A line for each object and directory that was removed.
  returned: always
  type: list
  elements: str
kept:
  description: A line for each thing that stays, and why.
  returned: always
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.observability.stack.plugins.module_utils.cluster import MISSING, Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.removal import Removal

SPEC: dict[str, Any] = {
    "plan": {"type": "dict", "required": True},
    "data": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 600},
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
}


def main() -> None:
    """Run the removal and hand back what went and what stays."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if MISSING:
        module.fail_json(msg=missing_required_lib(MISSING.name or str(MISSING)))
    given = module.params
    try:
        cluster = Cluster(given["kubeconfig"] or "", given["context"] or "", given["plan"]["namespaces"][0])
        removal = Removal(cluster, given["plan"], given["data"], float(given["timeout"]), module.check_mode)
        removal.run()
    except ClusterError as error:
        module.fail_json(msg=f"the removal is not complete; run it again: {error}")
    module.exit_json(changed=bool(removal.removed), removed=removal.removed, kept=removal.kept)


if __name__ == "__main__":
    main()
