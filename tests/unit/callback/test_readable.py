"""What a run prints, with the settings of the repository's ansible.cfg."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.inventories import ROOT
from tests.playbooks import run

SITE: dict[str, Any] = {
    "observability_cluster_name": "north",
    "observability_context": "north",
    "observability_kubeconfig": "/nonexistent/file",
}
PROBLEM = "observability_kubeconfig is '/nonexistent/file'"


def test_a_failure_is_printed_once_and_nothing_of_what_succeeded(tmp_path: Path) -> None:
    code, output = run(tmp_path, ROOT / "playbooks/site.yml", **SITE)
    assert code != 0
    assert output.count(PROBLEM) == 1
    for noise in ("included:", "ok:", "skipping:", "[ERROR]", "CLUSTERS"):
        assert noise not in output
    assert [line.split(" *")[0] for line in output.splitlines() if line.startswith("TASK")] == ["TASK [Preflight]"]


def test_more_is_printed_with_v_but_not_the_model(tmp_path: Path) -> None:
    _code, output = run(tmp_path, ROOT / "playbooks/site.yml", "-v", **SITE)
    assert "ok: [north]" in output
    assert "observability_stack:" not in output
    _code, output = run(tmp_path, ROOT / "playbooks/site.yml", "-vvv", **SITE)
    assert "observability_stack:" in output


def test_messages_for_people_are_printed(tmp_path: Path) -> None:
    rendered = tmp_path / "rendered"
    code, output = run(tmp_path, ROOT / "playbooks/render.yml", f"--extra-vars=render_directory={rendered}", **SITE)
    assert code == 0, output
    assert f"[north] 9 files of objects are in {rendered}\n" in output
    assert "included:" not in output
