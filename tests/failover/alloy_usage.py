"""CPU time and memory of Alloy during a fault."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Self

from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import port
from ansible_collections.observability.stack.plugins.module_utils.verify.stores import exposition

from tests.failover.environment import Environment

_CPU = "alloy_resources_process_cpu_seconds_total"
_MEMORY = "alloy_resources_process_resident_memory_bytes"


class Meter:
    """What the Alloys of some nodes take: CPU seconds in all, and the most memory that one of them had resident, in bytes."""

    def __init__(self, environment: Environment, node: str) -> None:
        """Measure the Alloy on `node`, or every one when that is empty."""
        self._environment, self._node = environment, node
        self._last: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)
        self.cpu_seconds = 0.0
        self.peak_memory = 0.0

    def __enter__(self) -> Self:
        self._look(first=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _measure(self) -> None:
        while not self._over.wait(2):
            self._look()

    def _look(self, first: bool = False) -> None:
        # An Alloy that is down or busy is measured the next time.
        with suppress(ClusterError):
            for pod in self._environment.pods("alloy"):
                if self._node in ("", pod["spec"].get("nodeName")):
                    name = pod["metadata"]["name"]
                    page = self._environment.cluster.pod(name, port("alloy", "http"), "/metrics").text
                    found = {metric: value for (metric, _), value in exposition(page, [_CPU, _MEMORY]).items()}
                    self._count(name, found.get(_CPU, 0.0), found.get(_MEMORY, 0.0), first)

    def _count(self, name: str, cpu: float, memory: float, first: bool) -> None:
        # A counter that fell is that of a new process. One that is new belongs to the fault, unless it was there before.
        before = self._last.get(name, cpu if first else 0.0)
        self.cpu_seconds += cpu - before if cpu >= before else cpu
        self._last[name] = cpu
        self.peak_memory = max(self.peak_memory, memory)
