"""The action `render_index`: completes the rendered files of a stack. Documented in plugins/modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.observability.stack.plugins.module_utils import gitops
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import instance
from ansible_collections.observability.stack.plugins.module_utils.stack.objects import roles
from ansible_collections.observability.stack.plugins.plugin_utils import manifest
from ansible_collections.observability.stack.plugins.plugin_utils.on_cluster import STACK, ClusterAction
from ansible_collections.observability.stack.plugins.plugin_utils.rendered import Rendered


class ActionModule(ClusterAction):
    """Write the kustomizations and the table of Secrets, and remove what the inventory no longer produces."""

    SPEC: ClassVar[dict[str, Any]] = {
        **STACK,
        "rendered": {"type": "dict", "required": True},
        "directory": {"type": "path", "required": True},
        "format": {"type": "str", "choices": list(gitops.FORMATS), "default": gitops.FORMATS[0]},
    }

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return `objects`, a line for each file that was created, changed or removed here."""
        stack, rendered = self.stack(options), options["rendered"]
        missing = [role for role in roles(stack) if role not in rendered]
        if missing:
            raise ValueError(f"no file is removed, since these roles have not been rendered: {', '.join(missing)}")
        found = {role: rendered[role] for role in roles(stack)}
        files = [row["file"] for row in found.values() if row["file"]]
        directory = Rendered(Path(options["directory"]), instance(stack), dry=bool(self._task.check_mode))
        kustomizations = gitops.kustomizations(stack, files, options["format"])
        for name, content in kustomizations.items():
            directory.write(name, manifest.dump([content]))
        directory.write(gitops.TABLE, gitops.table(stack, {role: row["secrets"] for role, row in found.items()}))
        directory.remove_others({*files, *kustomizations, gitops.TABLE})
        for line in directory.changed:
            self.say(line)
        self.say(f"{len(files)} files of objects are in {directory.directory.resolve()}")
        return {"changed": bool(directory.changed), "objects": directory.changed}
