"""The counters that show lost data, before and after: of all metrics, those of the connections and of the checks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from ..stack.catalogue import CATALOGUE
from ..stack.connections import lost, queued
from ..stack.graph import removal_waves
from .maintenance import TASK_METRICS, TASKS, neglected
from .outcome import Failed, SharedResult
from .stores import Labels, exposition

# (pod, metric, labels) -> value.
Page = dict[tuple[str, str, Labels], float]

# Reasons for which Loki answers 429: the sender tries again, and nothing is lost. (Nothing that Mimir counts is only delayed.)
_DELAYED = {"loki_discarded_samples_total": ("rate_limited",)}
# Beside those of the connections: what the checks themselves compare.
_COMPARED = (
    "prometheus_remote_storage_samples_total",
    "cortex_distributor_deduped_samples_total",
    "cortex_distributor_non_ha_samples_received_total",
    "otelcol_receiver_accepted_metric_points_total",
    "otelcol_receiver_accepted_log_records_total",
    "otelcol_fileconsumer_reading_files",
)
# Component -> its metrics of lost and of waiting data.
_OF_CONNECTIONS = {component: (*lost(component), *queued(component)) for component in CATALOGUE}
METRICS = frozenset({*_COMPARED, *(name for shown in (_OF_CONNECTIONS, TASK_METRICS) for names in shown.values() for name in names)})
# The components that have such metrics, in the order in which they are noted: each after what sends to it. Otherwise what was delivered
# between two readings, the backlog of a first installation above all, would count as received and not as sent.
COUNTED = tuple(component for wave in removal_waves() for component in wave if _OF_CONNECTIONS[component])


class Counters:
    """The counters of all components, now and when verification began."""

    def __init__(
        self, read: Callable[[str, str], str], pods: Callable[[str], list[str]], until: Callable[..., Page], window: float = 0.0
    ) -> None:
        """Take how to read the metrics page of a pod (component, pod), the pods of a component, and how to try again.

        Losses are counted over `window` seconds at least.
        """
        self._read = read
        self._pods = pods
        self._until = until
        self._window = window
        self._before = {component: SharedResult(partial(self._noted, component)) for component in COUNTED}

    def _noted(self, component: str) -> tuple[float, Page]:
        return time.monotonic(), self.now(component)

    def page(self, component: str, pod: str) -> dict[tuple[str, Labels], float]:
        """Return the counters that a pod shows now."""
        return exposition(self._read(component, pod), METRICS)

    def now(self, component: str) -> Page:
        """Return the counters of a component now."""
        return {(pod, name, labels): value for pod in self._pods(component) for (name, labels), value in self.page(component, pod).items()}

    def note(self, component: str) -> None:
        """Note the counters of a component as they are, unless that has been done. Raises Failed when they cannot be read."""
        self._before[component]()

    def risen(self, component: str, now: Page) -> Page:
        """Return by how much each counter has risen since verification began; one that was reset counts from zero."""
        _since, before = self._before[component]()
        return {key: value - before[key] if key in before and before[key] <= value else value for key, value in now.items()}

    def nothing_lost(self, component: str, names: Sequence[str]) -> str:
        """Return a note that none of these counters has risen since verification began. Raises Failed with those that have.

        What was only delayed does not matter.
        """
        since, _before = self._before[component]()
        time.sleep(max(since + self._window - time.monotonic(), 0))
        now = self._until(partial(self.now, component))
        risen = [
            f"{pod}: {name}{_shown(labels)} rose by {value:.0f}"
            for (pod, name, labels), value in self.risen(component, now).items()
            if value > 0 and (name in names or f"{name}_total" in names) and dict(labels).get("reason") not in _DELAYED.get(name, ())
        ]
        if risen:
            raise Failed(f"{component} rejected or dropped data during this run ({'; '.join(risen)}); its log says why")
        return f"{component}: nothing rejected or dropped"

    def nothing_neglected(self, component: str) -> str:
        """Return a note that a store's compactor does its work. Raises Failed where it does not: the store's disk would fill up."""
        problems = neglected(TASKS[component], self._until(partial(self.now, component)), time.time())
        if problems:
            raise Failed(
                f"{component} keeps what is older than its retention, and its volume fills up: {'; '.join(problems)}; its log says why"
            )
        return f"{component}: compaction and retention work"


def rise(rises: Page, metric: str, **wanted: str) -> float:
    """Return the sum of a metric over the pages of all pods, of the series with these labels."""
    return sum(
        value
        for (_pod, name, labels), value in rises.items()
        if name == metric and all(dict(labels).get(label) == text for label, text in wanted.items())
    )


def _shown(labels: Labels) -> str:
    return f"{{{', '.join(f'{name}={value}' for name, value in labels)}}}" if labels else ""
