"""Whether what has to be kept fits its volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _wiring
from ._stack import Stack, size_bytes


def volume_problems(values: Mapping[str, Any], stack: Stack) -> list[str]:
    """Return a sentence for each volume of the inventory that cannot hold what the sizing says it may have to."""
    needed = _wiring.queue_sizes(stack)["disk_bytes"]
    name = "otel_collector_storage_size"
    try:
        size = size_bytes(values[name])
    except (ValueError, TypeError):
        return []
    if not stack.has("otel_collector") or size >= needed:
        return []
    problem = (
        f"{name} is {values[name]!r}; it should be at least {-(-needed // 2**30)}Gi: so much may be queued in one "
        "collector while a store is away for observability_outage_horizon, at observability_samples_per_second and "
        "observability_log_bytes_per_second"
    )
    return [problem]
