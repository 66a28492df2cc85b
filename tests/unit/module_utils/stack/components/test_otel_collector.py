"""The collector: a queue for every replica, a label on everything, and a volume that holds the queues."""

from __future__ import annotations

import re

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import addressing, high_availability, kubernetes, sizing
from ansible_collections.observability.stack.plugins.module_utils.stack.components import otel_collector
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.stack.units import size_bytes

from tests.addresses import targets
from tests.inventories import combinations, component_settings, stack, values
from tests.relabelling import written

DEFAULT = stack()


def test_a_volume_that_cannot_hold_the_queues_is_rejected_by_name_and_with_the_size_that_can() -> None:
    def problems(size: str, model: Stack = DEFAULT) -> list[str]:
        return list(otel_collector.problems(values(otel_collector_storage_size=size), model))

    (problem,) = problems("1Gi")
    assert problem.startswith("otel_collector_storage_size is '1Gi'; it should be at least ")
    enough = re.search(r"at least (\d+Gi)", problem)
    assert enough
    assert problems(enough[1]) == []
    assert size_bytes(enough[1]) >= sizing.collector_disk(DEFAULT)
    without = next(model for model in combinations() if not model.has("otel_collector"))
    assert problems("1Gi", without) == []


@pytest.mark.parametrize("replicas", [2, 3])
def test_the_collector_has_a_queue_of_its_own_for_every_replica_and_loses_nothing_in_it(replicas: int) -> None:
    model = stack(prometheus_replicas=replicas, otel_collector_storage_size="10Ti")
    made = component_settings(model, "otel_collector")
    metrics = made["pipelines"]["metrics"]["exporters"]
    assert len(metrics) == replicas
    reached = [targets(model, made["exporters"][name])[0] for name in metrics]
    assert reached == [("prometheus", pod) for pod in addressing.pod_names(model, "prometheus")]
    assert targets(model, [made["exporters"][name] for name in made["pipelines"]["logs"]["exporters"]]) == [("loki", "")]
    sizes = {"items": sizing.queued_samples(model), "bytes": sizing.queued_log_bytes(model)}
    for exporter in made["exporters"].values():
        assert exporter["retry_on_failure"]["max_elapsed_time"] == "0s"
        assert exporter["sending_queue"]["storage"]
        assert exporter["sending_queue"]["num_consumers"] == 1
        assert exporter["sending_queue"]["queue_size"] >= sizes[exporter["sending_queue"]["sizer"]]


def test_every_pipeline_names_exporters_and_processors_that_there_are() -> None:
    for model in combinations():
        if not model.has("otel_collector"):
            continue
        made = component_settings(model, "otel_collector")
        assert {name for pipeline in made["pipelines"].values() for name in pipeline["exporters"]} == set(made["exporters"])
        for pipeline in made["pipelines"].values():
            assert pipeline["exporters"]
            assert pipeline["processors"] == list(made["processors"])


def test_the_collector_labels_what_it_forwards_and_bounds_its_memory_first() -> None:
    processors = otel_collector.processors(DEFAULT)
    assert next(iter(processors)) == "memory_limiter"
    value = {item["key"]: item["value"] for item in processors["resource"]["attributes"]}[high_availability.COLLECTOR_LABEL]
    assert list(written(DEFAULT, {high_availability.COLLECTOR_LABEL: value})) == ["mimir-pushed"]


def test_the_memory_limiter_rejects_before_the_garbage_collector_has_to_work_without_a_pause() -> None:
    limiter = otel_collector.processors(DEFAULT)["memory_limiter"]
    soft = limiter["limit_percentage"] - limiter["spike_limit_percentage"]
    assert 0 < soft < limiter["limit_percentage"] < kubernetes.GO_MEMORY_PERCENT < 100


def test_without_a_memory_limit_the_error_names_it() -> None:
    with pytest.raises(ValueError, match=r"limits\.memory is None"):
        component_settings(DEFAULT, "otel_collector", resources={})
