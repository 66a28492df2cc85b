"""The action `preflight`: is there anything to do, and can it be done on this cluster. Documented in plugins/modules."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError, inside
from ansible_collections.observability.stack.plugins.module_utils.engine import access_review, rights, settled, snapshot
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND, key_of
from ansible_collections.observability.stack.plugins.module_utils.stack import graph, objects, preflight
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import COMPONENT, labels, ownership
from ansible_collections.observability.stack.plugins.module_utils.stack.messages import together
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.survey import survey
from ansible_collections.observability.stack.plugins.plugin_utils.claims import claims
from ansible_collections.observability.stack.plugins.plugin_utils.on_cluster import STACK, ClusterAction

# Seconds for one answer of the API server: whoever has named a wrong one learns it soon.
TIMEOUT = 10.0


class ActionModule(ClusterAction):
    """Read, decide, hand over."""

    SPEC: ClassVar[dict[str, Any]] = {
        **STACK,
        "purpose": {"type": "str", "choices": ["apply", "diff", "verify", "remove"], "default": "apply"},
        "inputs": {"type": "dict", "default": {}},
    }

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the facts of the run, or a failure whose message lists every problem."""
        stack = self.stack(options)
        kubeconfig, context = stack.kubeconfig, stack.context
        problems = preflight.conflicts(self.variables["inventory_hostname"], claims(self.variables))
        if not (context or stack.current_context or inside(kubeconfig, context)):
            return _failure([*problems, preflight.access_problem(kubeconfig, context)])
        try:
            cluster = self.cluster(stack, TIMEOUT, known=False)
            found = None if problems or options["purpose"] != "apply" else _snapshot(cluster, stack)
            roles = self._roles(stack, options["inputs"], found)
            if found and not roles and not _left_over(found, options["inputs"]):
                self.say(f"nothing to do: {_count(found)} objects are as the inventory wants them, and every pod is ready")
                return _facts(stack, found, [], done=True)
            facts = survey(cluster, graph.namespaces(stack))
        except ClusterError as error:
            return _failure([*problems, preflight.access_problem(kubeconfig, context, str(error))])
        problems += preflight.rejections(stack, facts, options["purpose"])
        seen = dataclasses.replace(stack, namespace_state=preflight.namespace_state(stack, facts))
        kinds = {item["kind"] for item in found.objects.values()} if found else set()
        first = bool(found) and not any(BY_KIND[kind].workload for kind in kinds)
        lacking, warnings = self._lacking(cluster, seen, options["purpose"], kinds)
        if problems or lacking:
            return _failure([*problems, *lacking])
        if facts["unreadable"]:
            warnings.append(f"not looked at, because these credentials may not read it: {', '.join(facts['unreadable'])}")
        return {**_facts(seen, found, objects.plan(seen, roles, first=first), done=False), "warnings": warnings}

    def _lacking(self, cluster: Cluster, stack: Stack, purpose: str, kinds: Collection[str]) -> tuple[list[str], list[str]]:
        """Return a sentence about the rights without which the run would fail, and warnings about others, where there are such."""
        verify = purpose == "apply" and not self._task.check_mode and "verify" not in self.variables.get("ansible_skip_tags", ())
        needed = rights.needed(stack, purpose, dry=bool(self._task.check_mode), verify=verify, found=kinds)
        try:
            lacking, unasked = access_review.missing(cluster, needed)
        except ClusterError as error:
            return [], [f"{error}; what they may not do is seen when it is done"]
        where = "docs/permissions.md of this collection has the roles that give them"
        return (
            [f"the credentials of observability_context lack these rights, {rights.listed(lacking)}; {where}"] if lacking else [],
            [f"without these rights a failure is explained less well, {rights.listed(unasked)}; {where}"] if unasked else [],
        )

    def _roles(self, stack: Stack, inputs: Mapping[str, str], found: snapshot.Snapshot | None) -> list[str]:
        """Return the roles whose objects have to be rendered and compared; with -vv it is printed why."""
        if found is None or stack.always_render:
            return list(inputs)
        names = {role: labels(stack, role)[COMPONENT] for role in inputs}
        roles = settled.differing(inputs, found, names, datetime.datetime.now(datetime.UTC))
        for role, reasons in roles.items():
            self._display.vv(f"{role}: {'; '.join(reasons)}")
        return list(roles)


def _snapshot(cluster: Cluster, stack: Stack) -> snapshot.Snapshot | None:
    """Return what the stack has on the cluster; None where these credentials may not see all of it."""
    try:
        return snapshot.read(cluster, graph.namespaces(stack), ownership(stack))
    except snapshot.ForbiddenError:
        return None


def _left_over(found: snapshot.Snapshot, roles: Collection[str]) -> list[snapshot.Item]:
    recorded = settled.recorded(found.entries, roles)
    return settled.left_over(found, {key for keys in recorded.values() for key in keys})


def _count(found: snapshot.Snapshot) -> int:
    return sum(len(entry.objects) for entry in found.entries.values())


def _facts(stack: Stack, found: snapshot.Snapshot | None, waves: list[dict[str, Any]], *, done: bool) -> dict[str, Any]:
    run = {"settled": done, "waves": waves, "present": None if found is None else [key_of(item) for item in settled.left_over(found, ())]}
    facts = {"observability_stack": stack.to_dict(), "observability_run": run, "observability_applied": {}, "observability_drift": []}
    return {"changed": False, "ansible_facts": facts}


def _failure(problems: list[str]) -> dict[str, Any]:
    return {"failed": True, "msg": together("preflight has found", problems), "problems": problems}
