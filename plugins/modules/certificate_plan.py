"""Documentation of the action `certificate_plan`; the code is in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_plan
author: observability.stack contributors (@observability)
short_description: Decide what has to be made of a certificate authority and of the certificate that it signs
version_added: 0.1.0
description:
  - Reads the certificate in the Secret O(name), and the authority in the one of that name with C(-authority) at its end.
  - The certificate is made anew in the last third of its time, when the hosts are others, or when it is not the authority's.
  - The authority gets a new certificate for its old key when it has less than two lifetimes of a certificate left. It is made anew only
    when it is missing, unusable, or limited to other names.
  - Fails when one of the Secrets belongs to another owner.
extends_documentation_fragment:
  - observability.stack.on_cluster
  - observability.stack.on_cluster.mode
attributes:
  check_mode:
    description: Does the same, and is changed when a certificate would be made.
    support: full
options:
  name:
    description: Name of the Secret with the certificate.
    type: str
    required: true
  hosts:
    description: Host names that the certificate has to be for.
    type: list
    elements: str
    required: true
  domain:
    description: What the authority may sign for beside those hosts.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Look at the certificate
  observability.stack.certificate_plan:
    name: observability-tls
    hosts: [grafana.example.com]
    domain: example.com
  register: certificate
  no_log: true
"""

RETURN = r"""
steps:
  description:
    - What is to be made now, C(authority) before C(certificate).
    - Nothing in check mode, or with another O(mode) than V(apply) and V(secrets).
  type: list
  elements: str
  returned: success
plan:
  description:
    - C(authority) is V(keep), V(renew) or V(make), C(certificate) is V(keep) or V(make), and C(reasons) has a sentence for each that
      is not kept.
    - C(permitted) has the name constraints of a new authority, C(days) and C(authority_days) how long the two are to be valid.
  type: dict
  returned: success
stored:
  description: C(certificate) and C(key) of an authority that is kept or renewed.
  type: dict
  returned: success
"""
