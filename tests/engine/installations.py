"""A stack on the API server of these tests, and runs of the playbooks on it."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import KINDS, key_of

from tests import playbooks
from tests.engine import ready
from tests.inventories import ROOT
from tools.lab.loopback import ControlPlane

SETTLED = "nothing to do:"


@dataclass(frozen=True)
class Run:
    """A run of a playbook: its return code and its output."""

    code: int
    output: str

    @property
    def settled(self) -> bool:
        """Whether it saw at the beginning that nothing is to do."""
        return SETTLED in self.output

    @property
    def lines(self) -> list[str]:
        """Return what the actions of the collection have printed about the host, without its name."""
        return [line.removeprefix("[north] ") for line in self.output.splitlines() if line.startswith("[north] ")]


@dataclass(frozen=True)
class Installation:
    """A stack in one namespace, as its inventory (`variables`) has it; the API server may have several.

    `controllers`: the server has controllers and nodes, which say themselves what is ready.
    """

    server: ControlPlane
    namespace: str
    variables: dict[str, Any] = field(default_factory=dict)
    controllers: bool = False

    @property
    def cluster(self) -> Cluster:
        """Return the client."""
        return Cluster(str(self.server.kubeconfig), self.server.context, self.namespace)

    def inventory(self, **changes: Any) -> dict[str, Any]:
        """Return the variables of the inventory, with changes."""
        return {
            "observability_cluster_name": self.namespace,
            "observability_namespace": self.namespace,
            "observability_kubeconfig": str(self.server.kubeconfig),
            "observability_context": self.server.context,
            "observability_domain": "example.test",
            "observability_storage_check": False,
            "observability_wait_timeout": 60,
            **self.variables,
            **changes,
        }

    def play(self, playbook: str = "site.yml", *arguments: str, environment: dict[str, str] | None = None, **changes: Any) -> Run:
        """Run a playbook with these changes of the inventory; meanwhile workloads become ready. Verification needs pods: it is left out."""
        variables = self.inventory(**changes)
        with tempfile.TemporaryDirectory() as directory, self.meanwhile():
            given = ("--skip-tags=verify", *arguments)
            done = playbooks.run(Path(directory), ROOT / "playbooks" / playbook, *given, environment=environment, **variables)
        return Run(*done)

    def meanwhile(self) -> contextlib.AbstractContextManager[None]:
        """Keep workloads ready while the block runs, where nothing else does."""
        return contextlib.nullcontext() if self.controllers else ready.workloads(self.cluster)

    def objects(self) -> dict[str, dict[str, Any]]:
        """Return every object of the stack's namespaces by key, and those without a namespace that carry its instance label."""
        selector = [("labelSelector", f"app.kubernetes.io/instance={self.namespace}.{self.namespace}")]
        names = {item["metadata"]["name"] for item in self.cluster.object("GET", "/api/v1/namespaces", selector)["items"]}
        found: dict[str, dict[str, Any]] = {}
        for kind in KINDS:
            for place in sorted({self.namespace, *names}) if kind.namespaced else [""]:
                answer = self.cluster.request("GET", kind.path(place), [] if kind.namespaced else selector)
                if answer.status == 404:  # a kind that this API server does not have
                    continue
                if answer.status != 200:
                    raise ClusterError(answer.reason())
                items = ({**item, "apiVersion": kind.api_version, "kind": kind.kind} for item in answer.json()["items"])
                found |= {key_of(item): item for item in items}
        return found

    def versions(self) -> dict[str, str]:
        """Return the resource version of each object, by key; the Lease of the runs is left out."""
        return {key: item["metadata"]["resourceVersion"] for key, item in self.objects().items() if item["kind"] != "Lease"}
