"""The action `apply`: the objects of one role, rendered, compared and applied. Documented in plugins/modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.observability.stack.plugins.module_utils.engine import apply, compare, record
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import key_of
from ansible_collections.observability.stack.plugins.module_utils.engine.waiting import Waiting
from ansible_collections.observability.stack.plugins.module_utils.gitops import file_of
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import instance
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.stack.objects import objects
from ansible_collections.observability.stack.plugins.module_utils.stack.secrets import references
from ansible_collections.observability.stack.plugins.plugin_utils import findings, manifest
from ansible_collections.observability.stack.plugins.plugin_utils.on_cluster import STACK, ClusterAction
from ansible_collections.observability.stack.plugins.plugin_utils.rendered import Rendered
from ansible_collections.observability.stack.plugins.plugin_utils.rendering import render

# The fact with what each role of this run wants on the cluster: for each key the digests of the desired object and of the one there.
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
        "pod": {"type": "dict"},
        "service": {"type": "dict", "default": {}},
        "directory": {"type": "path"},
    }

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return `objects`, a line for each that was created or changed, and `diff`."""
        stack, role, mode = self.stack(options), options["role"], options["mode"]
        if mode == "secrets" and role != "namespaces":
            return {"changed": False, "objects": []}
        if mode != "render" and not stack.namespace_state:
            raise ValueError(
                f"it is not known who made the namespace {stack.namespace}; run the module observability.stack.preflight first"
            )
        pod = stack.pods.get(role, {}) if options["pod"] is None else options["pod"]
        try:
            wanted = objects(stack, role, render(self, options["templates"], self.variables), pod, options["service"])
        except ValueError as error:
            raise ValueError(f"the objects of {role} cannot be made: {error}") from error
        if mode == "render":
            if not options["directory"]:
                raise ValueError("with the mode render, the option directory has to say where the objects are written")
            return self._write(stack, role, wanted, Path(options["directory"]))
        dry = bool(self._task.check_mode)
        cluster = self.cluster(stack)
        # The namespace is where the Lease is.
        held = not (dry or mode == "compare" or role == "namespaces")
        waiting = self.hold(cluster, stack) if held else Waiting(stack.wait_timeout, self.say)
        entry = record.read(cluster, stack.namespace).get(role)
        known = entry.objects if entry else {}
        if mode == "compare":
            found = compare.compare(cluster, wanted, known)
            facts = {**self._applied(role, {key_of(item): () for item in wanted}), **findings.facts(self.variables, found)}
            return {"changed": False, "objects": [], "ansible_facts": facts}
        gated = not stack.allow_unready_replicas
        applied = apply.apply(cluster, wanted, known, dry=dry, always=stack.always_render, waiting=waiting, gated=gated)
        changed = [one for one in applied if one.changed]
        for one in changed:
            self.say(one.line)
        return {
            "changed": bool(changed),
            "objects": [one.line for one in changed],
            "ansible_facts": self._applied(role, {key_of(one.item): (one.desired, one.live) for one in applied}),
            **({"diff": [one.difference for one in changed]} if self._task.diff else {}),
        }

    def _applied(self, role: str, objects: dict[str, tuple[str, ...]]) -> dict[str, Any]:
        return {APPLIED: {**self.variables.get(APPLIED, {}), role: objects}}

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
