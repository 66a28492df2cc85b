"""Whether what has to be kept fits its volume: retention × rate, in one place, with what is assumed. Pure Python.

All of it is for one replica, in bytes, on the careful side of what is known; it is no better than the rates of the sizing are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import _wiring
from ._sentences import wrong
from ._stack import Stack, seconds, size_bytes

_HOUR = 3600
_DAY = 24 * _HOUR

# Prometheus documentation 3.13, "Storage", has 1 to 2 bytes for a compressed sample; the larger one leaves room for the index.
_BYTES_PER_SAMPLE = 2.0
# A sample in the write-ahead log, compressed (14 bytes before that), and how much of it is there before the head becomes a block.
_LOGGED_BYTES_PER_SAMPLE = 7.0
_LOGGED_SECONDS = 4 * _HOUR
# A block is a tenth of the retention at most: so much is kept beyond it until all of a block is too old, and so much is being compacted.
_PROMETHEUS_BLOCKS = 1.2
# Mimir's ingesters keep 13 h of blocks that are stored already, and what was compacted stays for another 12 h and is compacted in a
# directory of its own (configuration reference 3.x: `blocks_storage.tsdb.retention_period`, `compactor.deletion_delay`): two days in all.
_MIMIR_EXTRA_SECONDS = 2 * _DAY
# Loki cuts blocks of 256 KiB and compresses each with gzip, its default. Measured in that way: package and build logs 11 to 15, JSON lines
# with random trace ids 4.4. Its compactor deletes by the day.
LOG_COMPRESSION = 7.0
_LOKI_EXTRA_SECONDS = _DAY

# Durations are nanoseconds in 64 bits in all of the stores: they end at 292 years.
_LONGEST_RETENTION = 36500 * _DAY


def prometheus_bytes(stack: Stack, retention: int) -> float:
    """Return what a Prometheus replica holds after `retention` seconds at the rate of the sizing."""
    per_second = _BYTES_PER_SAMPLE * retention * _PROMETHEUS_BLOCKS + _LOGGED_BYTES_PER_SAMPLE * _LOGGED_SECONDS
    return stack.samples_per_second * per_second


def mimir_bytes(stack: Stack, retention: int) -> float:
    """Return what Mimir holds; the samples of the pair once, as it keeps one copy."""
    per_second = _BYTES_PER_SAMPLE * (retention + _MIMIR_EXTRA_SECONDS) + _LOGGED_BYTES_PER_SAMPLE * _LOGGED_SECONDS
    return stack.samples_per_second * per_second


def loki_bytes(stack: Stack, retention: int) -> float:
    """Return what Loki holds."""
    return stack.log_bytes_per_second * (retention + _LOKI_EXTRA_SECONDS) / LOG_COMPRESSION


_KEPT: dict[str, tuple[Callable[[Stack, int], float], str]] = {
    "prometheus": (prometheus_bytes, f"observability_samples_per_second, {_BYTES_PER_SAMPLE:g} bytes a sample"),
    "mimir": (mimir_bytes, f"observability_samples_per_second, {_BYTES_PER_SAMPLE:g} bytes a sample"),
    "loki": (loki_bytes, f"observability_log_bytes_per_second, compressed to a {LOG_COMPRESSION:g}th"),
}


def _seconds(value: Any) -> int:
    """Return the seconds of a duration, 0 for what is none: it has been rejected before."""
    try:
        return seconds(value)
    except ValueError:
        return 0


def _bytes(value: Any) -> int:
    """Return the bytes of a size, 0 for what is none: it has been rejected before."""
    try:
        return size_bytes(value)
    except (ValueError, TypeError):
        return 0


def _gibibytes(number: float) -> str:
    return f"{-(-int(number) // 2**30)}Gi"


def volume_problems(values: Mapping[str, Any], stack: Stack) -> Iterator[str]:
    """Return a sentence for each volume that cannot hold what the sizing says it has to."""
    for component, (kept, basis) in _KEPT.items():
        name, retention = f"{component}_storage_size", f"{component}_retention"
        kept_for, size = _seconds(values[retention]), _bytes(values[name])
        needed = kept(stack, kept_for)
        if stack.has(component) and 0 < kept_for <= _LONGEST_RETENTION and 0 < size < needed:
            right = (
                f"it should be at least {_gibibytes(needed)} for {retention} {values[retention]} at {basis}; or keep it for a shorter time"
            )
            yield wrong(name, "", values[name], right)
    name, needed = "otel_collector_storage_size", _wiring.queue_sizes(stack)["disk_bytes"]
    if stack.has("otel_collector") and 0 < _bytes(values[name]) < needed:
        yield wrong(
            name, "", values[name], f"it should be at least {_gibibytes(needed)}: so much may be queued in one collector while a store is "
            "unavailable for observability_outage_horizon, at observability_samples_per_second and observability_log_bytes_per_second"
        )  # fmt: skip


def retention_problems(values: Mapping[str, Any], stack: Stack) -> Iterator[str]:
    """Return a sentence for each retention that its component cannot read, or that deletes samples it still has to accept."""
    for component in _KEPT:
        name = f"{component}_retention"
        found = _seconds(values[name])
        if found > _LONGEST_RETENTION:
            yield wrong(name, "", values[name], "it should be at most 36500d; the component cannot read more")
        elif component != "loki" and stack.has(component) and 0 < found <= stack.out_of_order_window:
            right = f"it should be longer than prometheus_out_of_order_window ({values['prometheus_out_of_order_window']})"
            yield wrong(name, "", values[name], f"{right}, or samples are deleted that may still arrive")
