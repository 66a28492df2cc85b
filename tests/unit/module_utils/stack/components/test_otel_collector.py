"""Whether what has to be kept fits its volume."""

from __future__ import annotations

import re

from ansible_collections.observability.stack.plugins.module_utils.stack import sizing
from ansible_collections.observability.stack.plugins.module_utils.stack.components import otel_collector
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.stack.units import size_bytes

from tests.inventories import combinations, stack, values

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
