"""Documentation of the action `render_index`; the code is in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: render_index
author: observability.stack contributors (@observability)
short_description: Complete the rendered files of a stack
version_added: 0.1.0
description:
  - Writes C(kustomization.yaml) for each wave of the playbook and one for all of them, beside the files that
    M(observability.stack.apply) has written with its option C(directory).
  - Writes C(secrets.md), the list of the Secrets that have to exist, without their values.
  - Removes files that were rendered for the same stack before and are not any more. A file is known by its first line, which names the
    stack and the file; others are never removed, and never overwritten.
  - Runs on the controller and needs no cluster.
attributes:
  check_mode:
    description: Writes and removes nothing, and says what it would.
    support: full
options:
  stack:
    description: The checked model, C(observability_stack).
    type: dict
    required: true
  rendered:
    description: What has been rendered, by role; the fact C(observability_rendered).
    type: dict
    required: true
  directory:
    description: Directory of the files.
    type: path
    required: true
  format:
    description:
      - What the files are for. V(argocd) adds the sync wave to every object, V(argocd) and V(flux) keep these tools from removing volumes
        and namespaces.
    type: str
    choices: [plain, argocd, flux]
    default: plain
"""

EXAMPLES = r"""
- name: Complete the rendered files
  observability.stack.render_index:
    rendered: "{{ observability_rendered }}"
    directory: clusters/berlin
    format: flux
"""

RETURN = r"""
objects:
  description: A line for each file that was created, changed or removed.
  type: list
  elements: str
  returned: success
  sample: ["3-backends/kustomization.yaml: changed"]
"""
