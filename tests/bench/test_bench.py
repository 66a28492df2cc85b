"""The parts of the measurements that need no cluster: figures, the order of the runs, charts, inventories, the table and the page."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.observability.stack.plugins.module_utils.stack import preflight, validation
from hypothesis import given
from hypothesis import strategies as st

from tests import inventories
from tools import pages, reports
from tools.bench import __main__ as command_line
from tools.bench import inventory, measure, objects, report
from tools.bench.measure import BenchError, Sample
from tools.lab import loopback
from tools.lab.certificates import Pair
from tools.lab.control_plane import Place

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
BINDING = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "n-alloy"}}
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}, "data": {"a": "{{ $labels.x }} {{{}}"}}
SET = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "loki", "namespace": "n"}}


# --- figures ----------------------------------------------------------------------------------------------------------


def test_cpu_seconds_are_those_of_the_whole_process_tree_and_wall_seconds_are_not(tmp_path: Path) -> None:
    burn = (
        "import os\nfor _ in range(2):\n  if os.fork() == 0:\n    while os.times().user < 0.4: pass\n    os._exit(0)\nos.wait(); os.wait()"
    )
    found = measure.run([[sys.executable, "-c", burn]], os.environ, tmp_path, tmp_path / "log")
    assert found.cpu > 0.75
    idle = measure.run([["sleep", "0.3"]], os.environ, tmp_path, tmp_path / "log")
    assert idle.cpu < 0.2
    assert idle.wall > 0.29


def test_memory_is_that_of_the_largest_process_and_not_of_the_one_that_measures(tmp_path: Path) -> None:
    ballast = bytearray(os.urandom(1)) * 200_000_000
    small = measure.run([["true"]], os.environ, tmp_path, tmp_path / "log")
    large = measure.run([["true"], [sys.executable, "-c", "bytearray(b'1') * 100_000_000"]], os.environ, tmp_path, tmp_path / "log")
    assert small.memory < 50 < 100 < large.memory < 180
    assert len(ballast)


def test_a_command_that_fails_is_an_error_with_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"ended with 3:\nthe reason"):
        measure.run([["true"], ["sh", "-c", "echo the reason >&2; exit 3"]], os.environ, tmp_path, tmp_path / "log")


def test_commands_of_one_run_add_up(tmp_path: Path) -> None:
    found = measure.run([["sleep", "0.2"], ["sleep", "0.2"]], os.environ, tmp_path, tmp_path / "log")
    assert found.wall > 0.39


def test_a_summary_has_the_median_and_the_spread() -> None:
    found = measure.summary([Sample(wall, 2 * wall, 90) for wall in (1.0, 9.0, 2.0, 3.0)])
    assert found["wall_seconds"] == {"median": 2.5, "min": 1.0, "max": 9.0}
    assert found["cpu_seconds"]["median"] == 5
    assert found["samples"] == 4


@given(st.integers(1, 5), st.integers(1, 9))
def test_every_contender_runs_once_per_repetition_and_begins_equally_often(contenders: int, rounds: int) -> None:
    names = [str(number) for number in range(contenders)]
    turns = measure.in_turns(names, rounds * contenders)
    assert Counter(turns) == Counter((turn, name) for turn in range(rounds * contenders) for name in names)
    assert set(Counter(name for _turn, name in turns[::contenders]).values()) == {rounds}
    assert [turn for turn, _name in turns] == sorted(turn for turn, _name in turns)


# --- the same objects for all -----------------------------------------------------------------------------------------


@given(st.text(alphabet='{}" a\n`', max_size=40))
def test_an_escaped_text_has_no_action_but_the_one_that_prints_braces(text: str) -> None:
    escaped = objects.escaped(text)
    action = '{{ "{{" }}'
    assert "{{" not in escaped.replace(action, "")
    assert escaped.replace(action, "{{") == text


def test_a_chart_has_a_template_for_each_object(tmp_path: Path) -> None:
    files = objects.chart([NAMESPACE, CONFIG], "bench")
    assert list(files) == ["Chart.yaml", "templates/000.yaml", "templates/001.yaml"]
    assert yaml.safe_load(files["Chart.yaml"])["name"] == "bench"
    written = objects.write(tmp_path / "chart", files)
    assert yaml.safe_load((written / "templates/001.yaml").read_text().replace('{{ "{{" }}', "{{")) == CONFIG
    assert written.stat().st_mode & 0o077 == 0


def test_objects_are_read_from_every_directory_without_kustomizations_and_secrets(tmp_path: Path) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}}
    (tmp_path / "10-wave").mkdir()
    (tmp_path / "10-wave/a.yaml").write_text(objects.dump([SET, BINDING, secret, NAMESPACE]))
    (tmp_path / "b.yaml").write_text("---\n---\n" + objects.dump([CONFIG]))
    (tmp_path / "kustomization.yaml").write_text("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n")
    assert objects.read(tmp_path) == [NAMESPACE, CONFIG, SET, BINDING]


def test_what_is_removed_and_waited_for_follows_from_the_objects() -> None:
    stack = [NAMESPACE, CONFIG, SET, BINDING]
    assert objects.namespaces(stack) == ["n"]
    assert objects.cluster_scoped(stack) == ["clusterrolebinding/n-alloy"]
    assert objects.workloads(stack) == {"n": ["statefulset/loki"]}


def test_a_moved_secret_has_its_content_and_nothing_of_where_it_was() -> None:
    metadata = {"name": "s", "namespace": "old", "uid": "1", "resourceVersion": "2", "labels": {"a": "b"}}
    [moved] = objects.moved_secrets([{"metadata": metadata, "type": "Opaque", "data": {"k": "dg=="}}], "new")
    assert moved["metadata"] == {"name": "s", "namespace": "new", "labels": {"a": "b"}}
    assert (moved["type"], moved["data"]) == ("Opaque", {"k": "dg=="})


def test_stacks_of_one_inventory_do_not_claim_the_same_and_each_variant_is_valid(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path, tmp_path, loopback.IP)
    control_plane = loopback.ControlPlane(place, Pair(tmp_path, tmp_path), tmp_path / "kubeconfig")
    group = inventory.inventory(["a", "b"], control_plane, tmp_path)["observability"]
    hosts = {name: {**group["vars"], **own} for name, own in group["hosts"].items()}
    claims = {
        name: {key: found[f"observability_{key}"] for key in ("cluster_name", "kubeconfig", "context", "namespace")}
        for name, found in hosts.items()
    }
    assert not preflight.conflicts("a", claims)
    assert len({found["ingress_class"] for found in hosts.values()}) == 2
    for variables in inventory.VARIANTS.values():
        model = validation.parse(inventories.values(**{**hosts["a"], **variables}), inventories.load("versions.yml"))
        assert model.namespace == "bench-a"


# --- the report -------------------------------------------------------------------------------------------------------


def content(**changes: Any) -> dict[str, Any]:
    measurements = {
        "noop": {"site.yml": measure.summary([Sample(1.5, 1.25, 91)]), "helm": measure.summary([Sample(2, 1, 60)])},
        "install": {"site.yml": measure.summary([Sample(9, 2, 91)])},
    }
    return {
        **report.ratios(measurements),
        "machine": {"cores": 2, "load_before": 0.1, "quiet": True},
        "versions": {"helm": "v4"},
        "objects": 65,
        "measurements": measurements,
        "growth": {"clusters": {"10": {"noop": {"site.yml": measure.summary([Sample(4, 3, 99)])}}}, "nodes": {}},
        **changes,
    }


def test_ratios_are_those_of_medians_and_absent_without_both() -> None:
    found = content()
    assert found["noop_ratio_helm"] == 0.75
    assert found["noop_ratio_empty_play"] is found["change_ratio_helm"] is found["install_ratio_kubectl"] is None


def test_the_table_has_every_row_and_the_conditions() -> None:
    text = report.table(content())
    assert "65 objects; 2 cores, load 0.1 before; helm v4." in text
    assert "| Nothing to change: site.yml | 1.50 (1.50 to 1.50) | 1.25 (1.25 to 1.25) | 91 | 1 |" in text
    assert "| Clusters: 10; nothing to change: site.yml | 4.00 (4.00 to 4.00) | 3.00 (3.00 to 3.00) | 99 | 1 |" in text
    assert text.endswith("Ratios of the medians of wall seconds: `noop_ratio_helm` 0.75.\n")
    assert "a busy machine" in report.table(content(machine={"cores": 2, "load_before": 7, "quiet": False}))


def test_a_report_is_written_completely(tmp_path: Path) -> None:
    reports.write(tmp_path / "reports/bench.json", content())
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["bench.json"]


def test_the_page_has_the_place_for_the_table_and_nothing_else_of_it_changes() -> None:
    page = (inventories.ROOT / "docs/performance.md").read_text()
    before, _, rest = page.partition(report.BEGIN)
    after = rest.partition(report.END)[2]
    assert pages.filled(page, report.BEGIN, report.END, "new\n") == f"{before}{report.BEGIN}new\n{report.END}{after}"
    with pytest.raises(ValueError, match="the markers are missing"):
        pages.filled(before, report.BEGIN, report.END, "new\n")


@pytest.mark.parametrize("arguments", [["--only", "noop,else"], ["--clusters", "many"]])
def test_a_wrong_option_is_an_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command_line.parser().parse_args(arguments)
    assert arguments[0] in capsys.readouterr().err


def test_parts_can_be_left_out() -> None:
    options = command_line.parser().parse_args(["--only", "", "--nodes", "", "--clusters", "10,1"])
    assert (options.only, options.nodes, options.clusters) == ([], [], [1, 10])
