"""The rows of the connections: their ends and ports exist, and they say what the configuration says."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue, connections
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE, OUTSIDE
from ansible_collections.observability.stack.plugins.module_utils.stack.connections import CONNECTIONS, Connection

from tests.inventories import ROOT, combinations, component_settings, stack

DEFAULT = stack()
STACKS = list(combinations())
ROW = Connection("alloy-loki", "alloy", "loki", "log lines")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": "aloy"}, "'aloy' is no component; it should be one of object_storage, postgresql, mimir, loki"),
        ({"target": "lokki"}, "'lokki' is no component; it should be one of object_storage, postgresql, mimir, loki"),
        ({"target": "lokki", "ports": ()}, "'lokki' is no component; it should be one of object_storage, postgresql, mimir, loki"),
        ({"needs": ("memcached",)}, "'memcached' is no component; it should be one of object_storage, postgresql, mimir, loki"),
        ({"lost": {"aloy": ("x",)}}, "'aloy' is no component; it should be one of object_storage, postgresql, mimir, loki"),
        ({"queue": {"kubelet": ("x",)}}, "'kubelet' is no component; it should be one of object_storage, postgresql, mimir, loki"),
        ({"ports": ("http", "htp")}, "loki has no port 'htp'; it has http, grpc, memberlist"),
        ({"target": "dns"}, "dns has no port 'http'; it has dns, dns-openshift"),
        ({"name": "prometheus-mimir"}, "several connections are called prometheus-mimir"),
    ],
)
def test_a_row_with_a_wrong_end_port_or_name_is_an_error_with_those_there_are(
    change: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = tuple(row for row in CONNECTIONS if row.name != ROW.name)
    monkeypatch.setattr(connections, "CONNECTIONS", (*others, ROW))
    connections.check_rows()
    monkeypatch.setattr(connections, "CONNECTIONS", (*others, dataclasses.replace(ROW, **change)))
    with pytest.raises(ValueError, match=words):
        connections.check_rows()


@pytest.mark.parametrize("row", CONNECTIONS, ids=lambda row: row.name)
def test_a_row_is_complete(row: Connection) -> None:
    assert row.name
    assert row.carries
    assert row.purpose in ("push", "scrape", "store", "query", "control")
    assert row.to in ("service", "replica", "pod", "node")
    # What is addressed through the Service, or by the name of a replica, has that.
    if row.target in CATALOGUE and row.to == "service":
        assert CATALOGUE[row.target].service
        offered = CATALOGUE[row.target].offered
        assert not offered or set(row.ports) <= set(offered)
    if row.to == "replica":
        assert CATALOGUE[row.target].headless
    # A port that depends on the application is none of the catalogue; without any the network is not used.
    assert not (row.ports and row.any_port)
    assert bool(row.ports or row.any_port) == (row.protocol != "files")
    assert row.only is None or row.only[0] in {field.name for field in dataclasses.fields(type(DEFAULT))}
    # Counters are those of an end of it, or of what passes it on.
    assert {*row.lost, *row.queue} <= set(row.components)


@pytest.mark.parametrize("row", [row for row in CONNECTIONS if row.check], ids=lambda row: row.name)
def test_a_connection_with_a_check_is_in_the_diagram_or_within_the_stack(row: Connection) -> None:
    # What the diagram leaves out: how the stack scrapes itself, and how its replicas find each other.
    assert row.step or row.check in ("targets", "members")
    assert f'"{row.check}"' in "".join(path.read_text() for path in (ROOT / "plugins/module_utils/verify").rglob("*.py"))


def test_what_can_be_lost_is_counted() -> None:
    # Applications count themselves what they push.
    for row in CONNECTIONS:
        if row.purpose == "push" and row.source in CATALOGUE:
            assert row.lost.get(row.source), row.name
    for component in CATALOGUE:
        assert set(connections.lost(component)) == {name for row in CONNECTIONS for name in row.lost.get(component, ())}
        assert set(connections.queued(component)) == {name for row in CONNECTIONS for name in row.queue.get(component, ())}
    assert "loki_discarded_samples_total" in connections.lost("loki")
    assert connections.lost("grafana") == ()


@pytest.mark.parametrize("row", CONNECTIONS, ids=lambda row: row.name)
def test_a_connection_exists_if_and_only_if_its_components_do(row: Connection) -> None:
    outside = {end for end in (row.source, row.target) if end in OUTSIDE and OUTSIDE[end].named}
    for model in STACKS:
        only = row.only is None or getattr(model, row.only[0]) == row.only[1]
        there = all(model.has(name) for name in row.components) and outside <= model.outside.keys()
        assert (row in connections.active(model)) == (there and only)


def test_what_keeps_its_data_elsewhere_has_a_connection_to_where_that_is() -> None:
    def stores(**changes: Any) -> set[str]:
        return {row.name for row in connections.active(stack(**changes)) if row.purpose == "store"}

    storage = {"type": "gcs", "buckets": {"mimir": "acme-mimir", "loki": "acme-loki"}}
    assert stores() == set()
    assert stores(object_storage_enabled=True) == {"mimir-object_storage", "loki-object_storage"}
    assert stores(observability_object_storage=storage) == {"mimir-object_store", "loki-object_store"}
    assert stores(postgresql_enabled=True) == {"grafana-postgresql"}
    assert stores(grafana_database={"host": "db.example.com", "secret": "x"}) == {"grafana-database"}


def test_challenges_are_answered_only_with_cert_manager() -> None:
    for source, there in (("cert_manager", True), ("self_signed", False)):
        model = dataclasses.replace(DEFAULT, tls_source=source)
        assert ("ingress-acme_solver" in {row.name for row in connections.active(model)}) == there


def test_connections_and_configuration_agree() -> None:
    for model in STACKS:
        names = {row.name for row in connections.active(model)}
        if model.has("prometheus"):
            assert ("prometheus-mimir" in names) == bool(component_settings(model, "prometheus")["remote_write"])
        if model.has("alloy"):
            settings = component_settings(model, "alloy")
            assert ("alloy-loki" in names) == bool(settings["loki"]) == bool(settings["loki_otlp"])
            assert ("alloy-prometheus" in names) == bool(settings["endpoints"])
        if model.has("otel_collector"):
            pipelines = component_settings(model, "otel_collector")["pipelines"]
            assert ("otel_collector-prometheus" in names) == ("metrics" in pipelines)
            assert ("otel_collector-loki" in names) == ("logs" in pipelines)
        if model.has("grafana"):
            sources = {f"grafana-{source['uid']}" for source in component_settings(model, "grafana")["data_sources"]}
            assert sources == {row.name for row in connections.active(model) if row.source == "grafana" and row.purpose == "query"}
        if model.has("ingress"):
            hosts = {f"ingress-{route['component']}" for route in component_settings(model, "ingress")["routes"]}
            assert hosts == {row.name for row in connections.active(model) if row.source == "ingress" and row.purpose == "query"}


def test_receivers_are_components_each_once() -> None:
    assert set(connections.receivers("ingress")) == set(catalogue.public_components())
    assert connections.receivers("alloy", "push") == ("loki", "prometheus")
    assert connections.receivers("prometheus", "push") == ("mimir",)
    assert "kubelet" not in connections.receivers("alloy")
    assert connections.receivers("nobody") == ()


def test_data_flows_back_to_what_scrapes() -> None:
    flows = {row.name: row.flow for row in CONNECTIONS}
    assert flows["application-prometheus"] == ("application", "prometheus")
    assert flows["loki-metrics"] == ("loki", "prometheus")
    assert flows["alloy-loki"] == ("alloy", "loki")
