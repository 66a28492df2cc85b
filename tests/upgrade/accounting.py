"""What became of the events that applications sent: which component's paths have lost or duplicated some, in which window."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.observability.stack.plugins.module_utils.stack.addressing import pod_names

from tests.failover import counting
from tests.failover.results import OTLP_LOGS, SCRAPE, TAILED_LOGS, Result, Run, Window
from tests.failover.stores import Stores
from tests.upgrade.results import Data

OTLP_METRICS = ("otlp-metrics-grpc", "otlp-metrics-http")
REMOTE_WRITE = "remote-write"
# The paths whose events a component has passed on, or stores.
PATHS: dict[str, tuple[str, ...]] = {
    "otel_collector": (*OTLP_METRICS, OTLP_LOGS),
    "prometheus": (*OTLP_METRICS, REMOTE_WRITE),
    "mimir": (*OTLP_METRICS, REMOTE_WRITE, SCRAPE),
    "loki": (OTLP_LOGS, TAILED_LOGS),
    "alloy": (TAILED_LOGS,),
}
# What is on its way after the last event arrives as long as the figures of the stores change.
_SETTLED_AFTER = 45.0
_PATIENCE = 600.0


@dataclass
class Accounts:
    """A run that has ended.

    `windows`: one for each event, `ended`: how many Prometheus pods ended in each; `paths`: those that carried events.
    """

    stores: Stores
    run: Run
    windows: Sequence[Window]
    ended: Sequence[int]
    paths: Sequence[str]
    # Results of each path in its store, and of each pushed path in each Prometheus replica: PATH@POD.
    _found: dict[str, list[Result]] = field(default_factory=dict)

    def settle(self) -> None:
        """Read every store, and again for as long as something is missing and still arrives."""
        began = changed = time.monotonic()
        self._found = self._read()
        while self._incomplete() and time.monotonic() < min(changed + _SETTLED_AFTER, began + _PATIENCE):
            time.sleep(5)
            reading = self._read()
            if reading != self._found:
                self._found, changed = reading, time.monotonic()

    def _incomplete(self) -> bool:
        return any(result.lost for path, results in self._found.items() if path != SCRAPE for result in results)

    def _read(self) -> dict[str, list[Result]]:
        """Return the results, as the stores are now."""
        run, stores = self.run, self.stores
        seconds = int(time.time() - run.start / 1000) + 60
        found: dict[str, list[Result]] = {}
        for path in self.paths:
            if path == SCRAPE:
                times = [when for when, _ in stores.samples("mimir", path, run, seconds) if when <= run.time(run.last)]
                found[path] = counting.scrapes(run, self.windows, times, stores.stack.scrape_interval * 1000, run.time(run.last))
            elif path in (OTLP_LOGS, TAILED_LOGS):
                found[path] = counting.events(path, run, self.windows, stores.log_numbers(path, run, seconds))
            else:
                for store in ("mimir", *pod_names(stores.stack, "prometheus")):
                    name = path if store == "mimir" else f"{path}@{store}"
                    found[name] = counting.events(path, run, self.windows, stores.numbers(store, path, run, seconds))
        return found

    def of(self, component: str, window: int) -> Data | None:
        """Return what became of a component's events in a window; None for a component that has none."""
        return data(component, self._found, window, self.ended[window])


def data(component: str, found: Mapping[str, Sequence[Result]], window: int, ended: int) -> Data | None:
    """Return what became of a component's events in a window, in which so many Prometheus pods ended; `found`: see Accounts."""
    names = sources(component, found)
    if not names:
        return None
    scrape = found[SCRAPE][window] if component == "mimir" and SCRAPE in found else None
    return Data(
        lost=sum(found[name][window].lost or 0 for name in names),
        duplicated=sum(found[name][window].duplicated or 0 for name in names),
        scrapes_lost=scrape.lost if scrape else None,
        scrapes_allowed=ended,
    )


def sources(component: str, found: Mapping[str, object]) -> list[str]:
    """Return the results that belong to a component: those of its paths, for Prometheus as each of its replicas has them."""
    paths = [path for path in PATHS.get(component, ()) if path != SCRAPE]
    return [name for name in found if name.partition("@")[0] in paths and ("@" in name) == (component == "prometheus")]
