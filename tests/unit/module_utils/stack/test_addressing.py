"""Every address leads to a port of the catalogue, of a component that is there."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.observability.stack.plugins.module_utils.stack import addressing, connections, graph
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.components import ingress

from tests.addresses import configurations, targets
from tests.inventories import combinations, component_settings, stack

STACKS = list(combinations())
DEFAULT = stack()


def test_every_endpoint_is_one_of_the_catalogue_and_of_a_component_that_runs() -> None:
    assert len(STACKS) > 20
    for model in STACKS:
        assert all(model.has(component) for component, _pod in targets(model, configurations(model)))


def test_every_endpoint_is_the_target_of_a_connection_of_its_component() -> None:
    for model in STACKS:
        for component, settings in configurations(model).items():
            # What runs in a namespace of its own connects as an application does.
            source = "application" if CATALOGUE[component].own_namespace else component
            assert {target for target, _pod in targets(model, settings)} <= set(connections.receivers(source))


@pytest.mark.parametrize("component", sorted(CATALOGUE))
def test_a_component_that_is_switched_off_is_a_target_of_nothing(component: str) -> None:
    without = [model for model in STACKS if not model.has(component)]
    assert without
    for model in without:
        assert component not in {target for target, _pod in targets(model, configurations(model))}
        assert component not in {route["component"] for route in ingress.routes(model)}
        assert not any(f" {component}\n" in f"{line}\n" for line in graph.mermaid(model).splitlines())
        assert not [row.name for row in connections.active(model) if component in row.components]


def test_a_change_of_namespace_and_domain_reaches_every_endpoint() -> None:
    model = stack(observability_namespace="telemetry", observability_cluster_domain="corp.internal")
    assert targets(model, configurations(model))
    assert addressing.memberlist_address(model, "loki") == "dns+loki-headless.telemetry.svc.corp.internal:7946"


def test_what_is_computed_is_plain_yaml() -> None:
    for settings in configurations(DEFAULT).values():
        assert yaml.safe_load(yaml.safe_dump(settings)) == settings


@pytest.mark.parametrize("replicas", [2, 3, 5])
def test_every_replica_has_an_address_of_its_own(replicas: int) -> None:
    model = stack(prometheus_replicas=replicas)
    urls = addressing.replica_urls(model, "prometheus", "/api/v1/write")
    assert list(urls) == [f"prometheus-{ordinal}" for ordinal in range(replicas)]
    assert targets(model, urls) == [("prometheus", pod) for pod in urls]
    assert all(url.endswith(":9090/api/v1/write") for url in urls.values())


def test_only_a_stateful_set_has_replicas_with_names() -> None:
    assert addressing.pod_names(DEFAULT, "mimir") == ["mimir-0"]
    assert [addressing.pod_names(DEFAULT, name) for name in ("grafana", "alloy", "ingress")] == [[], [], []]
    assert addressing.replica_urls(stack(mimir_enabled=False), "mimir", "") == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("grafanna",), "'grafanna' is no component; it should be one of object_storage, postgresql, mimir, loki"),
        (("loki", "htp"), "loki has no port 'htp'; it has http, grpc, memberlist"),
        (("prometheus", "grpc"), "prometheus has no port 'grpc'; it has http$"),
    ],
)
def test_a_wrong_component_or_port_is_an_error_with_those_there_are(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        addressing.url(DEFAULT, *arguments)


def test_a_tenant_is_the_same_for_every_client_and_never_in_the_open_part_of_a_data_source() -> None:
    model = stack(observability_tenant="team-a")
    assert {queue["headers"]["X-Scope-OrgID"] for queue in component_settings(model, "prometheus")["remote_write"]} == {"team-a"}
    assert component_settings(model, "otel_collector")["exporters"]["otlp_http/loki"]["headers"] == {"X-Scope-OrgID": "team-a"}
    assert component_settings(model, "alloy")["tenant_headers"] == {"X-Scope-OrgID": "team-a"}
    for source in component_settings(model, "grafana")["data_sources"]:
        header = source["jsonData"].get("httpHeaderName1")
        assert header == (None if source["uid"] == "prometheus" else "X-Scope-OrgID")
        assert source.get("secureJsonData") == ({"httpHeaderValue1": "team-a"} if header else None)


def test_without_a_tenant_no_header_is_sent() -> None:
    assert "X-Scope-OrgID" not in json.dumps([configurations(model) for model in STACKS])
