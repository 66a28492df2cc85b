"""Several clusters in one inventory: one that fails does not stop the other, and the run says what became of each."""

from __future__ import annotations

import base64
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine import ready
from tests.engine.installations import Installation
from tests.inventories import ROOT
from tests.playbooks import execute
from tools.lab.loopback import ControlPlane, free_ports

FLEET = ROOT / "inventories/fleet"
# What Ansible prints around everything; a play on localhost is none of a limited run.
FRAME = ("PLAY", "lisbon ", "skipping: no hosts matched")
PLAYBOOK = re.compile(r"```yaml\n(# secrets\.yml\n.*?)```", re.DOTALL)


def summary(output: str) -> list[str]:
    """Return the lines about the clusters, the last ones of a run on several."""
    return output.partition("\nCLUSTERS *")[2].strip().splitlines()[1:]


@pytest.fixture
def inventory(api_server: ControlPlane, tmp_path: Path) -> Path:
    """Return an inventory of two clusters, the first of which does not answer."""
    dead = yaml.safe_load(api_server.kubeconfig.read_text())
    dead["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{free_ports(['dead'])['dead']}"
    (tmp_path / "dead").write_text(yaml.safe_dump(dead))
    hosts: dict[str, dict[str, Any]] = {
        name: {
            "observability_cluster_name": name,
            "observability_namespace": name,
            "observability_kubeconfig": str(kubeconfig),
            "ingress_class": name,
        }
        for name, kubeconfig in (("atlantis", tmp_path / "dead"), ("lisbon", api_server.kubeconfig))
    }
    common = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "observability_context": api_server.context,
        "observability_domain": "example.test",
        "observability_storage_check": False,
        # Without the processes that make a certificate.
        "ingress_tls_source": "existing",
        "observability_wait_timeout": 60,
    }
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump({"observability": {"hosts": hosts, "vars": common}}))
    return path


def test_a_cluster_that_fails_does_not_stop_the_other(api_server: ControlPlane, inventory: Path) -> None:
    site, lisbon = ROOT / "playbooks/site.yml", Installation(api_server, "lisbon")
    with ready.workloads(lisbon.cluster):
        code, output = execute(site, inventory, "--skip-tags=verify")
        assert code != 0
        changed, failed, totals = summary(output)
        created = re.fullmatch(r"changed  lisbon \((\d+) created\)", changed)
        assert created, changed
        # The count is that of the lines printed, and one line stands for one object; Secrets are printed and not counted.
        printed = re.findall(r"(?m)^\[lisbon\] (\w+) \S+: created$", output)
        assert int(created[1]) == len([kind for kind in printed if kind != "Secret"]) > 50
        assert re.match(r"failed   atlantis: .*the API server https://127\.0\.0\.1:\d+ does not answer", failed)
        assert totals == "2 clusters: 1 changed, 1 failed"
        # Printed once, beside the summary.
        assert output.count("does not answer") == 2

        code, output = execute(site, inventory, "--skip-tags=verify")
        assert code != 0
        assert [line.split(":")[0] for line in summary(output)] == ["settled  lisbon", "failed   atlantis", "2 clusters"]

        code, output = execute(site, inventory, "--skip-tags=verify", "--limit=lisbon")
        assert code == 0
        (line,) = [line for line in output.splitlines() if line.strip() and not line.startswith(FRAME)]
        assert re.fullmatch(r"\[lisbon\] nothing to do: \d+ objects are as the inventory wants them, and every pod is ready", line)

        code, output = execute(site, inventory, "--skip-tags=verify", "--check", "--extra-vars={'loki_retention': '10d'}")
        assert code != 0
        assert summary(output)[0] == "would change  lisbon (2 changed)"


def test_the_secrets_of_the_example_reach_the_cluster_and_no_output(api_server: ControlPlane, tmp_path: Path) -> None:
    (tmp_path / "vault").write_text("example")
    (found,) = PLAYBOOK.findall((ROOT / "docs/clusters.md").read_text())
    (tmp_path / "secrets.yml").write_text(found)
    shutil.copytree(FLEET, tmp_path / "fleet")
    common = tmp_path / "fleet/group_vars/observability.yml"
    common.write_text(re.sub("(?m)^observability_(kubeconfig|context):.*$", "", common.read_text()))
    for name in ("kubeconfig", "context"):
        with common.open("a") as file:
            file.write(f"observability_{name}: {getattr(api_server, name)}\n")
    arguments = ("--limit=dublin", "--extra-vars=observability_namespace=dublin", f"--vault-password-file={tmp_path / 'vault'}", "-vvv")
    code, output = execute(tmp_path / "secrets.yml", tmp_path / "fleet", *arguments)
    assert code == 0, output
    value = Installation(api_server, "dublin").cluster.secret("grafana-mail")["password"]
    assert value == "mail-password-of-dublin"
    assert value not in output
    assert base64.b64encode(value.encode()).decode() not in output
