"""What preflight decides from what a cluster says, and what a person sees when there is no cluster to look at."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.observability.stack.plugins.module_utils import cluster
from ansible_collections.observability.stack.plugins.plugin_utils import _preflight, _wiring

from tests.inventories import ROOT, stack

STACK = stack()
OURS = _wiring.labels(STACK, "prometheus")
OTHERS = {**OURS, "app.kubernetes.io/instance": "observability.other"}
CLASS = {"name": "fast", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}


def facts(**changes: Any) -> dict[str, Any]:
    """Return what an empty cluster says that this stack can be applied to, with changes."""
    empty: dict[str, Any] = {
        "server": "https://192.0.2.1:6443",
        "version": "v1.36.1",
        "groups": ["apps", "networking.k8s.io"],
        "storage_classes": [CLASS],
        "ingress_classes": [],
        "namespaces": {"observability": None},
        "unreadable": [],
    }
    return {**empty, **changes}


def namespace(labels: dict[str, str] | None = None, **objects: dict[str, str]) -> dict[str, Any]:
    """Return the fact of a namespace with these labels, and objects with theirs: `Service__prometheus_headless` for the Service."""
    parts = {name: name.split("__") for name in objects}
    listed = [{"kind": kind, "name": rest.replace("_", "-"), "labels": objects[name]} for name, (kind, rest) in parts.items()]
    return {"observability": {"labels": labels or {}, "objects": listed}}


def ingress_class(controller: str, labels: dict[str, str] | None = None) -> list[dict[str, Any]]:
    return [{"name": "nginx", "controller": controller, "labels": labels or {}}]


@pytest.mark.parametrize("purpose", ["apply", "remove"])
def test_an_empty_cluster_is_taken(purpose: str) -> None:
    assert _preflight.rejections(STACK, facts(), purpose) == []
    assert _preflight.namespace_state(STACK, facts()) == "absent"


@pytest.mark.parametrize("purpose", ["apply", "verify", "remove"])
def test_its_own_cluster_is_taken(purpose: str) -> None:
    found = facts(
        namespaces=namespace(OURS, Service__prometheus=OURS, PersistentVolumeClaim__data=OURS),
        ingress_classes=ingress_class(_preflight.F5_CONTROLLER, OURS),
    )
    assert _preflight.rejections(STACK, found, purpose) == []
    assert _preflight.namespace_state(STACK, found) == "ours"


@pytest.mark.parametrize(("version", "taken"), [("v1.29.12", False), ("v1.30.0", True), ("v1.30.14-gke.1200", True), ("v1.36.1", True)])
def test_a_cluster_that_is_too_old_is_rejected(version: str, taken: bool) -> None:
    found = _preflight.rejections(STACK, facts(version=version), "apply")
    assert (found == []) == taken
    assert all(version in text and "1.30" in text for text in found)


def test_the_page_says_the_version_that_is_checked() -> None:
    wanted = ".".join(map(str, _preflight.MINIMUM_VERSION))
    assert f"Kubernetes {wanted}" in (ROOT / "docs/ownership.md").read_text()


# (what the inventory changes, what the cluster has, what the sentence says); each is the only problem.
REJECTED: list[tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
    ({}, {"storage_classes": []}, ("observability_storage_class is ''", "no default StorageClass", "none")),
    ({}, {"storage_classes": [{"name": "slow", "annotations": {}}]}, ("observability_storage_class is ''", "slow")),
    ({"observability_storage_class": "slow"}, {}, ("observability_storage_class is 'slow'", "no such StorageClass", "fast")),
    ({"loki_pod": {"storage_class": "slow"}}, {}, ("loki_pod.storage_class is 'slow'", "no such StorageClass", "fast")),
    (
        {},
        {"ingress_classes": ingress_class("k8s.io/ingress-nginx")},
        ("ingress_nginx_class is 'nginx'", "somebody else", "ingress_nginx_install"),
    ),
    ({}, {"ingress_classes": ingress_class(_preflight.F5_CONTROLLER)}, ("ingress_nginx_class is 'nginx'", "somebody else", "another name")),
    ({}, {"ingress_classes": ingress_class(_preflight.F5_CONTROLLER, OTHERS)}, ("ingress_nginx_class", "the stack observability.other")),
    ({"ingress_nginx_install": False}, {}, ("ingress_nginx_class is 'nginx'", "no such IngressClass")),
    (
        {"ingress_nginx_install": False, "ingress_nginx_dialect": "f5"},
        {"ingress_classes": ingress_class("k8s.io/ingress-nginx")},
        ("ingress_nginx_dialect is 'f5'", "'community'"),
    ),
    (
        {"ingress_nginx_install": False, "ingress_nginx_dialect": "community"},
        {"ingress_classes": ingress_class(_preflight.F5_CONTROLLER)},
        ("ingress_nginx_dialect is 'community'", "'f5'"),
    ),
    (
        {"ingress_nginx_tls_source": "cert_manager", "ingress_nginx_cluster_issuer": "letsencrypt"},
        {},
        ("ingress_nginx_tls_source is 'cert_manager'", "no cert-manager"),
    ),
    (
        {},
        {"namespaces": namespace({"pod-security.kubernetes.io/enforce": "baseline"})},
        ("'baseline'", "namespaces_adopt", "alloy_enabled"),
    ),
    ({}, {"namespaces": namespace(OTHERS)}, ("observability_cluster_name is 'test'", "the stack observability.other")),
    ({}, {"namespaces": namespace(PersistentVolumeClaim__anything=OTHERS)}, ("observability_cluster_name", "observability.other")),
    ({}, {"namespaces": namespace(Deployment__grafana={"app": "grafana"})}, ("observability_namespace", "Deployment grafana")),
    ({}, {"namespaces": namespace(Service__prometheus_headless={})}, ("observability_namespace", "Service prometheus-headless")),
    (
        {"sample_application_enabled": True},
        {"namespaces": {"observability": None, "sample-application": {"labels": {}, "objects": []}}},
        ("sample_application_namespace",),
    ),
]


@pytest.mark.parametrize(("changes", "there", "expected"), REJECTED)
def test_what_a_cluster_has_is_rejected_in_a_sentence(changes: dict[str, Any], there: dict[str, Any], expected: tuple[str, ...]) -> None:
    (problem,) = _preflight.rejections(stack(**changes), facts(**there), "apply")
    assert all(part in problem for part in expected)


def test_all_problems_are_said_at_once() -> None:
    found = facts(
        version="v1.27.3", storage_classes=[], ingress_classes=ingress_class("k8s.io/ingress-nginx"), namespaces=namespace(OTHERS)
    )
    assert len(_preflight.rejections(STACK, found, "apply")) == 4


# What a cluster has that is none of this stack's business, or what the inventory allows.
TAKEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"storage_check": False}, {"storage_classes": []}),
    ({"ingress_nginx_install": False, "ingress_nginx_dialect": "community"}, {"ingress_classes": ingress_class("k8s.io/ingress-nginx")}),
    ({"ingress_nginx_install": False, "ingress_nginx_dialect": "community"}, {"ingress_classes": ingress_class("example.org/another")}),
    ({"ingress_nginx_enabled": False}, {"ingress_classes": ingress_class("k8s.io/ingress-nginx")}),
    ({"ingress_nginx_tls_source": "cert_manager", "ingress_nginx_cluster_issuer": "x"}, {"groups": ["cert-manager.io"]}),
    ({}, {"namespaces": namespace({"team": "a"}, StatefulSet__database={}, Secret__grafana_admin={})}),
    ({"namespaces_adopt": True}, {"namespaces": namespace({"pod-security.kubernetes.io/enforce": "baseline"})}),
    ({"alloy_enabled": False}, {"namespaces": namespace({"pod-security.kubernetes.io/enforce": "restricted"})}),
    ({"grafana_enabled": False}, {"namespaces": namespace(Deployment__grafana={})}),
    # Not allowed to look: said as a warning, and no reason to stop.
    ({}, {"storage_classes": None, "ingress_classes": None}),
]


@pytest.mark.parametrize(("changes", "there"), TAKEN)
def test_what_is_none_of_its_business_is_left_alone(changes: dict[str, Any], there: dict[str, Any]) -> None:
    assert _preflight.rejections(stack(**changes), facts(**there), "apply") == []


def test_a_namespace_that_was_there_is_never_the_stacks_own() -> None:
    assert _preflight.namespace_state(STACK, facts(namespaces=namespace({"team": "a"}, Service__prometheus=OURS))) == "foreign"
    assert _preflight.namespace_state(STACK, facts(namespaces=namespace(OTHERS))) == "foreign"


def test_verification_needs_a_stack_and_removal_does_not() -> None:
    (problem,) = _preflight.rejections(STACK, facts(), "verify")
    assert "no such namespace" in problem
    (problem,) = _preflight.rejections(STACK, facts(namespaces=namespace(OTHERS)), "remove")
    assert "observability.other" in problem


def test_two_hosts_do_not_claim_the_same() -> None:
    claims = {"cluster_name": "north", "kubeconfig": "", "context": "north", "namespace": "observability"}
    assert _preflight.conflicts("a", {"a": claims}) == []
    assert _preflight.conflicts("a", {"a": claims, "b": {**claims, "cluster_name": "south", "context": "south"}}) == []
    assert _preflight.conflicts("a", {"a": claims, "b": {**claims, "cluster_name": "south", "namespace": "second"}}) == []
    (name,) = _preflight.conflicts("a", {"a": claims, "b": {**claims, "context": "south"}})
    assert "observability_cluster_name is 'north'" in name
    (place,) = _preflight.conflicts("a", {"a": claims, "b": {**claims, "cluster_name": "south"}})
    assert "observability_context is 'north'" in place


def test_credentials_of_a_pod_are_taken_where_nothing_else_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
    assert cluster.inside("", "")
    assert not cluster.inside("/some/file", "")
    assert not cluster.inside("", "north")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert not cluster.inside("", "")


# --- as a person meets it ---------------------------------------------------------------------------------------------


def play(directory: Path, playbook: str, hosts: dict[str, dict[str, Any]], group: str = "observability") -> str:
    """Run a playbook of the collection on an inventory, and return what a run that has to fail says."""
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = {group: {"hosts": {name: {**host, "observability_cluster_name": name, **given} for name, given in hosts.items()}}}
    (directory / "hosts.yml").write_text(yaml.safe_dump(inventory))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "K8S_"))}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), playbook, f"--inventory={directory / 'hosts.yml'}"],
        cwd=directory,
        env={**environment, "ANSIBLE_COLLECTIONS_PATH": str(ROOT), "ANSIBLE_NOCOLOR": "1", "HOME": str(directory)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not re.search(r"changed=[1-9]", done.stdout)
    return done.stdout + done.stderr


def closed_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """Return a kubeconfig whose server does not answer."""
    path = tmp_path / "kubeconfig"
    content = {
        "clusters": [{"name": "north", "cluster": {"server": f"https://127.0.0.1:{closed_port()}"}}],
        "users": [{"name": "north", "user": {"token": "none"}}],
        "contexts": [{"name": "north", "context": {"cluster": "north", "user": "north"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_kubeconfig_that_is_missing_is_named(tmp_path: Path) -> None:
    said = play(
        tmp_path, "observability.stack.site", {"north": {"observability_kubeconfig": "/nonexistent/file", "observability_context": "north"}}
    )
    assert "observability_kubeconfig is '/nonexistent/file' and observability_context is 'north'" in said
    assert "nothing has been touched" in said


@pytest.mark.parametrize("playbook", ["site", "verify", "remove"])
def test_a_server_that_does_not_answer_is_named(playbook: str, tmp_path: Path, kubeconfig: Path) -> None:
    start = time.monotonic()
    said = play(
        tmp_path,
        f"observability.stack.{playbook}",
        {"north": {"observability_kubeconfig": str(kubeconfig), "observability_context": "north"}},
    )
    assert "does not answer" in said
    # Far less than the minutes of a client that goes on asking.
    assert time.monotonic() - start < 60


def test_a_context_that_is_not_named_is_not_guessed(tmp_path: Path, kubeconfig: Path) -> None:
    assert "name the context" in play(tmp_path, "observability.stack.remove", {"north": {"observability_kubeconfig": str(kubeconfig)}})
    said = play(
        tmp_path,
        "observability.stack.remove",
        {"north": {"observability_kubeconfig": str(kubeconfig), "observability_current_context": True}},
    )
    assert "name the context" not in said


def test_two_hosts_of_one_inventory_are_compared(tmp_path: Path, kubeconfig: Path) -> None:
    access = {"observability_kubeconfig": str(kubeconfig), "observability_context": "north"}
    said = play(
        tmp_path, "observability.stack.site", {"north": access, "south": {**access, "observability_cluster_name": "{{ 'nor' ~ 'th' }}"}}
    )
    assert "observability_cluster_name is 'north' for the hosts north and south" in said
    assert "needs a namespace of its own" in said


@pytest.mark.parametrize("playbook", ["site", "verify", "remove", "render"])
def test_a_group_with_another_name_is_said_and_not_passed_over(playbook: str, tmp_path: Path) -> None:
    said = play(tmp_path, f"observability.stack.{playbook}", {"north": {}}, group="monitoring")
    assert "no host in the group `observability`" in said
    assert "its groups are monitoring" in said


def test_a_role_alone_says_what_it_needs(tmp_path: Path) -> None:
    task = {"name": "One role", "ansible.builtin.include_role": {"name": "observability.stack.prometheus"}}
    (tmp_path / "alone.yml").write_text(
        yaml.safe_dump([{"name": "Alone", "hosts": "observability", "gather_facts": False, "tasks": [task]}])
    )
    assert "run observability.stack.common with tasks_from check first" in play(tmp_path, "alone.yml", {"north": {}})
