"""The report: `bench.json`, and the same as a table for people and for the page."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from tools.bench.contenders import EMPTY, HELM, KUBECTL, SITE
from tools.bench.measure import ratio

BEGIN, END = "<!-- measured: make bench, then python -m tools.bench --page -->\n", "<!-- end of the measurements -->"
# Key of the report -> scenario, whose median is divided by whose.
RATIOS = {
    "noop_ratio_helm": ("noop", SITE, HELM),
    "noop_ratio_empty_play": ("noop", SITE, EMPTY),
    "change_ratio_helm": ("config", SITE, HELM),
    "install_ratio_kubectl": ("install", SITE, KUBECTL),
}
TITLES = {
    "noop": "Nothing to change",
    "config": "One ConfigMap changed",
    "rollout": "One configuration changed, until its pod is ready",
    "check": "Differences only, and there are none",
    "install": "First installation, until everything is ready",
}
_HEAD = ("| | Wall seconds, median (min to max) | CPU seconds | Memory, MB | Runs |", "|---|---|---|---|---|")
# What is run, where the name of the contender does not say it.
_COMMANDS = {
    ("check", SITE): "site.yml --check --diff",
    ("check", HELM): "helm --dry-run=server",
    ("check", KUBECTL): "kubectl --dry-run=server",
    ("install", HELM): "helm --wait",
    ("install", KUBECTL): "kubectl + rollout status",
    ("rollout", HELM): "helm --wait",
    ("rollout", KUBECTL): "kubectl + rollout status",
}


def ratios(measurements: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the quotients that the project watches; None for what was not measured."""
    return {key: ratio(measurements, scenario, of, to) for key, (scenario, of, to) in RATIOS.items()}


def machine(load: float) -> dict[str, Any]:
    """Return what the machine is, and its load before the measurement: on a busy one wall seconds say little."""
    processors = os.cpu_count() or 1
    return {"cores": processors, "load_before": round(load, 2), "system": platform.system(), "quiet": load < processors / 2}


def versions(programs: Mapping[str, str]) -> dict[str, str]:
    """Return the version of everything that takes part."""
    packages = {name: metadata.version(name) for name in ("ansible-core", "kubernetes")}
    return {"python": platform.python_version(), **{f"{name} (Python)": version for name, version in packages.items()}, **programs}


def table(content: Mapping[str, Any]) -> str:
    """Return the report as a table in Markdown, with the conditions under which it was measured."""
    known = content["machine"]
    programs = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    load = f"load {known['load_before']} before{'' if known['quiet'] else ', which is a busy machine'}"
    lines = [f"{content['objects']} objects; {known['cores']} cores, {load}; {programs}.", "", *_HEAD]
    lines += [_line(label, row) for label, row in _rows(content)]
    found = [f"`{key}` {content[key]}" for key in RATIOS if content[key] is not None]
    return "\n".join([*lines, *(["", f"Ratios of the medians of wall seconds: {', '.join(found)}."] if found else []), ""])


def _rows(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield a label and the figures of every row."""
    for scenario, rows in content["measurements"].items():
        for who, row in rows.items():
            yield f"{TITLES[scenario]}: {_COMMANDS.get((scenario, who), who)}", row
    for kind, counts in content["growth"].items():
        for count, scenarios in counts.items():
            for scenario, rows in scenarios.items():
                for who, row in rows.items():
                    yield f"{kind.capitalize()}: {count}; {TITLES[scenario].lower()}: {_COMMANDS.get((scenario, who), who)}", row


def _line(label: str, row: Mapping[str, Any]) -> str:
    cells = (label, _spread(row["wall_seconds"]), _spread(row["cpu_seconds"]), f"{row['memory_mb']['max']:.0f}", str(row["samples"]))
    return f"| {' | '.join(cells)} |"


def _spread(values: Mapping[str, float]) -> str:
    return f"{values['median']:.2f} ({values['min']:.2f} to {values['max']:.2f})"
