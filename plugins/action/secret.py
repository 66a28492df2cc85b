"""The action `secret`: creates the missing ones of some Secrets, and reads none. Documented in plugins/modules."""

from __future__ import annotations

import base64
from typing import Any, ClassVar

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine import drift
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import labels
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.plugin_utils import findings
from ansible_collections.observability.stack.plugins.plugin_utils.on_cluster import STACK, ClusterAction

_METADATA = {"accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"}


class ActionModule(ClusterAction):
    """Create what is missing; what is there stays as it is, whoever made it."""

    SPEC: ClassVar[dict[str, Any]] = {
        **STACK,
        **findings.MODE,
        "role": {"type": "str", "required": True},
        "secrets": {"type": "list", "elements": "dict", "required": True, "no_log": True},
        "replace": {"type": "bool", "default": False},
    }

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return `created`, the names of the Secrets that were made."""
        stack = self.stack(options)
        if options["mode"] == "render":
            return {"changed": False, "created": []}
        cluster = self.cluster(stack)
        secrets = {secret["name"]: secret for secret in options["secrets"]}
        missing = [secret for name, secret in secrets.items() if options["replace"] or not _exists(cluster, stack, name)]
        if options["mode"] == "compare":
            found = [drift.missing(f"Secret {stack.namespace}/{secret['name']}") for secret in missing]
            return {"changed": False, "created": [], "ansible_facts": findings.facts(self.variables, found)}
        if missing and not self._task.check_mode:
            self.hold(cluster, stack)
            for secret in missing:
                _write(cluster, stack, _definition(stack, options["role"], secret), replace=options["replace"])
        for secret in missing:
            self.say(f"Secret {secret['name']}: {'written' if options['replace'] else 'created'}")
        return {"changed": bool(missing), "created": [secret["name"] for secret in missing]}


def _definition(stack: Stack, role: str, secret: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret["name"], "namespace": stack.namespace, "labels": labels(stack, role)},
        "type": secret.get("type", "Opaque"),
        "data": {key: base64.b64encode(str(value).encode()).decode() for key, value in secret["data"].items()},
    }


def _exists(cluster: Cluster, stack: Stack, name: str) -> bool:
    answer = cluster.request("GET", BY_KIND["Secret"].path(stack.namespace, name), headers=_METADATA)
    if answer.status not in (200, 404):
        raise ClusterError(f"it cannot be seen whether there is a Secret {name}: {answer.reason()}")
    return answer.status == 200


def _write(cluster: Cluster, stack: Stack, secret: dict[str, Any], *, replace: bool) -> None:
    name = secret["metadata"]["name"]
    answer = cluster.send("POST", BY_KIND["Secret"].path(stack.namespace), secret)
    # Made by somebody else meanwhile, or by this request when it was sent a first time.
    if answer.status == 409:
        if not replace:
            return
        answer = cluster.send("PATCH", BY_KIND["Secret"].path(stack.namespace, name), secret)
    if answer.status not in (200, 201):
        raise ClusterError(f"the Secret {name} cannot be written: {answer.reason()}")
