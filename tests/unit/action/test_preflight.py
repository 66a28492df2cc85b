"""What a person sees when there is no cluster to look at, or none is named."""

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

from tests.inventories import ROOT


def test_credentials_of_a_pod_are_taken_where_nothing_else_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
    assert cluster.inside("", "")
    assert not cluster.inside("/some/file", "")
    assert not cluster.inside("", "north")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert not cluster.inside("", "")


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
    assert "run the module observability.stack.check_inventory first" in play(tmp_path, "alone.yml", {"north": {}})


def test_rendering_says_when_it_does_not_know_where_to(tmp_path: Path) -> None:
    tasks = [
        {"name": "Check", "observability.stack.check_inventory": {}},
        {"name": "Render", "observability.stack.apply": {"role": "network_policies", "templates": [], "mode": "render"}},
    ]
    (tmp_path / "alone.yml").write_text(
        yaml.safe_dump([{"name": "Alone", "hosts": "observability", "gather_facts": False, "tasks": tasks}])
    )
    assert "the option directory has to say where the objects are written" in play(tmp_path, "alone.yml", {"north": {}})
