"""The action `certificate_plan`: what has to be made of a certificate and of its authority. Documented in plugins/modules."""

from __future__ import annotations

import base64
import datetime
from typing import Any, ClassVar

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine import drift
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND
from ansible_collections.observability.stack.plugins.module_utils.stack import certificates
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.stack.secrets import authority_name
from ansible_collections.observability.stack.plugins.plugin_utils import findings
from ansible_collections.observability.stack.plugins.plugin_utils.on_cluster import STACK, ClusterAction


class ActionModule(ClusterAction):
    """Read the two Secrets, decide, and hand over the authority that signs."""

    SPEC: ClassVar[dict[str, Any]] = {
        **STACK,
        **findings.MODE,
        "name": {"type": "str", "required": True},
        "hosts": {"type": "list", "elements": "str", "required": True},
        "domain": {"type": "str", "required": True},
    }

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return `steps`, what is to be made now, `plan`, and `stored`, certificate and key of the authority where there is one."""
        if certificates.MISSING:
            raise ValueError(missing_required_lib(certificates.MISSING.name or "cryptography"))
        stack = self.stack(options)
        if options["mode"] == "render":
            return {"changed": False, "steps": [], "plan": {}, "stored": {}}
        cluster = self.cluster(stack)
        names = (options["name"], authority_name(options["name"]))
        secrets = [secret for name in names if (secret := _read(cluster, stack, name))]
        now = datetime.datetime.now(datetime.UTC)
        plan = certificates.certificate_plan(secrets, options["name"], options["hosts"], options["domain"], now)
        if options["mode"] == "compare":
            found = compared(stack, names, plan, {secret["metadata"]["name"] for secret in secrets})
            return {"changed": False, "steps": [], "plan": plan, "stored": {}, "ansible_facts": findings.facts(self.variables, found)}
        if plan["foreign"]:
            raise ValueError(plan["foreign"])
        for reason in plan["reasons"]:
            self.say(reason)
        stored = {}
        if plan["authority"] != "make":
            data = next(secret["data"] for secret in secrets if secret["metadata"]["name"] == names[1])
            stored = {name: base64.b64decode(data[key]).decode() for name, key in (("certificate", "tls.crt"), ("key", "tls.key"))}
        if self._task.check_mode:
            return {"changed": bool(plan["reasons"]), "steps": [], "plan": plan, "stored": stored}
        steps = [step for step in ("authority", "certificate") if plan[step] != "keep"]
        return {"changed": False, "steps": steps, "plan": plan, "stored": stored}


def compared(stack: Stack, names: tuple[str, str], plan: dict[str, Any], there: set[str]) -> list[drift.Finding]:
    """Return what is to be done about the certificate and its authority, as findings; `there` are the Secrets that exist."""
    if plan["foreign"]:
        return [drift.rejected(f"Secret {stack.namespace}/{names[0]}", plan["foreign"])]
    # The reasons are in this order, too.
    steps = [(name, step) for name, step in ((names[1], plan["authority"]), (names[0], plan["certificate"])) if step != "keep"]
    found = []
    for (name, step), reason in zip(steps, plan["reasons"], strict=True):
        key, why = f"Secret {stack.namespace}/{name}", reason.removeprefix(f"Secret {name}: ")
        does = "renews it" if step == "renew" else "makes a new one"
        found.append(drift.finding("certificate", key, does, why) if name in there else drift.missing(key, why))
    return found


def _read(cluster: Cluster, stack: Stack, name: str) -> dict[str, Any] | None:
    answer = cluster.request("GET", BY_KIND["Secret"].path(stack.namespace, name))
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise ClusterError(f"the Secret {name} cannot be read: {answer.reason()}")
    return answer.object()
