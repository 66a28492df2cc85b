"""The proof against a world in which one thing is wrong: the right arrow fails, and says what to look at."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.data_path import CHECKS, prove
from ansible_collections.observability.stack.plugins.module_utils.run import LEFTOVER, Options, Run, probe_pod
from ansible_collections.observability.stack.plugins.plugin_utils._proof import verify_plan
from ansible_collections.observability.stack.plugins.plugin_utils._wiring import ARROWS

from tests.inventories import stack
from tests.unit.verify_world import PASSWORD, World, running

PLAN = verify_plan(stack())
Rows = dict[str, dict[str, Any]]


@pytest.fixture
def proved(tmp_path: Path) -> Callable[..., tuple[Rows, World]]:
    """Run the proof in a world; return its rows by arrow, and the world afterwards."""

    def run(broken: str = "", plan: dict[str, Any] = PLAN, **options: Any) -> tuple[Rows, World]:
        world = World(plan, broken)
        with running(world, tmp_path) as (cluster, addresses):
            rows = prove(
                Run(
                    cluster,
                    plan,
                    Options(
                        **{
                            "timeout": 1.0,
                            "grafana_secret": "grafana-admin",
                            "users_secret": "observability-basic-auth",
                            **addresses,
                            **options,
                        }
                    ),
                )
            )
        return {row["arrow"]: row for row in rows}, world

    return run


def test_every_arrow_of_the_wiring_has_its_check() -> None:
    assert set(CHECKS) == {arrow.name for arrow in ARROWS}


def test_a_stack_wired_right_proves_every_arrow_and_keeps_nothing(proved: Callable[..., tuple[Rows, World]]) -> None:
    rows, world = proved()
    assert {name: row["detail"] for name, row in rows.items() if row["status"] != "ok"} == {}
    assert list(rows) == [arrow.name for arrow in ARROWS]
    assert all(row["seconds"] >= 0 and row["sent"] and row["read_back"] for row in rows.values())
    assert world.probes() == []
    assert PASSWORD not in str(rows)


# What is wrong, which arrows must fail for it, and words of the message.
FAULTS: list[tuple[str, set[str], str]] = [
    ("prometheus-1 is empty", {"application-prometheus", "otel_collector-prometheus", "alloy-prometheus"}, "prometheus-1"),
    ("scrape fails", {"application-prometheus", "prometheus-mimir"}, "could not scrape"),
    ("not tailed", {"application-alloy"}, "otelcol_receiver_accepted_log_records_total"),
    ("lost line", {"alloy-loki"}, "1 of 5 lines"),
    ("exporter of lines fails", {"alloy-loki"}, "otelcol_exporter_send_failed_log_records_total"),
    ("full queue", {"alloy-loki"}, "90% full"),
    ("reading is behind", {"alloy-loki"}, "otelcol_fileconsumer_reading_files"),
    # A burst that Loki delays is sent again.
    ("delayed lines", set(), ""),
    ("doubled line", {"alloy-loki"}, "more than once"),
    ("otel-collector-1 refuses", {"application-otel_collector", "balance-otel_collector"}, "queue is full"),
    ("partial", {"application-otel_collector", "otel_collector-loki"}, "1 rejected: too old"),
    ("grpc", {"application-otel_collector"}, "gRPC status 14: unavailable"),
    ("mark", {"otel_collector-prometheus", "prometheus-mimir"}, "collector=''; expected 'otel'"),
    ("pushed through a Service", {"otel_collector-prometheus", "prometheus-mimir"}, "prometheus-0 lacks 3 of 6 OTLP samples"),
    ("wrong time", {"otel_collector-prometheus", "prometheus-mimir"}, "(milliseconds, value)"),
    ("exporter fails", {"otel_collector-prometheus"}, "otelcol_exporter_send_failed_metric_points"),
    ("lost record", {"otel_collector-loki"}, "is not in Loki"),
    ("discarded lines", {"otel_collector-loki", "alloy-loki"}, "loki_discarded_samples_total"),
    ("retention fails", {"otel_collector-loki", "alloy-loki"}, "its retention has failed 3 times and never succeeded"),
    ("compactor is idle", {"prometheus-mimir"}, "its compaction has not succeeded for 48 hours"),
    ("blocks stay", {"prometheus-mimir"}, "cortex_compactor_block_cleanup_failures_total"),
    ("one node is silent", {"alloy-prometheus", "prometheus-mimir"}, "node-3"),
    ("old node metrics", {"alloy-prometheus", "prometheus-mimir"}, "older than this run"),
    ("doubled scrapes", {"prometheus-mimir"}, "2 times; expected once. Labels: __replica__=|prometheus-1"),
    ("doubled samples", {"prometheus-mimir"}, "2 times; expected once"),
    ("replica label", {"prometheus-mimir"}, "keeps the label __replica__"),
    ("nobody elected", {"prometheus-mimir"}, "has elected nobody"),
    ("one replica", {"prometheus-mimir"}, "is only one replica writing"),
    ("without replica", {"prometheus-mimir"}, "cortex_distributor_non_ha_samples_received_total"),
    ("stuck queue", {"prometheus-mimir"}, "samples waiting in mimir-scraped"),
    ("failed samples", {"prometheus-mimir"}, "prometheus_remote_storage_samples_failed_total"),
    ("discarded", {"prometheus-mimir"}, "cortex_discarded_samples_total{reason=rate_limited"),
    ("data source", {"grafana-prometheus", "grafana-mimir", "grafana-loki"}, "is not healthy"),
    ("certificate", {"user-grafana", "user-prometheus", "user-mimir", "user-loki", "balance-prometheus"}, "cannot be trusted"),
    ("old certificate", {"user-grafana", "user-prometheus", "user-mimir", "user-loki", "balance-prometheus"}, "certificate has expired"),
    ("grafana down", {"user-grafana"}, "HTTP 502"),
    ("no login", {"user-prometheus", "user-mimir", "user-loki"}, "expected 401"),
    ("open paths", {"user-grafana", "user-prometheus", "user-mimir", "user-loki"}, "POST"),
    ("no redirect", {"user-grafana", "user-prometheus", "user-mimir", "user-loki"}, "expected a redirect"),
    ("pinned", {"balance-prometheus"}, "prometheus-1 answered none of 40 reads"),
    ("one collector", {"balance-otel_collector"}, "otel-collector-1 accepted none of 40 OTLP requests"),
]


@pytest.mark.parametrize(("broken", "arrows", "words"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_fault_fails_its_arrows_and_no_other(
    broken: str, arrows: set[str], words: str, proved: Callable[..., tuple[Rows, World]]
) -> None:
    rows, world = proved(broken)
    failed = {name: row["detail"] for name, row in rows.items() if row["status"] == "failed"}
    assert set(failed) == arrows, failed
    assert not words or any(words in detail for detail in failed.values()), failed
    assert world.probes() == []


@pytest.mark.parametrize(
    ("broken", "words"), [("taints", "no node is Ready"), ("quota", "exceeded quota"), ("image", "ErrImagePull no route")]
)
def test_probe_pods_that_cannot_run_say_why(broken: str, words: str, proved: Callable[..., tuple[Rows, World]]) -> None:
    rows, world = proved(broken)
    assert rows["application-prometheus"]["status"] == "failed"
    assert words in rows["application-prometheus"]["detail"]
    # What does not need them is proven all the same.
    assert rows["otel_collector-prometheus"]["status"] == "ok"
    assert world.probes() == []


def test_a_component_that_is_off_is_not_tested_and_named(proved: Callable[..., tuple[Rows, World]]) -> None:
    plan = {
        **PLAN,
        "arrows": [{**arrow, "off": ["alloy"] if "alloy" in (arrow["source"], arrow["target"]) else []} for arrow in PLAN["arrows"]],
    }
    rows, _ = proved(plan=plan)
    off = {name: row["detail"] for name, row in rows.items() if row["status"] == "not tested"}
    assert off == dict.fromkeys(("application-alloy", "alloy-loki", "alloy-prometheus"), "alloy_enabled is false")


def test_without_loki_no_log_record_is_sent_and_everything_else_is_verified(proved: Callable[..., tuple[Rows, World]]) -> None:
    rows, world = proved(plan=verify_plan(stack(loki_enabled=False)))
    logs = {arrow.name for arrow in ARROWS if "loki" in (arrow.source, arrow.target)} | {"application-alloy"}
    assert {name: row["detail"] for name, row in rows.items() if row["status"] != "ok"} == dict.fromkeys(logs, "loki_enabled is false")
    assert world.logs == []


def test_a_stand_in_is_tried_and_never_called_ok(proved: Callable[..., tuple[Rows, World]]) -> None:
    rows, _ = proved(absent={"grafana": "no binary of grafana here"})
    assert {name for name, row in rows.items() if row["status"] == "not tested"} == {
        "user-grafana",
        "grafana-prometheus",
        "grafana-mimir",
        "grafana-loki",
    }
    assert rows["grafana-loki"]["detail"].startswith("no binary of grafana here; what stands in for grafana did it in")
    rows, _ = proved("data source", absent={"grafana": "no binary of grafana here"})
    assert rows["grafana-loki"]["status"] == "failed"


def test_the_days_that_a_certificate_has_left_are_shown_and_few_are_a_warning(
    proved: Callable[..., tuple[Rows, World]], tmp_path: Path
) -> None:
    users = [f"user-{component}" for component in ("grafana", "prometheus", "mimir", "loki")]
    rows, _ = proved()
    assert all("89 days left" in rows[name]["read_back"] and "renewed" not in rows[name]["detail"] for name in users)
    rows, _ = proved("ending certificate")
    assert all(rows[name]["status"] == "ok" and "ends in 20 days" in rows[name]["detail"] for name in users)
    world = World(PLAN, "ending certificate")
    with running(world, tmp_path) as (cluster, addresses):
        options: dict[str, Any] = {"users_secret": "observability-basic-auth", **addresses}
        run = Run(cluster, PLAN, Options(**options))
        CHECKS["user-grafana"](run)
        CHECKS["user-loki"](run)
    # One for all hosts.
    assert len(run.warnings) == 1


def test_a_missing_secret_is_named(proved: Callable[..., tuple[Rows, World]]) -> None:
    rows, _ = proved(users_secret="gone")  # noqa: S106 - the name of a Secret
    assert 'secrets "gone" not found' in rows["user-mimir"]["detail"]


def test_an_ingress_without_an_address_names_the_variable(proved: Callable[..., tuple[Rows, World]]) -> None:
    rows, _ = proved(ingress_address="")
    assert "verify_ingress_address" in rows["user-grafana"]["detail"]


def test_what_a_killed_run_left_is_deleted_only_when_it_is_old(tmp_path: Path) -> None:
    world = World(PLAN)
    for name, age in (("verify-old-0", LEFTOVER + 60), ("verify-new-0", 60)):
        world._running(name, "node-1", {"observability.stack/verify": name})
        created = world.now - datetime.timedelta(seconds=age)
        world.pods[name]["metadata"]["creationTimestamp"] = created.strftime("%Y-%m-%dT%H:%M:%SZ")
    with running(world, tmp_path) as (cluster, _):
        Run(cluster, PLAN, Options()).remove_leftovers()
    assert world.probes() == ["verify-new-0"]


def test_no_more_nodes_get_a_probe_than_asked_for(proved: Callable[..., tuple[Rows, World]]) -> None:
    rows, _ = proved(max_nodes=2)
    assert rows["application-prometheus"]["sent"].startswith("2 annotated pods")


def test_a_probe_satisfies_the_restricted_pod_security_standard() -> None:
    pod = probe_pod(PLAN, "nonce", "verify-nonce-0", "node-1", 60)
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["image"] == PLAN["image"]
    assert set(container["resources"]) == {"requests", "limits"}
    assert {next(iter(set(volume) - {"name"})) for volume in pod["spec"]["volumes"]} == {"emptyDir"}
