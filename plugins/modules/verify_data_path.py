"""The Ansible module around the verification in module_utils/verify; the action of the same name prints what it returns."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify_data_path
author: observability.stack contributors (@observability)
short_description: Verify every connection of the observability stack on the running cluster
version_added: 0.1.0
description:
  - Sends something of its own through every connection and reads it back, at each replica of each store.
  - Or only reads what is there, with O(depth=quick), which takes a few seconds.
  - Needs no sample application and no route into the cluster. It talks to the API server, through port-forwards to pods, to which network
    policies do not apply, and to the ingress controller as a user does.
  - Starts one small probe pod on each of some nodes, from the image of Prometheus, and deletes them at the end. What a killed run left
    behind ends by itself, and is deleted by a run an hour or more later. The few samples and log lines stay in the stores.
  - Looks at the counters of silent loss as well (samples or lines that are rejected, dropped, stuck, or not deduplicated).
  - Prints a table of the connections (only of the failed ones, when there are some) and how many ended how.
  - Fails only when the cluster is unreachable. Failed connections are in RV(connections).
extends_documentation_fragment:
  - observability.stack.access
requirements:
  - h2 (HTTP/2, for OTLP over gRPC)
attributes:
  check_mode:
    description: Is skipped in check mode, where nothing has been applied that could be verified.
    support: none
options:
  stack:
    description: The checked model of the inventory, C(observability_stack), as M(observability.stack.check_inventory) sets it.
    type: dict
    required: true
  depth:
    description:
      - V(full) sends something through every connection.
      - V(quick) sends nothing and starts no pod. It reads the health of every replica as the component itself reports it, the targets in
        Prometheus, the members of the rings, counters of loss over three seconds, queues, and the answers of public hosts and data sources.
        What needs more than that is C(not tested). It waits for two scrape intervals at most.
    type: str
    choices: [quick, full]
    default: full
  versions:
    description: Components in another version than C(versions.yml) names, each with the version; listed below the table.
    type: dict
    default: {}
  absent:
    description:
      - Components of which the real program does not run here, and why.
      - A connection of theirs is reported as C(not tested) with that reason, though it fails when their substitute does not deliver.
    type: dict
    default: {}
  timeout:
    description: Seconds after which whatever has not arrived counts as lost.
    type: int
    default: 180
  max_nodes:
    description: The most nodes that get a probe pod; more than these, and a random choice is made.
    type: int
    default: 5
  ingress_address:
    description:
      - Address at which users reach the ingress controller by HTTPS, as C(host) or C(host:port).
      - Taken from the status of the Ingresses when empty.
    type: str
    default: ""
  ingress_http_address:
    description: The same for plain HTTP. When empty, port 80 beside an HTTPS port of 443, otherwise the redirect is not looked at.
    type: str
    default: ""
  grafana_secret:
    description: Secret with C(username) and C(password) of Grafana's administrator.
    type: str
    default: grafana-admin
  users_secret:
    description: Secret with C(username) and C(password) of the basic authentication at the ingress.
    type: str
    default: observability-basic-auth
"""

EXAMPLES = r"""
- name: Verify every connection
  observability.stack.verify_data_path:
    stack: "{{ observability_stack }}"
    context: my-cluster
  register: verification

- name: Look whether anything is wrong, in a few seconds
  observability.stack.verify_data_path:
    stack: "{{ observability_stack }}"
    context: my-cluster
    depth: quick
  register: verification
  failed_when: verification.summary.failed > 0
"""

RETURN = r"""
connections:
  description: One entry per component, one per connection that has a check, and one per component whose replicas share the load.
  returned: always
  type: list
  elements: dict
  contains:
    connection:
      description: Name of the connection.
      type: str
      sample: prometheus-mimir
    status:
      description: C(ok), C(failed) or C(not tested).
      type: str
    depth:
      description: The depth at which it was checked, C(quick) or C(full); empty when it was not.
      type: str
    seconds:
      description: From sending or asking to reading back at the last place; null when only counters were read.
      type: float
    detail:
      description: Further facts; for a failure what was expected, what came and where to look; for what was not tested, the reason.
      type: str
    sent:
      description: What was sent.
      type: str
    read_back:
      description: Where and how it was found.
      type: str
summary:
  description: How many connections ended how.
  returned: always
  type: dict
  sample: {ok: 15, failed: 0, not tested: 2}
depth:
  description: The depth of the run.
  returned: always
  type: str
versions:
  description: As given.
  returned: always
  type: dict
run:
  description: The ID that everything of this run carries, in labels and in log lines.
  returned: always
  type: str
"""

import signal
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.observability.stack.plugins.module_utils import cluster
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.verify import otlp
from ansible_collections.observability.stack.plugins.module_utils.verify.report import summary
from ansible_collections.observability.stack.plugins.module_utils.verify.runner import verify
from ansible_collections.observability.stack.plugins.module_utils.verify.session import DEPTHS, FULL, Options, Session

SPEC: dict[str, Any] = {
    "stack": {"type": "dict", "required": True},
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "depth": {"type": "str", "choices": list(DEPTHS), "default": FULL},
    "versions": {"type": "dict", "default": {}},
    "absent": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 180},
    "max_nodes": {"type": "int", "default": 5},
    "ingress_address": {"type": "str", "default": ""},
    "ingress_http_address": {"type": "str", "default": ""},
    # Names of Secrets, not secrets.
    "grafana_secret": {"type": "str", "default": "grafana-admin", "no_log": False},
    "users_secret": {"type": "str", "default": "observability-basic-auth", "no_log": False},
}


def _stop(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """Verify, and return the rows of the report."""
    module = AnsibleModule(argument_spec=SPEC)
    for missing in (cluster.MISSING, otlp.MISSING):
        if missing:
            module.fail_json(msg=missing_required_lib(missing.name or str(missing)))
    # So that the probe pods are deleted also when the run is cancelled.
    signal.signal(signal.SIGTERM, _stop)
    given = module.params

    options = Options(
        depth=given["depth"],
        timeout=float(given["timeout"]),
        max_nodes=given["max_nodes"],
        absent=given["absent"],
        ingress_address=given["ingress_address"],
        ingress_http_address=given["ingress_http_address"],
        grafana_secret=given["grafana_secret"],
        users_secret=given["users_secret"],
    )
    try:
        stack = Stack.from_dict(given["stack"])
        session = Session(cluster.Cluster(given["kubeconfig"] or "", given["context"] or "", stack.namespace), stack, options)
        rows = verify(session)
    except cluster.ClusterError as error:
        module.fail_json(msg=f"nothing could be verified: {error}")
    for warning in session.warnings:
        module.warn(warning)
    module.exit_json(
        changed=False,
        connections=rows,
        summary=summary(rows),
        depth=options.depth,
        versions=given["versions"],
        run=session.run_id,
    )


if __name__ == "__main__":
    main()
