"""What a site changes in its inventory: a harmless setting of each component, another version of every image, a larger volume."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# The second tag of an image, which `python -m tools.lab second-tags` gives to each: another version to everything that reads tags.
SECOND = "second"
_LEVELS = ("info", "warn", "error")


def _level(step: int) -> str:
    return _LEVELS[step % len(_LEVELS)]


# Of each component a setting of its own configuration that changes nothing of what is measured; each step gives another value.
CONFIGURATION: dict[str, Callable[[int], dict[str, Any]]] = {
    "mimir": lambda step: {"mimir_config": {"server": {"log_level": _level(step)}}},
    "loki": lambda step: {"loki_config": {"server": {"log_level": _level(step)}}},
    "prometheus": lambda step: {"prometheus_config": {"runtime": {"gogc": 70 + step}}},
    "alloy": lambda step: {"alloy_extra_config": f"// step {step}\n"},
    "otel_collector": lambda step: {"otel_collector_config": {"service": {"telemetry": {"logs": {"level": _level(step)}}}}},
    "grafana": lambda step: {"grafana_config": {"log": {"level": _level(step)}}},
    "ingress": lambda step: {"ingress_config": {"server-names-hash-max-size": str(1024 * (step + 1))}},
}


def configuration(components: tuple[str, ...], step: int) -> dict[str, Any]:
    """Return the variables with which the configuration of these components changes."""
    return {key: value for component in components for key, value in CONFIGURATION[component](step).items()}


def second_images(versions: Mapping[str, Mapping[str, str]], components: tuple[str, ...]) -> dict[str, Any]:
    """Return the variables with which these components run from the second tag of their image."""
    return {"observability_images": {name: {"tag": f"{versions[name]['tag']}-{SECOND}"} for name in components}}


def larger(size: str) -> str:
    """Return a volume's size with one of its own units more: 2Gi -> 3Gi."""
    digits = len(size) - len(size.lstrip("0123456789"))
    return f"{int(size[:digits]) + 1}{size[digits:]}"
