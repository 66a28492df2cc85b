"""Whether what has to be kept fits its volume: retention times rate, with what is assumed.

All of it is for one replica, in bytes, on the careful side of what is known; it is no better than the rates of the sizing are. How much a
component keeps is in its module: `kept_bytes(stack, seconds)`, on the basis of `KEPT_BASIS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from . import components
from .catalogue import CATALOGUE
from .messages import wrong
from .model import Stack
from .units import seconds, size_bytes

# Prometheus documentation 3.13, "Storage", has 1 to 2 bytes for a compressed sample; the larger one leaves room for the index.
BYTES_PER_SAMPLE = 2.0
# A sample in the write-ahead log, compressed (14 bytes before that), and how much of it is there before the head becomes a block.
LOGGED_BYTES_PER_SAMPLE = 7.0
LOGGED_SECONDS = 4 * 3600
SAMPLE_BASIS = f"observability_samples_per_second, {BYTES_PER_SAMPLE:g} bytes a sample"
# Durations are nanoseconds in 64 bits in all of the stores: they end at 292 years.
_LONGEST = 36500 * 86400


def seconds_of(value: Any) -> int:
    """Return the seconds of a duration, 0 for what is none: it has been rejected before."""
    try:
        return seconds(value)
    except ValueError:
        return 0


def bytes_of(value: Any) -> int:
    """Return the bytes of a size, 0 for what is none: it has been rejected before."""
    try:
        return size_bytes(value)
    except ValueError:
        return 0


def gibibytes(number: float) -> str:
    """Return a number of bytes as a size, rounded up: "12Gi"."""
    return f"{-(-int(number) // 2**30)}Gi"


def problems(values: Mapping[str, Any], stack: Stack) -> Iterator[str]:
    """Return a sentence for each retention that its component cannot read, and for each volume that cannot hold what has to be kept."""
    for component in CATALOGUE:
        module = components.module(component)
        if not hasattr(module, "kept_bytes"):
            continue
        name, kept_name = f"{component}_storage_size", f"{component}_retention"
        kept_for, size = seconds_of(values[kept_name]), bytes_of(values[name])
        if kept_for > _LONGEST:
            yield wrong(kept_name, "", values[kept_name], "it should be at most 36500d; the component cannot read more")
            continue
        needed = module.kept_bytes(stack, 0 if stack.shares(component) else kept_for)
        if stack.has(component) and kept_for and 0 < size < needed:
            reason = "what is not in the object storage yet" if stack.shares(component) else f"{kept_name} {values[kept_name]}"
            shorter = "" if stack.shares(component) else "; or keep it for a shorter time"
            yield wrong(name, "", values[name], f"it should be at least {gibibytes(needed)} for {reason} at {module.KEPT_BASIS}{shorter}")


def after_late_samples(name: str, values: Mapping[str, Any], stack: Stack) -> Iterator[str]:
    """Return a sentence for a retention (the variable `name`) that deletes samples that may still arrive."""
    window = values["prometheus_out_of_order_window"]
    if stack.has(name.removesuffix("_retention")) and 0 < seconds_of(values[name]) <= stack.out_of_order_window:
        right = f"it should be longer than prometheus_out_of_order_window ({window}), or samples are deleted that may still arrive"
        yield wrong(name, "", values[name], right)
