"""The rows of the catalogue, and the errors about a name that is not in it."""

from __future__ import annotations

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE, OUTSIDE

from tests.inventories import load, roles


def test_components_are_the_same_everywhere() -> None:
    assert set(CATALOGUE) <= set(load("versions.yml"))
    assert set(CATALOGUE) <= set(roles())
    assert not CATALOGUE.keys() & OUTSIDE.keys()


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_row_names_ports_and_components_that_exist(name: str) -> None:
    row = CATALOGUE[name]
    assert len(set(row.ports.values())) == len(row.ports)
    assert {row.health, row.metrics, *row.offered} <= set(row.ports)
    assert {*row.needs, *row.serves} <= CATALOGUE.keys() - {name}
    # Without a path only the port can be asked, and a liveness probe would have nothing to ask for.
    assert row.ready or not row.live
    assert all(len(port) <= 15 for port in row.ports)
    # Replicas have their names through the headless Service, or find each other by it.
    assert row.headless or row.workload != "StatefulSet"
    assert not row.headless or row.service
    assert row.replicas.keys() <= set(catalogue.PROFILES)
    assert row.shared in ("", "storage", "database")
    assert row.newer_data in ("", "minor", "major")
    assert row.volume or not row.newer_data
    assert row.shared or not row.volume_instead
    for rule in row.replicas.values():
        assert rule.least <= (rule.usual or rule.least) <= (rule.most or rule.usual or rule.least)
        assert rule.why or (rule.least == 1 and rule.most is None)


@pytest.mark.parametrize("name", catalogue.public_components())
def test_what_must_not_be_reachable_is_below_no_public_path_unless_a_guarded_one(name: str) -> None:
    public = CATALOGUE[name].public
    assert public
    for _method, path in public.closed:
        open_paths = [one for one in public.paths if (one == f"={path}" or f"{path}/".startswith(f"{one.rstrip('/')}/"))]
        assert not open_paths or path in public.guarded


@pytest.mark.parametrize("function", [catalogue.component, catalogue.ports, catalogue.title])
def test_a_component_that_does_not_exist_is_an_error_with_those_there_are(function: object) -> None:
    assert callable(function)
    with pytest.raises(ValueError, match="'lokki' is no component; it should be one of object_storage, postgresql, mimir"):
        function("lokki")


@pytest.mark.parametrize(
    ("name", "port", "words"),
    [
        ("loki", "htp", "loki has no port 'htp'; it has http, grpc, memberlist"),
        ("otel_collector", "http", "otel_collector has no port 'http'; it has otlp-grpc, otlp-http, health, metrics"),
        ("kubelet", "http", "kubelet has no port 'http'; it has https"),
        ("user", "http", "user has no port 'http'; it has none"),
        ("lokki", "http", "'lokki' is no component"),
    ],
)
def test_a_port_that_does_not_exist_is_an_error_with_those_there_are(name: str, port: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        catalogue.port(name, port)


def test_a_port_is_that_of_a_component_or_of_a_party() -> None:
    assert (catalogue.port("mimir", "grpc"), catalogue.port("api_server", "https")) == (9095, 443)
    assert (catalogue.title("otel_collector"), catalogue.title("user")) == ("OpenTelemetry Collector", "Users")
    assert catalogue.workload_name("otel_collector") == "otel-collector"
