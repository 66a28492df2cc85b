"""Durations and labels in what an inventory gives to Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...high_availability import COLLECTOR_LABEL, GROUP_LABEL, REPLICA_LABEL
from ...messages import wrong
from ...model import Stack

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# Prometheus' own duration: years and weeks too, and milliseconds.
_DURATION = re.compile(r"0|(?=.)(\d{1,9}y)?(\d{1,9}w)?(\d{1,9}d)?(\d{1,9}h)?(\d{1,9}m)?(\d{1,9}s)?(\d{1,9}ms)?")
_UNITS = {"y": 31536000.0, "w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
# A scraped or recorded series with one of these would end in the wrong queue, or in another HA group.
SET_LABELS = (COLLECTOR_LABEL, GROUP_LABEL, REPLICA_LABEL)


def duration(value: Any) -> float | None:
    """Return the seconds of a duration; None for what is none."""
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[ywdhms])", value))


def strings(name: str, path: str, mapping: Any) -> Iterator[str]:
    """Return the sentences about labels or annotations: names of labels, and strings."""
    if not isinstance(mapping, Mapping):
        yield wrong(name, path, mapping, "it should be a mapping of names to strings")
        return
    for key, value in mapping.items():
        if not isinstance(key, str) or not _LABEL.fullmatch(key):
            yield wrong(name, f"{path}.{key}", value, "a label has letters, digits and '_' in its name, and does not start with a digit")
        elif not isinstance(value, str):
            yield wrong(name, f"{path}.{key}", value, "it should be a string; quote it")


def set_here(name: str, path: str, labels: Any) -> Iterator[str]:
    """Return a sentence for each label that the stack sets itself."""
    for label in SET_LABELS if isinstance(labels, Mapping) else ():
        if label in labels:
            yield wrong(name, f"{path}.{label}", labels[label], "the stack sets that label itself; take another one")


def global_problems(values: Mapping[str, Any], stack: Stack) -> Iterator[str]:
    """Return a sentence for each duration in the section `global` of `prometheus_config` that Prometheus would reject."""
    name = "prometheus_config"
    section = values[name].get("global") if isinstance(values[name], Mapping) else None
    for key, value in section.items() if isinstance(section, Mapping) else ():
        if key in ("scrape_timeout", "evaluation_interval", "rule_query_offset"):
            found = duration(value)
            if found is None:
                yield wrong(name, f"global.{key}", value, "it should be a duration like 10s or 1m")
            elif key == "scrape_timeout" and 0 < stack.scrape_interval < found:
                right = f"it should be at most prometheus_scrape_interval ({values['prometheus_scrape_interval']})"
                yield wrong(name, f"global.{key}", value, right)
