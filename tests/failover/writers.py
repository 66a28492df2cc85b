"""The writers: pods that write numbered lines at a rate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import NAME
from ansible_collections.observability.stack.plugins.module_utils.stack.rollouts import waiting_pods

from tests.failover.environment import Environment
from tests.failover.generator import created, identifier, skeleton
from tests.failover.waiting import wait

_APP = "failover-writer"
_SELECTOR = {NAME: _APP}
# How long writers may take to begin, and to write everything beyond the time that their rate gives them; seconds.
_PATIENCE = 300.0


@dataclass(frozen=True)
class Load:
    """What is written: by `pods` pods, each with `rate` bytes per second (0: as fast as they can), lines of `length` bytes.

    With `spread` the pods run on any node, otherwise on one. `at_once`: how many there are at a time (0: all).
    """

    name: str
    rate: int
    lines: int
    length: int
    pods: int = 1
    spread: bool = False
    at_once: int = 0

    def arguments(self, run: str) -> list[str]:
        """Return the arguments of the sample application."""
        return [
            f"--run-id={run}", f"--lines={self.lines}", f"--line-bytes={self.length}", f"--bytes-per-second={self.rate}",
        ]  # fmt: skip

    @property
    def seconds(self) -> float:
        """How long writing takes."""
        return self.lines * self.length / self.rate if self.rate else 0.0


@dataclass
class Writers:
    """The pods that write the lines of one load. `cluster` is seen in NAMESPACE; `node` is where they run."""

    environment: Environment
    cluster: Cluster
    load: Load
    node: str
    run: str = field(default_factory=identifier)
    written: float = 0.0

    @property
    def names(self) -> list[str]:
        """The names of the pods."""
        return [f"writer-{number}" for number in range(1, self.load.pods + 1)]

    def start(self) -> None:
        """Start them, or as many as there may be at once; each begins to write when it runs."""
        self._start(self.names[: self.load.at_once or None])

    def _start(self, names: Sequence[str]) -> None:
        for name in names:
            pod = skeleton(self.environment.stack, name, _APP, self.node, self.load.arguments(self.run))
            # The service account of a new namespace comes a moment later; without it pods are rejected.
            wait(15, lambda pod=pod: created(self.cluster, pod), f"{name} cannot be made")  # type: ignore[misc]

    def _phases(self) -> dict[str, str]:
        return {pod["metadata"]["name"]: pod["status"].get("phase", "") for pod in self.cluster.pods(_SELECTOR)}

    def begun(self) -> None:
        """Wait until all run (or have already ended)."""
        wait(_PATIENCE, lambda: all(self._phases().get(name) in ("Running", "Succeeded") for name in self.names), self._reason)

    def ended(self) -> None:
        """Wait until all have written everything."""
        wait(self.load.seconds + _PATIENCE, lambda: all(self._phases().get(name) == "Succeeded" for name in self.names), self._reason)
        self.written = self.written or time.monotonic()

    def deleted_as_they_end(self) -> None:
        """Delete each as soon as it has written everything, start another one in its place, and wait until all are gone."""
        left = list(self.names)

        def all_gone() -> bool:
            phases = self._phases()
            ended = [name for name in left if phases.get(name) == "Succeeded"]
            self.cluster.delete_pods(ended, grace=0)
            left[:] = [name for name in left if name not in ended]
            self._start([name for name in left[: self.load.at_once or None] if name not in phases])
            return not left

        wait(_PATIENCE * 2, all_gone, self._reason)
        self.written = time.monotonic()

    def _reason(self) -> str:
        found = "; ".join(entry["why"] for entry in waiting_pods(self.cluster.pods(_SELECTOR))[:3])
        return f"the writers have not written everything: {found or 'they are slow'}"
