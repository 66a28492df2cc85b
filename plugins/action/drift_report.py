"""The action `drift_report`: the findings of a comparison as a table, a file and a result. Documented in plugins/modules."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine import drift, snapshot
from ansible_collections.observability.stack.plugins.module_utils.stack import graph, objects
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import COMPONENT, labels, ownership
from ansible_collections.observability.stack.plugins.plugin_utils.on_cluster import STACK, ClusterAction


class ActionModule(ClusterAction):
    """Add what is on the cluster and not in the inventory, print, write, and fail where there is drift."""

    SPEC: ClassVar[dict[str, Any]] = {
        **STACK,
        "compared": {"type": "dict", "default": {}},
        "findings": {"type": "list", "elements": "dict", "default": []},
        "ignore_managers": {"type": "list", "elements": "str", "default": []},
        "directory": {"type": "path", "required": True},
        "fail": {"type": "bool", "default": True},
        "error": {"type": "str", "default": ""},
    }

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return `result`, `summary` and the `file` of the report; a failure where there is drift."""
        found, error, model = [], options["error"], self.model(options)
        if not error:
            try:
                found = self._findings(options)
            except ClusterError as problem:
                error = str(problem)
        drifted = drift.drifted(found)
        report = {
            "schema": drift.SCHEMA,
            "host": self.variables["inventory_hostname"],
            "cluster": model.get("cluster_name", ""),
            "namespace": model.get("namespace", ""),
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "result": "failed" if error else "drift" if drifted else "clean",
            "error": error,
            "summary": drift.summary(found),
            "findings": found,
        }
        path = Path(options["directory"]) / "diff.json"
        _write(path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        if found:
            for line in drift.table(found):
                self.say(line)
        result = {"result": report["result"], "summary": report["summary"], "file": str(path)}
        counted = ", ".join(f"{count} {name}" for name, count in report["summary"].items() if count)
        line = f"no comparison: {error}" if error else f"the cluster differs from the inventory: {counted}" if drifted else "no drift"
        if error or (drifted and options["fail"]):
            return {"failed": True, "msg": f"{line}. The report is in {path}", **result}
        self.say(f"{line}; the report is in {path}")
        return {"changed": False, **result}

    def _findings(self, options: dict[str, Any]) -> list[drift.Finding]:
        stack, compared = self.stack(options), options["compared"]
        roles = objects.roles(stack)
        missing = [role for role in roles if role not in compared]
        if missing:
            raise ClusterError(f"these roles were not compared: {', '.join(missing)}")
        cluster = self.cluster(stack)
        there = snapshot.read(cluster, graph.namespaces(stack), ownership(stack))
        keys = {key for role in compared.values() for key in role}
        used = {labels(stack, role)[COMPONENT] for role in roles}
        found = [*options["findings"], *drift.not_produced(there, keys, used)]
        return drift.ordered(drift.without(found, options["ignore_managers"]))


def _write(path: Path, text: str) -> None:
    """Write a file as a whole, so that nobody reads a part of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise ValueError(f"the report cannot be written; diff_directory is {str(path.parent)!r}: {error.strerror}") from error
