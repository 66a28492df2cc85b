"""The documented roles are enough for every run, and preflight names any right that is not there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster
from ansible_collections.observability.stack.plugins.module_utils.engine import access_review, rights
from ansible_collections.observability.stack.plugins.module_utils.engine.rights import Right

from tests import inventories
from tests.engine.installations import Installation
from tools import generated
from tools.lab.loopback import ControlPlane

NAMESPACE = "by-a-deployer"
STACK = inventories.stack(observability_namespace=NAMESPACE, observability_storage_check=False)
NEEDED = rights.needed(STACK, "apply")
GRANTED = sorted({right for given in (NEEDED.grants or {}).values() for right in given})
ROLES = ("observability-stack", "observability-stack-namespace")
SECONDS = 10.0


@dataclass(frozen=True)
class Deployer:
    """A ServiceAccount with a role in the whole cluster and one in the namespace of the stack, and the access with its token."""

    server: ControlPlane
    kubeconfig: Path
    administrator: Cluster
    cluster: Cluster

    def give(self, whole: Sequence[dict[str, Any]], inside: Sequence[dict[str, Any]]) -> None:
        """Replace the rules of the two roles."""
        for name, rules in zip(ROLES, (whole, inside), strict=True):
            self.administrator.object("PATCH", f"/apis/{rights.RBAC}/v1/clusterroles/{name}", body={"rules": rules})

    def give_rights(self, given: Sequence[Right]) -> None:
        """Replace the rules of the two roles by those that give these rights."""
        self.give(
            rights.rules_of(right for right in given if not right.namespace), rights.rules_of(right for right in given if right.namespace)
        )

    def lacks(self) -> list[Right]:
        """Return what preflight would name."""
        lacking, without = access_review.missing(self.cluster, NEEDED)
        return sorted([*lacking, *without])


@pytest.fixture(scope="module")
def deployer(api_server: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    documented = generated.roles(STACK)
    binding = {"apiVersion": f"{rights.RBAC}/v1", "subjects": [{"kind": "ServiceAccount", "name": "deployer", "namespace": NAMESPACE}]}
    bound = [
        {
            **binding,
            "kind": kind,
            "metadata": {"name": name, **({"namespace": NAMESPACE} if kind == "RoleBinding" else {})},
            "roleRef": {"apiGroup": rights.RBAC, "kind": "ClusterRole", "name": name},
        }
        for kind, name in zip(("ClusterRoleBinding", "RoleBinding"), ROLES, strict=True)
    ]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deployer", "namespace": NAMESPACE}}
    api_server.kubectl("create", "namespace", NAMESPACE)
    api_server.kubectl("apply", "-f", "-", given="\n".join(f"---\n{json.dumps(item)}" for item in [account, *documented, *bound]))
    token = api_server.kubectl("create", "token", "deployer", f"--namespace={NAMESPACE}").strip()
    access = yaml.safe_load(api_server.kubeconfig.read_text())
    access["users"][0]["user"] = {"token": token}
    path = tmp_path_factory.mktemp("deployer") / "kubeconfig"
    path.write_text(yaml.safe_dump(access))
    clusters = [Cluster(str(each), api_server.context, NAMESPACE) for each in (api_server.kubeconfig, path)]
    yield Deployer(api_server, path, *clusters)
    for role in ROLES:
        api_server.kubectl("delete", "clusterrole,clusterrolebinding", role, "--ignore-not-found")


@pytest.mark.usefixtures("garbage_collector")
def test_the_documented_roles_are_enough_to_install_settle_change_prune_and_compare(deployer: Deployer) -> None:
    page = (inventories.ROOT / "docs/permissions.md").read_text().replace("[observability]", f"[{NAMESPACE}]")
    whole, inside = (role["rules"] for role in yaml.safe_load_all(page.partition("```yaml\n")[2].partition("```")[0]))
    deployer.give(whole, inside)
    stack = Installation(deployer.server, NAMESPACE, {"observability_kubeconfig": str(deployer.kubeconfig), "ingress_class": NAMESPACE})
    first = stack.play()
    assert first.code == 0, first.output
    assert "rights" not in first.output
    again = stack.play("site.yml", "-vv")
    assert again.settled, again.output
    changes: dict[str, Any] = {"prometheus_retention": "5d", "prometheus_storage_size": "60Gi", "grafana_enabled": False}
    compared = stack.play("site.yml", "--check", "--diff", **changes)
    assert compared.code == 0, compared.output
    changed = stack.play(**changes)
    assert changed.code == 0, changed.output
    assert any(line.endswith("Deployment grafana: removed") or line == "Deployment grafana: removed" for line in changed.lines), (
        changed.output
    )
    assert any(line.startswith("StatefulSet prometheus: volumes grow from 20Gi to 60Gi; re-created") for line in changed.lines), (
        changed.output
    )
    assert "rights" not in changed.output
    assert stack.play(**changes).settled


@pytest.fixture
def every(deployer: Deployer) -> list[Right]:
    found = [*NEEDED.must, *NEEDED.may, *GRANTED]
    deployer.give_rights(found)
    _until(deployer, [])
    return list(dict.fromkeys(found))


def test_any_rule_that_is_missing_is_named_and_nothing_else(deployer: Deployer, every: list[Right]) -> None:
    spaces = [(space, rule) for space in ("", NAMESPACE) for rule in rights.rules_of(right for right in every if right.namespace == space)]
    assert len(spaces) > 25
    for space, rule in spaces:
        removed = set(rights.rights_in([rule], space))
        kept = set(every) - removed
        deployer.give_rights(sorted(kept))
        _until(deployer, sorted(right for right in removed if not _wider(right) & kept))


def _wider(right: Right) -> set[Right]:
    """Return the rights from which a right follows: the same in the whole cluster, for all objects, and both."""
    return {replace(right, **change) for change in ({"namespace": ""}, {"name": ""}, {"namespace": "", "name": ""})} - {right}


@pytest.mark.usefixtures("every")
def test_who_may_escalate_and_bind_needs_none_of_the_rights_in_the_roles(deployer: Deployer) -> None:
    own = {*NEEDED.must, *NEEDED.may}
    instead = [right for rights_instead in NEEDED.grants or {} for right in rights_instead]
    deployer.give_rights([*own, *instead])
    _until(deployer, [])
    deployer.give_rights([*own, *instead[1:]])
    (first, *_others) = (NEEDED.grants or {}).values()
    _until(deployer, [right for right in first if right not in own])


def test_a_run_names_all_of_them_before_anything_is_changed(deployer: Deployer, every: list[Right]) -> None:
    stack = Installation(deployer.server, NAMESPACE, {"observability_kubeconfig": str(deployer.kubeconfig), "ingress_class": NAMESPACE})
    before = stack.versions()
    lacking = {("patch", "configmaps"), ("update", "leases"), ("list", "namespaces"), ("get", "nodes/metrics"), ("list", "events")}
    deployer.give_rights([right for right in every if (right.verb, right.resource) not in lacking])
    run = stack.play()
    assert run.code != 0
    assert (
        "the credentials of observability_context lack these rights, in the whole cluster: list namespaces, get nodes/metrics; "
        "in the namespace by-a-deployer: patch configmaps, list events, update leases.coordination.k8s.io; docs/permissions.md"
    ) in " ".join(run.output.split()), run.output
    assert stack.versions() == before


def test_an_administrator_is_asked_about_once(deployer: Deployer) -> None:
    asked: list[str] = []
    cluster = deployer.administrator
    send = cluster.send
    cluster.send = lambda method, path, content: asked.append(path) or send(method, path, content)  # type: ignore[method-assign, func-returns-value]
    assert access_review.missing(cluster, NEEDED) == ([], [])
    assert len(asked) == 1


def _until(deployer: Deployer, expected: list[Right]) -> None:
    """Wait for that answer: a role is known to the authorizer a moment after it was written."""
    end = time.monotonic() + SECONDS
    while (found := deployer.lacks()) != expected and time.monotonic() < end:
        time.sleep(0.02)
    assert found == expected, f"{rights.listed(found)} instead of {rights.listed(expected)}"
