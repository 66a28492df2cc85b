"""Documentation of the action `drift_report`; the code is in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drift_report
author: observability.stack contributors (@observability)
short_description: Report how a cluster differs from the inventory
version_added: 0.1.0
description:
  - Takes what the comparisons of this run have found, and adds objects with the labels of the stack that the inventory does not produce.
  - Prints the differences, writes them to C(diff.json), and fails where there is drift. C(docs/drift.md) describes the file.
  - Changes nothing on the cluster.
extends_documentation_fragment:
  - observability.stack.access.reading
options:
  stack:
    description: The checked model, C(observability_stack); may be missing together with O(error).
    type: dict
    default: {}
  compared:
    description: For each role the objects that it produces, by key, C(observability_applied). Every role of the stack has to be in it.
    type: dict
    default: {}
  findings:
    description: What the comparisons have found, C(observability_drift).
    type: list
    elements: dict
    default: []
  ignore_managers:
    description: Managers of fields whose additions are no drift. What they change of the stack's own fields is.
    type: list
    elements: str
    default: []
  directory:
    description: Directory of the report, which is created where it is missing.
    type: path
    required: true
  fail:
    description: Fail where there is drift.
    type: bool
    default: true
  error:
    description: Why there was no comparison; the report has the reason, and the task fails.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Report the differences
  observability.stack.drift_report:
    compared: "{{ observability_applied }}"
    findings: "{{ observability_drift }}"
    ignore_managers: [kube-controller-manager]
    directory: build/berlin/reports
    context: my-cluster
"""

RETURN = r"""
result:
  description: V(clean), V(drift) or V(failed).
  type: str
  returned: always
summary:
  description: How many differences of each sort there are.
  type: dict
  returned: always
file:
  description: Path of the report.
  type: str
  returned: always
"""
