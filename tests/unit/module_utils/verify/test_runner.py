"""Verification of a cluster with one fault: the right connections fail, and their details say what to look at."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.connections import CONNECTIONS
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.verify import checks
from ansible_collections.observability.stack.plugins.module_utils.verify.checks.public_hosts import public_host
from ansible_collections.observability.stack.plugins.module_utils.verify.item import items
from ansible_collections.observability.stack.plugins.module_utils.verify.probes import probe_pod, remove_leftovers
from ansible_collections.observability.stack.plugins.module_utils.verify.runner import verify
from ansible_collections.observability.stack.plugins.module_utils.verify.session import Options, Session

from tests.inventories import stack
from tests.unit.module_utils.verify.serving import running
from tests.unit.module_utils.verify.simulated_cluster import PASSWORD, SimulatedCluster

STACK = stack()
Rows = dict[str, dict[str, Any]]
Verified = tuple[Rows, SimulatedCluster]
DEFAULTS: dict[str, Any] = {"timeout": 1.0, "window": 0.0, "grafana_secret": "grafana-admin", "users_secret": "observability-basic-auth"}


@pytest.fixture
def verified(tmp_path: Path) -> Callable[..., Verified]:
    """Verify a simulated cluster; return the rows by connection, and the cluster afterwards."""

    def run(fault: str = "", model: Stack = STACK, **options: Any) -> Verified:
        simulated = SimulatedCluster(model, fault)
        with running(simulated, tmp_path) as (cluster, addresses):
            rows = verify(Session(cluster, model, Options(**{**DEFAULTS, **addresses, **options})))
        return {row["connection"]: row for row in rows}, simulated

    return run


def test_every_kind_of_check_is_used_and_exists() -> None:
    assert set(checks.KINDS) == {item.check for item in items(STACK)}


def test_every_component_and_connection_with_a_check_and_every_balanced_component_is_an_item() -> None:
    names = [f"health-{name}" for name, row in CATALOGUE.items() if not row.own_namespace and not row.evaluation]
    names += [row.name for row in CONNECTIONS if row.check]
    names += [f"balance-{name}" for name, row in CATALOGUE.items() if row.balanced]
    assert [item.name for item in items(STACK)] == names
    assert len(names) == len(set(names))
    evaluated = stack(observability_profile="ha", object_storage_enabled=True, postgresql_enabled=True)
    assert "health-object_storage" in {item.name for item in items(evaluated)}


def test_the_pods_of_a_controller_that_the_cluster_has_are_not_looked_at() -> None:
    everything = {item.name for item in items(STACK)}
    assert everything - {item.name for item in items(stack(ingress_install=False, ingress_from=[{"podSelector": {}}]))} == {
        "health-ingress",
        "ingress-metrics",
    }


def test_in_a_stack_without_a_fault_every_connection_is_ok_and_nothing_is_left(verified: Callable[..., Verified]) -> None:
    rows, simulated = verified()
    assert {name: row["detail"] for name, row in rows.items() if row["status"] != "ok"} == {}
    assert list(rows) == [item.name for item in items(STACK)]
    assert all(row["seconds"] >= 0 and row["sent"] and row["read_back"] for row in rows.values())
    assert simulated.probes() == []
    assert PASSWORD not in str(rows)


METRICS = {f"{name}-metrics" for name, row in CATALOGUE.items() if row.scraped and not row.own_namespace}
# What each of these is, is seen at both depths.
STATES: list[tuple[str, set[str], str]] = [
    ("prometheus-1 is not ready", {"health-prometheus"}, "GET /-/ready of prometheus-1 answered HTTP 503"),
    ("grafana is not available", {"health-grafana"}, "Deployment grafana: 0 of 1 pods ready"),
    ("grafana is no target", {"grafana-metrics"}, "prometheus-0 has no target for grafana-0"),
    ("loki is not scraped", {"loki-metrics"}, "prometheus-0 cannot scrape loki-0"),
    ("mimir-0 is unhealthy", {"mimir-memberlist"}, "the ring that mimir-0 sees (/ingester/ring) has mimir-0 UNHEALTHY"),
    ("data source", {"grafana-prometheus", "grafana-mimir", "grafana-loki"}, "is not healthy"),
]
PUBLIC = {"ingress-grafana", "ingress-prometheus", "ingress-mimir", "ingress-loki"}
# What is wrong, which connections must fail for it, and words of the detail.
FAULTS: list[tuple[str, set[str], str]] = [
    ("prometheus-1 is empty", {"application-prometheus", "otel_collector-prometheus", "alloy-prometheus", *METRICS}, "prometheus-1"),
    ("scrape fails", {"application-prometheus", "prometheus-mimir"}, "could not scrape"),
    ("not tailed", {"application-alloy"}, "otelcol_receiver_accepted_log_records_total"),
    ("receiver of lines fails", {"application-alloy"}, "otelcol_receiver_failed_log_records_total"),
    ("lost line", {"alloy-loki"}, "1 of 5 lines"),
    ("exporter of lines fails", {"alloy-loki"}, "otelcol_exporter_send_failed_log_records_total"),
    ("full queue", {"alloy-loki"}, "90% full"),
    ("reading is behind", {"alloy-loki"}, "otelcol_fileconsumer_reading_files"),
    # A burst that Loki delays is sent again.
    ("delayed lines", set(), ""),
    ("duplicated line", {"alloy-loki"}, "more than once"),
    ("otel-collector-1 rejects", {"application-otel_collector", "balance-otel_collector"}, "queue is full"),
    ("partial", {"application-otel_collector", "otel_collector-loki"}, "1 rejected: too old"),
    ("grpc", {"application-otel_collector"}, "gRPC status 14: unavailable"),
    ("no collector label", {"otel_collector-prometheus", "prometheus-mimir"}, "collector=''; expected 'otel'"),
    (
        "pushed through a Service",
        {"otel_collector-prometheus", "prometheus-mimir"},
        "a Service in between gives each",
    ),
    ("wrong time", {"otel_collector-prometheus", "prometheus-mimir"}, "(milliseconds, value)"),
    ("exporter fails", {"otel_collector-prometheus"}, "otelcol_exporter_send_failed_metric_points"),
    ("lost record", {"otel_collector-loki"}, "is not in Loki"),
    ("discarded lines", {"otel_collector-loki", "alloy-loki"}, "loki_discarded_samples_total"),
    ("retention fails", {"otel_collector-loki", "alloy-loki"}, "its retention has failed 3 times and never succeeded"),
    ("compactor is idle", {"prometheus-mimir"}, "its compaction has not succeeded for 48 hours"),
    ("blocks stay", {"prometheus-mimir"}, "cortex_compactor_block_cleanup_failures_total"),
    ("one node is silent", {"alloy-prometheus", "prometheus-mimir"}, "node-3"),
    ("old node metrics", {"alloy-prometheus", "prometheus-mimir"}, "older than this run"),
    ("duplicated node metrics", {"alloy-prometheus", "prometheus-mimir"}, "has node_uname_info of node-1 2 times; expected once"),
    # Those before them have left their series.
    ("replaced agents", set(), ""),
    ("duplicated scrapes", {"prometheus-mimir"}, "2 times; expected once. Labels: __replica__=|prometheus-1"),
    ("duplicated samples", {"prometheus-mimir"}, "2 times; expected once"),
    ("replica label", {"prometheus-mimir"}, "keeps the label __replica__"),
    ("no replica elected", {"prometheus-mimir"}, "has elected no replica"),
    ("one replica", {"prometheus-mimir"}, "is only one replica writing"),
    ("without replica", {"prometheus-mimir"}, "cortex_distributor_non_ha_samples_received_total"),
    ("stuck queue", {"prometheus-mimir"}, "samples waiting in mimir-scraped"),
    ("failed samples", {"prometheus-mimir"}, "prometheus_remote_storage_samples_failed_total"),
    ("discarded", {"prometheus-mimir"}, "cortex_discarded_samples_total{reason=rate_limited"),
    *STATES,
    ("certificate", {*PUBLIC, "balance-prometheus"}, "cannot be trusted"),
    (
        "old certificate",
        {*PUBLIC, "balance-prometheus"},
        "certificate has expired",
    ),
    ("grafana down", {"ingress-grafana"}, "HTTP 502"),
    ("no login", {"ingress-prometheus", "ingress-mimir", "ingress-loki"}, "expected 401"),
    ("open paths", PUBLIC, "POST"),
    ("no redirect", PUBLIC, "expected a redirect"),
    ("pinned", {"balance-prometheus"}, "prometheus-1 answered none of 40 reads through the ingress"),
    ("prometheus-1 is no endpoint", {"balance-prometheus"}, "prometheus-1 answered none of 40 reads through the Service"),
    ("one collector", {"balance-otel_collector"}, "otel-collector-1 accepted none of 40 OTLP requests"),
]


@pytest.mark.parametrize(("fault", "connections", "words"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_fault_fails_its_connections_and_no_other(
    fault: str, connections: set[str], words: str, verified: Callable[..., Verified]
) -> None:
    rows, simulated = verified(fault)
    failed = {name: row["detail"] for name, row in rows.items() if row["status"] == "failed"}
    assert set(failed) == connections, failed
    assert not words or any(words in detail for detail in failed.values()), failed
    assert simulated.probes() == []


@pytest.mark.parametrize(
    ("fault", "words"), [("taints", "no node is Ready"), ("quota", "exceeded quota"), ("image", "ErrImagePull no route")]
)
def test_probe_pods_that_cannot_run_say_why(fault: str, words: str, verified: Callable[..., Verified]) -> None:
    rows, simulated = verified(fault)
    assert rows["application-prometheus"]["status"] == "failed"
    assert words in rows["application-prometheus"]["detail"]
    # What does not need them is verified all the same.
    assert rows["otel_collector-prometheus"]["status"] == "ok"
    assert simulated.probes() == []


def test_a_component_that_is_switched_off_is_not_tested_and_named(verified: Callable[..., Verified]) -> None:
    rows, _ = verified(model=stack(alloy_enabled=False))
    off = {name: row["detail"] for name, row in rows.items() if row["status"] != "ok"}
    assert off == dict.fromkeys(("health-alloy", "application-alloy", "alloy-loki", "alloy-prometheus"), "alloy_enabled is false")


def test_without_loki_no_log_record_is_sent_and_everything_else_is_verified(verified: Callable[..., Verified]) -> None:
    rows, simulated = verified(model=stack(loki_enabled=False))
    logs = {item.name for item in items(STACK) if "loki" in (item.source, item.target)} | {"application-alloy"}
    assert {name: row["detail"] for name, row in rows.items() if row["status"] != "ok"} == dict.fromkeys(logs, "loki_enabled is false")
    assert simulated.logs == []


def test_a_substitute_is_verified_and_never_reported_as_ok(verified: Callable[..., Verified]) -> None:
    rows, _ = verified(absent={"grafana": "no binary of grafana here"})
    assert {name for name, row in rows.items() if row["status"] == "not tested"} == {
        "health-grafana",
        "ingress-grafana",
        "grafana-metrics",
        "grafana-prometheus",
        "grafana-mimir",
        "grafana-loki",
    }
    assert rows["grafana-loki"]["detail"].startswith("no binary of grafana here; the substitute for grafana did it in")
    rows, _ = verified("data source", absent={"grafana": "no binary of grafana here"})
    assert rows["grafana-loki"]["status"] == "failed"


def test_the_days_that_a_certificate_has_left_are_shown_and_few_are_a_warning(verified: Callable[..., Verified], tmp_path: Path) -> None:
    users = [f"ingress-{component}" for component in ("grafana", "prometheus", "mimir", "loki")]
    rows, _ = verified()
    assert all("89 days left" in rows[name]["read_back"] and "renewed" not in rows[name]["detail"] for name in users)
    rows, _ = verified("ending certificate")
    assert all(rows[name]["status"] == "ok" and "ends in 20 days" in rows[name]["detail"] for name in users)
    with running(SimulatedCluster(STACK, "ending certificate"), tmp_path) as (cluster, addresses):
        session = Session(cluster, STACK, Options(**{**DEFAULTS, **addresses}))
        for item in items(STACK):
            if item.name in ("ingress-grafana", "ingress-loki"):
                public_host(session, item)
    # One for all hosts.
    assert len(session.warnings) == 1


def test_a_missing_secret_is_named(verified: Callable[..., Verified]) -> None:
    rows, _ = verified(users_secret="gone")  # noqa: S106 - the name of a Secret
    assert 'secrets "gone" not found' in rows["ingress-mimir"]["detail"]


def test_an_ingress_without_an_address_names_the_variable(verified: Callable[..., Verified]) -> None:
    rows, _ = verified(ingress_address="")
    assert "verify_ingress_address" in rows["ingress-grafana"]["detail"]


def test_what_a_killed_run_left_is_deleted_only_when_it_is_old(tmp_path: Path) -> None:
    simulated = SimulatedCluster(STACK)
    for name, age in (("verify-old-0", 3660), ("verify-new-0", 60)):
        simulated.run(name, "node-1", {"observability.stack/verify": name}, age)
    with running(simulated, tmp_path) as (cluster, _):
        remove_leftovers(Session(cluster, STACK, Options()))
    assert simulated.probes() == ["verify-new-0"]


def test_no_more_nodes_get_a_probe_than_asked_for(verified: Callable[..., Verified]) -> None:
    rows, _ = verified(max_nodes=2)
    assert rows["application-prometheus"]["sent"].startswith("2 annotated pods")


def test_a_probe_satisfies_the_restricted_pod_security_standard() -> None:
    pod = probe_pod(STACK, "nonce", "verify-nonce-0", "node-1", 60)
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["image"] == STACK.images["prometheus"]
    assert set(container["resources"]) == {"requests", "limits"}
    assert {next(iter(set(volume) - {"name"})) for volume in pod["spec"]["volumes"]} == {"emptyDir"}


# --- quick: nothing is sent ---------------------------------------------------------------------------------------------

SENDING = {"scrape", "otlp_accepted", "balanced_requests"}


def test_quick_checks_what_can_be_read_and_says_what_it_leaves_out(verified: Callable[..., Verified]) -> None:
    rows, simulated = verified(depth="quick")
    assert {item.check for item in items(STACK) if rows[item.name]["status"] == "not tested"} == SENDING
    for row in rows.values():
        tested = row["status"] == "ok"
        assert (row["depth"], bool(row["read_back"])) == (("quick", True) if tested else ("", False))
        assert tested or row["detail"] == "needs verify_depth: full"
    assert PASSWORD not in str(rows)
    assert [simulated.probes(), simulated.logs, simulated.samples] == [[], [], []]


@pytest.mark.parametrize(
    "model", [STACK, stack(ingress_enabled=False), stack(loki_enabled=False), stack(prometheus_enabled=False, mimir_enabled=False)]
)
def test_quick_only_reads(model: Stack, tmp_path: Path) -> None:
    simulated = SimulatedCluster(model)
    simulated.run("verify-old-0", "node-1", {"observability.stack/verify": "old"}, 7200)
    before = set(simulated.pods)
    with running(simulated, tmp_path) as (cluster, addresses):
        rows = verify(Session(cluster, model, Options(**{**DEFAULTS, **addresses, "depth": "quick"})))
    assert {row["status"] for row in rows} == {"ok", "not tested"}
    assert simulated.methods == {"GET"}
    assert set(simulated.pods) == before


EVERY = [item.name for item in items(STACK)]
QUICK: list[tuple[str, set[str], str]] = [
    *STATES,
    (
        "loki is scaled to zero",
        {name for name in EVERY if "loki" in name} - {"ingress-loki", "grafana-loki"},
        "StatefulSet loki has 0 replicas; expected 1",
    ),
    ("alloy is scaled to zero", {"health-alloy", "alloy-prometheus"}, "DaemonSet alloy has no pod"),
    ("mimir is empty", {"ingress-mimir", "grafana-mimir"}, "has nothing for the query"),
    ("one node is silent", {"alloy-prometheus"}, "node-3"),
    ("old node metrics", {"alloy-prometheus"}, "expected at most 30 s"),
    ("duplicated node metrics", {"alloy-prometheus"}, "has node_uname_info of node-1 2 times; expected once"),
    ("receiver of lines fails", {"application-alloy"}, "otelcol_receiver_failed_log_records_total"),
    ("full queue", {"alloy-loki"}, "90% full"),
    ("full queue of the collectors", {"otel_collector-prometheus", "otel_collector-loki"}, "90% full"),
    ("reading is behind", {"alloy-loki"}, "otelcol_fileconsumer_reading_files"),
    ("exporter fails", {"otel_collector-prometheus"}, "otelcol_exporter_send_failed_metric_points"),
    ("discarded lines", {"otel_collector-loki", "alloy-loki"}, "loki_discarded_samples_total"),
    ("retention fails", {"otel_collector-loki", "alloy-loki"}, "its retention has failed 3 times"),
    ("no replica elected", {"prometheus-mimir"}, "has elected no replica"),
    ("stuck queue", {"prometheus-mimir"}, "samples waiting in mimir-scraped"),
    ("certificate", {*PUBLIC, "balance-prometheus"}, "cannot be trusted"),
    ("no login", {"ingress-prometheus", "ingress-mimir", "ingress-loki"}, "expected 401"),
    ("pinned", {"balance-prometheus"}, "prometheus-1 answered none of 40 reads through the ingress"),
    # What only a sample or a line of its own would show.
    ("lost line", set(), ""),
    ("grpc", set(), ""),
]


@pytest.mark.parametrize(("fault", "connections", "words"), QUICK, ids=[fault[0] for fault in QUICK])
def test_a_fault_that_can_be_read_fails_at_quick(fault: str, connections: set[str], words: str, verified: Callable[..., Verified]) -> None:
    rows, _ = verified(fault, depth="quick")
    failed = {name: row["detail"] for name, row in rows.items() if row["status"] == "failed"}
    assert set(failed) == connections, failed
    assert not words or any(words in detail for detail in failed.values()), failed
    assert all(rows[name]["depth"] == "quick" for name in failed)


def test_quick_waits_for_two_scrape_intervals_at_most() -> None:
    def patience(**options: Any) -> float:
        return Session(None, STACK, Options(**options)).patience  # type: ignore[arg-type]

    assert (patience(), patience(depth="quick"), patience(depth="quick", timeout=5.0)) == (180.0, 2.0 * STACK.scrape_interval, 5.0)


def test_losses_are_counted_over_the_window(verified: Callable[..., Verified]) -> None:
    began = time.monotonic()
    rows, _ = verified(depth="quick", timeout=10.0, window=4.0)
    assert time.monotonic() - began > 4
    assert (rows["alloy-loki"]["status"], rows["alloy-loki"]["seconds"]) == ("ok", None)
