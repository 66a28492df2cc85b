"""The module of the verification: its options reach the verification, and what is missing is named."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.observability.stack.plugins.module_utils import cluster
from ansible_collections.observability.stack.plugins.module_utils.verify import otlp
from ansible_collections.observability.stack.plugins.modules import verify_data_path

from tests.inventories import stack
from tests.unit.module_utils.verify.serving import running
from tests.unit.module_utils.verify.simulated_cluster import SimulatedCluster

STACK = stack()


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    """Put the handler of SIGTERM back, which the module replaces."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def result_of(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    """Run the module, and return what it prints."""
    with patch_module_args({"stack": STACK.to_dict(), "timeout": 1, **options}), pytest.raises(SystemExit):
        verify_data_path.main()
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_module_returns_the_rows_and_how_many_ended_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, str]] = []
    with running(SimulatedCluster(STACK, "grafana down"), tmp_path) as (simulated, addresses):

        def made(kubeconfig: str, context: str, namespace: str) -> cluster.Cluster:
            asked.append((kubeconfig, context, namespace))
            return simulated

        monkeypatch.setattr(cluster, "Cluster", made)
        result = result_of(
            capsys, context="production", absent={"loki": "no binary of loki here"}, max_nodes=1, versions={"mimir": "3.1.0"}, **addresses
        )
    assert asked == [("", "production", STACK.namespace)]
    statuses = {row["connection"]: row["status"] for row in result["connections"]}
    assert statuses["ingress-grafana"] == "failed"
    assert statuses["alloy-loki"] == "not tested"
    assert result["summary"] == {status: list(statuses.values()).count(status) for status in ("ok", "failed", "not tested")}
    assert result["summary"]["failed"] == 1
    assert (result["depth"], result["versions"]) == ("full", {"mimir": "3.1.0"})
    assert result["changed"] is False
    assert len(result["run"]) == 8
    assert next(row for row in result["connections"] if row["connection"] == "application-prometheus")["sent"].startswith("1 annotated")


def test_a_cluster_that_does_not_answer_fails_the_module(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = result_of(capsys, kubeconfig=str(tmp_path / "missing"))
    assert result["failed"] is True
    assert result["msg"].startswith("nothing could be verified: ")


@pytest.mark.parametrize(("module", "name"), [(cluster, "kubernetes"), (otlp, "h2")])
def test_a_missing_package_is_named(module: Any, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MISSING", ImportError(f"No module named {name!r}", name=name))
    result = result_of(capsys)
    assert result["failed"] is True
    assert f"({name})" in result["msg"]
