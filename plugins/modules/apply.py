"""Documentation of the action `apply`; the code is in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apply
author: observability.stack contributors (@observability)
short_description: Apply the objects of one role, those that differ
version_added: 0.1.0
description:
  - Renders the templates of the calling role, adds the objects that follow from the model, compares them with the record of earlier
    runs on the cluster, and applies those that differ, server-side.
  - Prints a line for each object that it has created or changed.
  - Runs on the controller, which has to reach the API server. While the API server does not answer, or is too busy to, the request is
    repeated for a minute.
  - Holds the Lease C(observability-stack-run) of the stack, so that two runs do not change it at the same time.
extends_documentation_fragment:
  - observability.stack.on_cluster
attributes:
  check_mode:
    description: Asks the API server what would change (a dry run).
    support: full
  diff_mode:
    description: Shows each object before and after.
    support: full
options:
  role:
    description: The role of this collection that the objects are of.
    type: str
    required: true
  templates:
    description: Templates of the calling role, each with one or more Kubernetes objects.
    type: list
    elements: str
    required: true
  pod:
    description: What is laid over the pods of the component; the keys are those of O(observability.stack.common#role:apply:common_pod).
    type: dict
    default: {}
  service:
    description:
      - What is laid over its Service, C(metadata) and C(spec); in the latter C(ports) maps the name of a port to further fields of
        it.
    type: dict
    default: {}
  inputs:
    description:
      - The digest of what the objects follow from, of the fact C(observability_inputs), for the record on the cluster.
      - Without it nothing is recorded.
    type: str
    default: ""
  directory:
    description: A directory to which the objects are written, as C(<role>.yaml), instead of to a cluster.
    type: path
"""

EXAMPLES = r"""
- name: Apply the objects of Loki
  observability.stack.apply:
    stack: "{{ observability_stack }}"
    role: loki
    templates: [config.yaml.j2, workload.yaml.j2]
"""

RETURN = r"""
objects:
  description: A line for each object that was created or changed, with the fields that differ.
  type: list
  elements: str
  returned: success
ansible_facts:
  description: C(observability_applied), for each role of this run the objects that it wants on the cluster.
  type: dict
  returned: without O(directory)
file:
  description: The file with the objects.
  type: str
  returned: with O(directory)
"""
