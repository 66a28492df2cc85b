"""The first task of every run, as a person meets it: a real `ansible-playbook` on an inventory with mistakes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import playbooks
from tests.inventories import ROOT

CHECK = """
- name: Check the inventory and show the model
  hosts: observability
  gather_facts: false
  tasks:
    - name: Check the inventory
      observability.stack.check_inventory:
    - name: Keep the model
      ansible.builtin.copy:
        content: "{{ observability_stack | to_json }}"
        dest: "{{ model_file }}"
        mode: "0600"
"""


@dataclass(frozen=True)
class Run:
    """What a run of ansible-playbook said, and the model that it left, if any."""

    code: int
    output: str
    model: dict[str, Any]


def run(directory: Path, playbook: Path | None = None, **variables: Any) -> Run:
    """Run a playbook (by default one that checks and nothing else) on an inventory of one cluster with these variables."""
    (directory / "check.yml").write_text(CHECK)
    model = directory / "model.json"
    code, output = playbooks.run(directory, playbook or directory / "check.yml", f"--extra-vars=model_file={model}", **variables)
    return Run(code, output, json.loads(model.read_text()) if model.exists() else {})


def test_a_small_inventory_gives_a_model_with_every_default(tmp_path: Path) -> None:
    done = run(
        tmp_path, observability_cluster_name="north", observability_domain="{{ inventory_hostname }}.example.org", prometheus_replicas="3"
    )
    assert done.code == 0, done.output
    assert "changed=1 " in done.output
    assert done.model["cluster_name"] == "north"
    assert done.model["hosts"]["mimir"] == "mimir.north.example.org"
    assert done.model["replicas"]["prometheus"] == 3


def test_every_mistake_is_told_in_one_run_of_the_site_and_nothing_is_touched(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        ROOT / "site.yml",
        observability_cluster_name="North",
        observability_domian="example.org",
        promtheus_replicas=2,
        prometheus_replicas="two",
        prometheus_enabled="perhaps",
        loki_retention="a week",
        mimir_host="grafana.example.com",
        alloy_log_source="journal",
        prometheus_scrape_configs="none",
        grafana_storage_size=5,
    )
    assert done.code != 0
    # Variable, value, and what is right.
    for expected in (
        "observability_cluster_name is 'North'; give this cluster a name",
        "observability_domian is not a variable of this collection; did you mean observability_domain?",
        "promtheus_replicas is not a variable of this collection; did you mean prometheus_replicas?",
        "prometheus_replicas is 'two'; ",
        "prometheus_enabled is 'perhaps'; ",
        "loki_retention is 'a week'; it should be a duration",
        "mimir_host is 'grafana.example.com'; grafana_host is 'grafana.example.com' too",
        "alloy_log_source is 'journal'; ",
        "prometheus_scrape_configs is 'none'; ",
    ):
        assert expected in done.output
    assert "nothing has been touched" in done.output
    recap = done.output.split("PLAY RECAP")[1]
    assert "changed=0" in recap
    assert "failed=1" in recap


@pytest.mark.parametrize("expression", ["{{ nowhere }}", "{{ 1 / 0 }}", "{{ broken"])
def test_a_variable_that_cannot_be_evaluated_is_named(tmp_path: Path, expression: str) -> None:
    done = run(tmp_path, observability_cluster_name="north", observability_domain=expression)
    assert done.code != 0
    assert "observability_domain cannot be evaluated" in done.output
    assert not done.model


def test_a_component_without_what_it_needs_is_rejected(tmp_path: Path) -> None:
    done = run(tmp_path, observability_cluster_name="north", prometheus_enabled=False, loki_enabled=False)
    assert done.code != 0
    assert "mimir_enabled is True; it needs at least one of prometheus_enabled" in done.output
    assert "alloy_enabled is True; it needs at least one of prometheus_enabled, loki_enabled" in done.output


def test_what_pods_are_given_is_typed_down_to_the_keys_of_kubernetes(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        observability_cluster_name="north",
        observability_pod={"tolerations": [{"operater": "Exists"}]},
        loki_pod={"extra_env": [{"name": "A", "valueForm": {}}]},
        mimir_pod={"affinity": {"nodeAntiAffinity": {}}},
        grafana_pod={"extra_env": [{"name": "GF_SERVER_ROOT_URL", "value": "x"}]},
    )
    assert done.code != 0
    for expected in (
        "observability_pod.tolerations.operater",
        "loki_pod.extra_env.valueForm",
        "mimir_pod.affinity.nodeAntiAffinity",
        "grafana_pod has extra_env: 'GF_SERVER_ROOT_URL'; the role sets it itself, leave it out",
    ):
        assert expected in done.output


def test_what_pods_are_given_reaches_the_model_without_the_keys_that_were_left_out(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        observability_cluster_name="north",
        observability_pod={"tolerations": [{"key": "dedicated", "operator": "Exists"}], "extra_env": [{"name": "A", "value": "1"}]},
    )
    assert done.code == 0, done.output
    assert done.model["pods"]["loki"] == {
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "extra_env": [{"name": "A", "value": "1"}],
    }
