"""The action `preflight`: is there anything to do, and can it be done on this cluster. Documented in plugins/modules."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError, inside
from ansible_collections.observability.stack.plugins.module_utils.engine import settled, snapshot
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import title_of
from ansible_collections.observability.stack.plugins.module_utils.stack import graph, preflight
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import COMPONENT, labels, ownership
from ansible_collections.observability.stack.plugins.module_utils.stack.model import InventoryError, Stack
from ansible_collections.observability.stack.plugins.module_utils.stack.validation import STACK_DEFAULTS
from ansible_collections.observability.stack.plugins.module_utils.survey import survey
from ansible_collections.observability.stack.plugins.plugin_utils.native import native
from ansible_collections.observability.stack.plugins.plugin_utils.on_cluster import ACCESS, STACK, ClusterAction

_CLAIMS = ("cluster_name", "kubeconfig", "context", "namespace")
# Seconds for one answer of the API server: whoever has named a wrong one learns it soon.
TIMEOUT = 10.0


class ActionModule(ClusterAction):
    """Read, decide, hand over."""

    SPEC: ClassVar[dict[str, Any]] = {
        **STACK,
        **ACCESS,
        "purpose": {"type": "str", "choices": ["apply", "verify", "remove"], "default": "apply"},
        "inputs": {"type": "dict", "default": {}},
        "always": {"type": "bool", "default": False},
    }

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the facts of the run, or a failure whose message lists every problem."""
        stack = Stack.from_dict(options["stack"])
        kubeconfig, context = options["kubeconfig"] or "", options["context"] or ""
        problems = preflight.conflicts(self.variables["inventory_hostname"], _claims(self.variables))
        if not (context or stack.current_context or inside(kubeconfig, context)):
            return _failure([*problems, preflight.access_problem(kubeconfig, context)])
        try:
            cluster = self.cluster(options, stack.namespace, TIMEOUT, patience=0.0)
            roles = {} if problems else self._roles(cluster, stack, options)
            if options["purpose"] == "apply" and not roles and not problems:
                return _facts(stack, [], settled=True)
            facts = survey(cluster, graph.namespaces(stack))
        except ClusterError as error:
            return _failure([*problems, preflight.access_problem(kubeconfig, context, str(error))])
        problems += preflight.rejections(stack, facts, options["purpose"])
        if problems:
            return _failure(problems)
        warnings = [f"not looked at, because these credentials may not read it: {', '.join(facts['unreadable'])}"]
        seen = dataclasses.replace(stack, namespace_state=preflight.namespace_state(stack, facts))
        return {**_facts(seen, list(roles), settled=False), "facts": facts, "warnings": warnings if facts["unreadable"] else []}

    def _roles(self, cluster: Cluster, stack: Stack, options: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the roles to run and why; empty when the cluster is as the inventory wants it."""
        inputs: dict[str, str] = options["inputs"]
        every = {role: ["everything is rendered and compared"] for role in inputs}
        if options["always"] or options["purpose"] != "apply":
            return every
        try:
            found = snapshot.read(cluster, graph.namespaces(stack), ownership(stack))
        except snapshot.Forbidden:
            return every
        names = {role: labels(stack, role)[COMPONENT] for role in inputs}
        roles = settled.differing(inputs, found, names, datetime.datetime.now(datetime.UTC))
        for role, reasons in roles.items():
            self._display.vv(f"{role}: {'; '.join(reasons)}")
        recorded = settled.recorded(found.entries, inputs)
        extra = settled.extra(found, {key for keys in recorded.values() for key in keys})
        if not roles and extra:
            return {"": [title_of(item) for item in extra]}
        if not roles:
            count = sum(len(keys) for keys in recorded.values())
            self.say(f"nothing to do: {count} objects are as the inventory wants them, and every pod is ready")
        return roles


def _facts(stack: Stack, roles: list[str], *, settled: bool) -> dict[str, Any]:
    run = {"roles": roles, "settled": settled}
    return {"changed": False, "ansible_facts": {"observability_stack": stack.to_dict(), "observability_run": run, "observability_applied": {}}}


def _failure(problems: list[str]) -> dict[str, Any]:
    return {"failed": True, "msg": str(InventoryError(problems)), "problems": problems}


def _claims(variables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what each host of the group, the one of the task at least, claims for its stack; what cannot be evaluated is left out."""
    found: dict[str, dict[str, Any]] = {}
    hosts = variables["hostvars"]
    for host in {variables["inventory_hostname"], *variables["groups"].get("observability", [])}:
        claims = {}
        for claim in _CLAIMS:
            name = f"observability_{claim}"
            try:
                claims[claim] = native(hosts[host].get(name, STACK_DEFAULTS[name]))
            except AnsibleError:
                continue
        found[host] = claims
    return dict(sorted(found.items()))
