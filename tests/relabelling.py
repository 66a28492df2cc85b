"""Relabelling and remote write as Prometheus does them, for tests."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.stack import high_availability
from ansible_collections.observability.stack.plugins.module_utils.stack.components import prometheus
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack


def relabel(labels: dict[str, str], rules: list[dict[str, Any]]) -> dict[str, str] | None:
    """Return the labels of a series after relabelling (documentation 3.13, `relabel_config`); None when it is dropped."""
    labels = dict(labels)
    for rule in rules:
        action = rule.get("action", "replace")
        pattern = re.compile(rule.get("regex", "(.*)"))
        joined = ";".join(labels.get(name, "") for name in rule.get("source_labels", []))
        match = pattern.fullmatch(joined)
        if action == "labeldrop":
            labels = {name: value for name, value in labels.items() if not pattern.fullmatch(name)}
        elif (action == "drop" and match) or (action == "keep" and not match):
            return None
        elif action == "replace" and match:
            value = match.expand(re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", rule.get("replacement", "$1")))
            labels |= {rule["target_label"]: value}
        labels = {name: value for name, value in labels.items() if value}
        assert action in ("replace", "keep", "drop", "labeldrop")
    return labels


def written(model: Stack, labels: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return queue -> labels with which a stored series leaves Prometheus. External labels never replace a series' own."""
    outgoing = high_availability.external_labels(model) | labels
    sent = {queue["name"]: relabel(outgoing, queue.get("write_relabel_configs", [])) for queue in prometheus.remote_write(model)}
    return {name: result for name, result in sent.items() if result is not None}


def scraped(labels: dict[str, str]) -> dict[str, str]:
    """Return a series as it is stored after a scrape."""
    stored = relabel(labels, prometheus.scrape_jobs()[0]["metric_relabel_configs"])
    assert stored is not None
    return stored
