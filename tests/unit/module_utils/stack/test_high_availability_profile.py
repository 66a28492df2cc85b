"""The profile `ha`: how many replicas, what they share, and plans that stop at the first restart."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import high_availability, kubernetes
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.components import grafana, loki, mimir

from tests.inventories import problems, stack

BUCKETS = {"mimir": "acme-mimir", "loki": "acme-loki"}
STORAGE = {"type": "s3", "endpoint": "s3.example.com", "buckets": BUCKETS}
DATABASE = {"host": "db.example.com", "secret": "grafana-database"}
HA: dict[str, Any] = {"observability_profile": "ha", "observability_object_storage": STORAGE, "grafana_database": DATABASE}


def test_the_profile_says_how_many_replicas_where_the_inventory_does_not() -> None:
    single, ha = stack(), stack(**HA)
    assert {name: single.replicas[name] for name in ("mimir", "loki", "grafana")} == {"mimir": 1, "loki": 1, "grafana": 1}
    assert {name: ha.replicas[name] for name in ("mimir", "loki", "grafana")} == {"mimir": 3, "loki": 3, "grafana": 2}
    for name in ("prometheus", "otel_collector", "ingress"):
        assert single.replicas[name] == ha.replicas[name] == 2
    assert stack(**HA, mimir_replicas=5, grafana_replicas=4).replicas["mimir"] == 5


# What the inventory changes, and the beginning and a part of the one sentence about it.
REJECTED: list[tuple[dict[str, Any], str, str]] = [
    ({**HA, "mimir_replicas": 2}, "mimir_replicas is 2", "3 or more, or 0 for 3: a replication factor of 3 needs two of three"),
    ({**HA, "loki_replicas": 2}, "loki_replicas is 2", "two replicas stop at the first restart"),
    ({**HA, "loki_replicas": 1}, "loki_replicas is 1", "3 or more"),
    ({**HA, "grafana_replicas": 1}, "grafana_replicas is 1", "its restart is an outage"),
    ({**HA, "ingress_replicas": 1}, "ingress_replicas is 1", "its restart is an outage"),
    ({**HA, "prometheus_replicas": 1}, "prometheus_replicas is 1", "its restart is an outage"),
    ({"mimir_replicas": 3, "observability_object_storage": STORAGE}, "mimir_replicas is 3", "observability_profile"),
    ({**HA, "observability_object_storage": {}}, "observability_object_storage is {}", "3 replicas of Mimir and 3 replicas of Loki share"),
    ({**HA, "observability_object_storage": {}, "loki_enabled": False}, "observability_object_storage is {}", "object_storage_enabled"),
    ({**HA, "grafana_database": {}}, "grafana_database is {}", "2 replicas of Grafana share their data through it; SQLite has one writer"),
    ({"grafana_replicas": 2}, "grafana_database is {}", "postgresql_enabled"),
    ({**HA, "object_storage_enabled": True}, "observability_object_storage is there", "it should be one of them"),
    ({**HA, "postgresql_enabled": True}, "grafana_database is there", "it should be one of them"),
    ({"object_storage_enabled": True, "object_storage_replicas": 2}, "object_storage_replicas is 2", "its data is on one volume"),
    ({"postgresql_enabled": True, "postgresql_replicas": 3}, "postgresql_replicas is 3", "its data is on one volume"),
    ({"postgresql_enabled": True, "grafana_enabled": False}, "postgresql_enabled is True", "grafana_enabled"),
]


@pytest.mark.parametrize(("changes", "begins", "words"), REJECTED)
def test_a_plan_that_cannot_be_safe_is_rejected_with_the_reason(changes: dict[str, Any], begins: str, words: str) -> None:
    (problem,) = problems(**changes)
    assert problem.startswith(begins)
    assert words in problem


@pytest.mark.parametrize(
    "changes",
    [
        HA,
        {**HA, "mimir_replicas": 4, "loki_replicas": 7, "grafana_replicas": 3},
        {**HA, "grafana_database": {}, "grafana_enabled": False},
        {"observability_profile": "ha", "object_storage_enabled": True, "postgresql_enabled": True},
        {"observability_object_storage": STORAGE},
        {"grafana_replicas": 2, "grafana_database": DATABASE},
    ],
)
def test_a_plan_that_can_be_safe_is_taken(changes: dict[str, Any]) -> None:
    assert problems(**changes) == []


# --- what follows from it ---------------------------------------------------------------------------------------------------


def test_three_copies_where_there_are_three_replicas() -> None:
    assert high_availability.ring(stack(), "mimir") == {"replication_factor": 1, "min_ready_duration": "0s"}
    for count in (3, 4, 7):
        assert high_availability.ring(stack(**HA, mimir_replicas=count), "mimir")["replication_factor"] == 3


def test_one_replica_takes_what_its_senders_may_all_send_to_it() -> None:
    single, ha = stack(), stack(**HA)
    # A limit for the whole cluster is divided by the number of replicas.
    assert mimir.limits(ha)["ingestion_rate"] / 3 == mimir.limits(single)["ingestion_rate"]
    assert loki.limits(ha)["ingestion_rate_mb"] / 3 == loki.limits(single)["ingestion_rate_mb"]
    # That of a stream, which loses lines, is above what all of them take.
    assert int(loki.limits(ha)["per_stream_rate_limit"].removesuffix("MB")) > loki.limits(ha)["ingestion_rate_mb"]
    assert int(loki.limits(ha)["per_stream_rate_limit_burst"].removesuffix("MB")) > 3 * loki.limits(ha)["ingestion_burst_size_mb"]


def test_the_log_of_several_replicas_is_replayed_and_that_of_one_is_flushed() -> None:
    assert loki.ingester(stack())["wal"]["flush_on_shutdown"] is True
    assert loki.ingester(stack(**HA))["wal"]["flush_on_shutdown"] is False


def test_replicas_of_loki_do_not_share_their_schedulers() -> None:
    # One that is ordered to end keeps the queries of the others waiting.
    assert loki.queries(stack(**HA)) == {"scheduler_address": "localhost:9095"}
    assert loki.queries(stack()) == {}


def test_the_list_of_what_to_delete_is_where_the_next_compactor_finds_it() -> None:
    assert loki.storage(stack(**HA))["compactor"]["deletion_marker_object_store_prefix"].endswith("/")
    assert "deletion_marker_object_store_prefix" not in loki.storage(stack())["compactor"]
    for model in (stack(), stack(**HA)):
        assert loki.storage(model)["compactor"]["delete_request_store"] == loki.storage(model)["object_store"]


def test_replicas_of_grafana_share_a_database_and_find_each_other() -> None:
    one, two = (grafana.settings(model, {}) for model in (stack(), stack(**HA)))
    assert one["alerting"] == {}
    assert one["database"] == {"wal": True}
    assert two["alerting"] == {"ha_peers": "grafana-headless.observability.svc.cluster.local:9094"}
    assert (two["database"]["type"], two["database"]["host"]) == ("postgres", "db.example.com:5432")
    names = [item["name"] for item in two["environment"]]
    # Kubernetes expands only what stands before.
    assert names.index("POD_IP") < names.index("GF_UNIFIED_ALERTING_HA_ADVERTISE_ADDRESS")
    secret = {item["name"]: item["valueFrom"]["secretKeyRef"] for item in two["environment"] if "secretKeyRef" in item.get("valueFrom", {})}
    assert secret["GF_DATABASE_PASSWORD"] == {"name": "grafana-database", "key": "password"}
    assert not {name for name in (item["name"] for item in one["environment"]) if name.startswith(("GF_DATABASE", "GF_UNIFIED"))}
    assert [item["metadata"]["name"] for item in kubernetes.services(stack(**HA), "grafana", {})] == ["grafana", "grafana-headless"]


def test_every_replicated_component_has_a_budget_that_lets_one_pod_go() -> None:
    for component, row in CATALOGUE.items():
        budgets = kubernetes.disruption_budgets(stack(**HA), component)
        several = stack(**HA).replicas.get(component, 0) > 1 and not row.own_namespace
        assert [budget["spec"]["maxUnavailable"] for budget in budgets] == ([1] if several else [])
