"""Durations and sizes as the components and Kubernetes write them."""

from __future__ import annotations

import re
from typing import Any

# At most nine digits each: more is a slip, and more than a machine can count.
_DURATION = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_SIZE = re.compile(r"[1-9][0-9]*(Ki|Mi|Gi|Ti)")


def seconds(duration: Any) -> int:
    """Return the seconds in a duration as Prometheus writes it (`1d`, `1h30m`, `15s`). Raises ValueError for anything else."""
    match = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    if not match or not any(match.groups()):
        raise ValueError(f"{duration!r} is no duration; write it like 15s, 10m, 1h30m or 30d")
    days, hours, minutes, rest = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def size_bytes(quantity: Any) -> int:
    """Return the bytes in a size as Kubernetes writes it (`10Gi`). Raises ValueError for anything else."""
    match = _SIZE.fullmatch(quantity) if isinstance(quantity, str) else None
    if not match:
        raise ValueError(f"{quantity!r} is no size; write it like 10Gi")
    unit = match.group(1)
    return int(quantity.removesuffix(unit)) << 10 * (1 + ("Ki", "Mi", "Gi", "Ti").index(unit))
