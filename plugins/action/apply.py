"""The action `apply`: the objects of one role, rendered, compared and applied. Documented in plugins/modules."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine import apply, compare, record, snapshot
from ansible_collections.observability.stack.plugins.module_utils.engine.comparison import metadata_digest
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND, key_of
from ansible_collections.observability.stack.plugins.module_utils.engine.waiting import Waiting
from ansible_collections.observability.stack.plugins.module_utils.gitops import file_of
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import COMPONENT, instance, labels, ownership
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.stack.objects import objects
from ansible_collections.observability.stack.plugins.module_utils.stack.secrets import references
from ansible_collections.observability.stack.plugins.plugin_utils import findings, manifest
from ansible_collections.observability.stack.plugins.plugin_utils.on_cluster import STACK, ClusterAction
from ansible_collections.observability.stack.plugins.plugin_utils.rendered import Rendered
from ansible_collections.observability.stack.plugins.plugin_utils.rendering import render

# The fact with the keys of what each role of this run wants on the cluster.
APPLIED = "observability_applied"
# The fact with the file of each role that was rendered, and the Secrets that its objects refer to.
RENDERED = "observability_rendered"


class ActionModule(ClusterAction):
    """Render, compare, apply what differs, and record it."""

    SPEC: ClassVar[dict[str, Any]] = {
        **STACK,
        **findings.MODE,
        "role": {"type": "str", "required": True},
        "templates": {"type": "list", "elements": "str", "required": True},
        "pod": {"type": "dict", "default": {}},
        "service": {"type": "dict", "default": {}},
        "inputs": {"type": "str", "default": ""},
        "directory": {"type": "path"},
    }

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return `objects`, a line for each that was created or changed, and `diff`."""
        stack, role = Stack.from_dict(options["stack"]), options["role"]
        try:
            wanted = objects(stack, role, render(self, options["templates"], self.variables), options["pod"], options["service"])
        except ValueError as error:
            raise ValueError(f"the objects of {role} cannot be made: {error}") from error
        if options["directory"]:
            return self._write(stack, role, wanted, Path(options["directory"]))
        dry = bool(self._task.check_mode)
        cluster = self.cluster(stack)
        compares = options["mode"] == "compare"
        waiting = Waiting(stack.wait_timeout, self.say)
        if not (dry or compares or role == "namespaces"):
            lease = self.lease(cluster, stack)
            lease.hold(stack.wait_timeout, self.say)
            waiting = dataclasses.replace(waiting, keep=functools.partial(lease.keep, stack.wait_timeout, self.say))
        entry = record.entries(_config_map(cluster, stack)).get(role)
        facts = {APPLIED: {**self.variables.get(APPLIED, {}), role: [key_of(item) for item in wanted]}}
        if compares:
            found = compare.compare(cluster, wanted, entry.objects if entry else {})
            return {"changed": False, "objects": [], "ansible_facts": {**facts, **findings.facts(self.variables, found)}}
        gated = not stack.allow_unready_replicas
        known = entry.objects if entry else {}
        applied = apply.apply(cluster, wanted, known, dry=dry, always=stack.always_render, waiting=waiting, gated=gated)
        changed = [one for one in applied if one.changed]
        for one in changed:
            self.say(one.line)
        if options["inputs"] and not dry:
            new = record.Entry(
                options["inputs"],
                datetime.datetime.now(datetime.UTC),
                {key_of(one.item): (one.desired, one.live) for one in applied},
                _secrets(cluster, stack, role),
            )
            _record(cluster, stack, role, new)
        return {
            "changed": bool(changed),
            "objects": [one.line for one in changed],
            "ansible_facts": facts,
            **({"diff": [one.difference for one in changed]} if self._task.diff else {}),
        }

    def _write(self, stack: Stack, role: str, wanted: list[dict[str, Any]], place: Path) -> dict[str, Any]:
        directory, name = Rendered(place, instance(stack), dry=bool(self._task.check_mode)), file_of(stack, role) if wanted else ""
        if wanted:
            directory.write(name, manifest.dump(wanted))
        for line in directory.changed:
            self.say(line)
        row = {"file": name, "secrets": references(wanted)}
        return {
            "changed": bool(directory.changed),
            "objects": directory.changed,
            "ansible_facts": {RENDERED: {**self.variables.get(RENDERED, {}), role: row}},
        }


def _config_map(cluster: Cluster, stack: Stack) -> dict[str, Any] | None:
    return apply.read(cluster, record.config_map(stack.namespace, {}))


def _secrets(cluster: Cluster, stack: Stack, role: str) -> dict[str, str]:
    """Return the Secrets that were generated for a role, by key: their metadata only."""
    wanted = ownership(stack) | {COMPONENT: labels(stack, role)[COMPONENT]}
    found = snapshot.selected(cluster, [(BY_KIND["Secret"], stack.namespace)], wanted)
    return {key_of(item): metadata_digest(item) for item in found}


def _record(cluster: Cluster, stack: Stack, role: str, entry: record.Entry) -> None:
    """Write the entry of a role; the others stay."""
    empty = record.config_map(stack.namespace, labels(stack, "common"))
    where = BY_KIND["ConfigMap"].path(stack.namespace, record.NAME)
    answer = cluster.send("PATCH", where, {"data": {role: entry.dump()}})
    if answer.status == 404:
        answer = cluster.send("POST", BY_KIND["ConfigMap"].path(stack.namespace), {**empty, "data": {role: entry.dump()}})
    # Made meanwhile, or by this request when it was sent a first time.
    if answer.status == 409:
        answer = cluster.send("PATCH", where, {"data": {role: entry.dump()}})
    if answer.status not in (200, 201):
        raise ClusterError(f"the ConfigMap {record.NAME} cannot be written: {answer.reason()}")
