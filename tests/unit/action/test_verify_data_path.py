"""What a verification prints, and its play: on real runs of ansible-playbook, against an API server whose pods cannot be reached."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.observability.stack.plugins.action import verify_data_path
from ansible_collections.observability.stack.plugins.module_utils.verify.report import shown

from tests.inventories import ROOT, stack
from tests.playbooks import run
from tests.unit.module_utils.verify.serving import running
from tests.unit.module_utils.verify.simulated_cluster import SimulatedCluster

STACK = stack(observability_domain="obs.example.org")
ROW = {"connection": "alloy-loki", "depth": "quick", "seconds": 0.5, "detail": "", "sent": "nothing", "read_back": "counters of alloy"}
OK, FAILED = {**ROW, "status": "ok"}, {**ROW, "connection": "health-loki", "status": "failed", "detail": "loki-0 is not ready"}


def printed(hosts: list[str], answer: dict[str, Any]) -> list[str]:
    """Run the action on the first of these hosts with an answer of its module, and return what it prints."""
    said: list[str] = []
    task = SimpleNamespace(args={"depth": "quick"}, check_mode=False, async_val=0, action="verify_data_path")
    action = verify_data_path.ActionModule(task, SimpleNamespace(_shell=SimpleNamespace(tmpdir="unused")), None, None, None, None)
    action._display = SimpleNamespace(display=said.append)

    def module(module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        assert (module_name, module_args) == ("observability.stack.verify_data_path", {"depth": "quick"})
        assert task_vars["inventory_hostname"] == hosts[0]
        return answer

    action._execute_module = module
    assert action.run(None, {"inventory_hostname": hosts[0], "ansible_play_hosts_all": hosts}) == answer
    return said


def test_the_table_is_printed_in_one_piece_with_the_host_where_there_are_several() -> None:
    answer = {"connections": [OK, FAILED], "depth": "quick", "versions": {"mimir": "3.1.0"}}
    lines = shown([OK, FAILED], "quick", {"mimir": "3.1.0"})
    assert printed(["north"], answer) == ["\n".join(lines)]
    assert printed(["north", "south"], answer) == ["\n".join(f"north: {line}" for line in lines)]


def test_a_cluster_that_cannot_be_reached_has_no_table() -> None:
    assert printed(["north"], {"failed": True, "msg": "nothing could be verified: no answer"}) == []


# As site.yml has it: the first play of a settled cluster ends early.
SETTLED = """\
- name: Put the stack on a cluster
  hosts: observability
  gather_facts: false
  tasks:
    - name: Check the inventory
      observability.stack.check_inventory:
    - name: Nothing to do
      ansible.builtin.meta: end_host
    - name: Never run
      ansible.builtin.fail:
        msg: the play went on
"""
NOTHING = "nothing could be verified: no usable kubeconfig"


def verified(directory: Path, *arguments: str, before: str = SETTLED, **variables: Any) -> tuple[int, str]:
    """Run the play of the verification after another one; return code and output."""
    playbook = directory / "run.yml"
    imported = [{"name": "Verification", "ansible.builtin.import_playbook": str(ROOT / "playbooks/connections.yml")}]
    playbook.write_text(before + yaml.safe_dump(imported))
    named = {"observability_cluster_name": "test", "observability_domain": "obs.example.org", **variables}
    return run(directory, playbook, *arguments, **named)


def test_a_cluster_for_which_nothing_was_to_do_is_verified(tmp_path: Path) -> None:
    code, output = verified(tmp_path)
    assert code == 2
    assert NOTHING in output


@pytest.mark.parametrize("argument", ["--skip-tags=verify", "--check"])
def test_the_verification_can_be_left_out_and_is_in_check_mode(argument: str, tmp_path: Path) -> None:
    code, output = verified(tmp_path, argument)
    assert code == 0, output
    assert NOTHING not in output


def test_the_verification_can_be_all_of_a_run(tmp_path: Path) -> None:
    code, output = verified(tmp_path, "--tags=verify", before=SETTLED.replace("Never", "Not"))
    assert code == 2
    assert NOTHING in output


def test_a_cluster_whose_run_failed_is_not_verified(tmp_path: Path) -> None:
    code, output = verified(tmp_path, before=SETTLED.replace("ansible.builtin.meta: end_host", "ansible.builtin.meta: noop"))
    assert code == 2
    assert "the play went on" in output
    assert NOTHING not in output


def test_failed_connections_are_printed_with_their_reasons_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_DISPLAY_OK_HOSTS", "false")
    monkeypatch.setenv("ANSIBLE_DISPLAY_SKIPPED_HOSTS", "false")
    with running(SimulatedCluster(STACK), tmp_path):
        code, output = verified(
            tmp_path,
            observability_kubeconfig=str(tmp_path / "kubeconfig"),
            observability_context="simulated",
            observability_output_directory=str(tmp_path / "build"),
            verify_depth="quick",
            verify_timeout=1,
        )
    assert code == 2
    rows = [line for line in output.splitlines() if "  FAILED  quick  " in line]
    assert any(
        line.startswith("health-loki ") and "port 3100 of pod loki-0: Handshake status 404 Not Found (waited" in line for line in rows
    ), output
    assert "the verification has failed; the table above has the reasons" in output
    written = yaml.safe_load((tmp_path / "build/north/reports/verify.json").read_text())
    assert written["depth"] == "quick"
    assert {row["depth"] for row in written["connections"]} == {"quick", ""}
    assert len(rows) == sum(row["status"] == "failed" for row in written["connections"])
