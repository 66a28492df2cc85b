"""The diagram, the order of removal and the table of queues follow from the connections."""

from __future__ import annotations

import re

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import connections, graph
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.connections import CONNECTIONS, Connection

from tests.inventories import ROOT, combinations, stack

DEFAULT = stack()


def test_every_connection_with_a_number_is_in_the_diagram() -> None:
    for model in combinations():
        diagram = graph.mermaid(model)
        shown = [row for row in connections.active(model) if row.step]
        for row in shown:
            assert f'{row.flow[0]} -->|"{row.step}: {row.carries}"| {row.flow[1]}' in diagram
        assert diagram.count("-->") == len(shown) + model.has("ingress")
    assert {row.step for row in CONNECTIONS} == set(range(8))


def test_every_end_of_the_diagram_has_a_title() -> None:
    diagram = graph.mermaid(DEFAULT)
    for node in re.findall(r"^  (\w+) -->", diagram, re.MULTILINE) + re.findall(r"\| (\w+)$", diagram, re.MULTILINE):
        assert f'  {node}["' in diagram
    assert 'prometheus["Prometheus ×2"]' in diagram
    assert 'mimir["Mimir"]' in diagram


@pytest.mark.parametrize("page", ["README.md", "docs/data-path.md"])
def test_the_diagram_of_a_page_is_the_one_of_the_connections(page: str) -> None:
    pictures = re.findall(r"```mermaid\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)
    assert pictures == [graph.mermaid(DEFAULT)]


# --- removal ----------------------------------------------------------------------------------------------------------


def test_every_component_goes_after_those_that_push_to_it() -> None:
    waves = graph.removal_waves()
    number = {component: place for place, wave in enumerate(waves) for component in wave}
    assert sorted(number) == sorted(CATALOGUE)
    assert sum(len(wave) for wave in waves) == len(CATALOGUE)
    for row in CONNECTIONS:
        if row.purpose == "push" and {row.source, row.target} <= CATALOGUE.keys():
            assert number[row.source] < number[row.target], row.name
    # It pushes as an application does.
    assert number["sample_application"] < number["otel_collector"]


def test_the_removal_names_components_as_their_labels_do() -> None:
    plan = graph.removal_plan(DEFAULT, {})
    assert {name for wave in plan["waves"] for name in wave} == {name.replace("_", "-") for name in CATALOGUE}
    assert plan["host"] is None
    assert plan["namespaces"][0] == "observability"


@pytest.mark.parametrize(("install", "count"), [(True, 1), (False, 0)])
def test_the_lease_of_a_controller_goes_only_if_the_stack_has_installed_it(install: bool, count: int) -> None:
    model = stack(ingress_install=install, ingress_from=[{"podSelector": {}}])
    assert len(graph.removal_plan(model, {})["unlabelled"]) == count


def test_data_that_goes_round_in_a_circle_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "CONNECTIONS", (*CONNECTIONS, Connection("mimir-alloy", "mimir", "alloy", "samples")))
    with pytest.raises(ValueError, match=r"circle between object_storage, mimir, loki, prometheus, alloy$"):
        graph.removal_waves()


# --- queues -----------------------------------------------------------------------------------------------------------


def test_the_table_of_queues_has_a_row_for_each_connection_that_can_lose_data() -> None:
    for model in combinations():
        rows = graph.queue_table(model)
        assert [row["name"] for row in rows] == [row.name for row in connections.active(model) if row.lost]
    queues = {row["name"]: row["queue"] for row in graph.queue_table(DEFAULT)}
    assert queues["prometheus-mimir"] == ["prometheus: prometheus_remote_storage_samples_pending"]
    assert "mimir: cortex_discarded_samples_total" in next(
        row["lost"] for row in graph.queue_table(DEFAULT) if row["name"] == "prometheus-mimir"
    )


def test_a_connection_with_a_queue_counts_what_it_loses() -> None:
    assert not [row.name for row in CONNECTIONS if row.queue and not row.lost]
