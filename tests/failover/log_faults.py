"""The faults of log files: pods write numbered lines at a rate while something happens to them, to Alloy or to Loki.

Each fault has writers of its own, so that the events of the other faults stay what they were.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue
from ansible_collections.observability.stack.plugins.module_utils.stack.rollouts import waiting_pods
from ansible_collections.observability.stack.plugins.module_utils.verify.stores import exposition

from tests.failover import account
from tests.failover.account import Account, Cost
from tests.failover.faults import Scene, needs
from tests.failover.generator import NAMESPACE, created, identifier, make_namespace, remove_namespace, skeleton
from tests.failover.stores import Stores
from tests.failover.waiting import wait

_APP = "failover-writer"
_SELECTOR = {"app.kubernetes.io/name": _APP}
# How long writers may take to begin, and to write everything beyond the time that their rate gives them.
_PATIENCE = 300.0
# Lines on their way arrive as long as Loki's count of them changes now and then; seconds.
_SETTLED_AFTER = 60.0
_SETTLED_AT_LAST = 1200.0
_LOOK_AFTER = 10.0
_CPU = "alloy_resources_process_cpu_seconds_total"
_MEMORY = "alloy_resources_process_resident_memory_bytes"


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


def _load(name: str, rate: int, seconds: int, length: int, pods: int = 1) -> Load:
    return Load(name, rate, rate * seconds // length, length, pods)


class Meter:
    """What the Alloys of some nodes take: CPU seconds in all, and the most memory that one of them had resident, in bytes."""

    def __init__(self, scene: Scene, node: str) -> None:
        """Measure the Alloy on `node`, or every one when that is empty."""
        self._scene, self._node = scene, node
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
            for pod in self._scene.pods("alloy"):
                if self._node in ("", pod["spec"].get("nodeName")):
                    name = pod["metadata"]["name"]
                    page = self._scene.cluster.pod(name, catalogue.port("alloy", "http"), "/metrics").text
                    found = {metric: value for (metric, _), value in exposition(page, [_CPU, _MEMORY]).items()}
                    self._count(name, found.get(_CPU, 0.0), found.get(_MEMORY, 0.0), first)

    def _count(self, name: str, cpu: float, memory: float, first: bool) -> None:
        # A counter that fell is that of a new process. One that is new belongs to the fault, unless it was there before.
        before = self._last.get(name, cpu if first else 0.0)
        self.cpu_seconds += cpu - before if cpu >= before else cpu
        self._last[name] = cpu
        self.peak_memory = max(self.peak_memory, memory)


@dataclass
class Writers:
    """The pods that write the lines of one load. `cluster` is seen in NAMESPACE; `node` is where they run."""

    scene: Scene
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
            pod = skeleton(self.scene.stack, name, _APP, self.node, self.load.arguments(self.run))
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


def _write(writers: Writers) -> int:
    writers.ended()
    return 0


def _without_loki(writers: Writers) -> int:
    scene = writers.scene
    time.sleep(10)
    try:
        scene.scale("loki", 0)
        wait(_PATIENCE, lambda: not scene.pods("loki"), "Loki does not end")
        scene.say("  Loki is unavailable for 180 s")
        time.sleep(180)
    finally:
        scene.scale("loki", scene.stack.replicas["loki"])
    scene.wait_until_well()
    writers.ended()
    return 0


# Longer than two rotations: kubelet looks at the sizes every 10 s.
_DOWN = 25.0
# No node has it.
_NOWHERE = {"observability.stack/failover": "nowhere"}


def _restart_alloy(writers: Writers) -> int:
    """End every Alloy in order, keep them down over rotations, and let them come back."""
    scene = writers.scene
    before = len(scene.pods("alloy"))
    time.sleep(15)
    try:
        _select_nodes(scene, _NOWHERE)
        wait(_PATIENCE, lambda: not scene.pods("alloy"), "Alloy does not end")
        scene.say(f"  Alloy is down for {_DOWN:.0f} s")
        time.sleep(_DOWN)
    finally:
        _select_nodes(scene, dict.fromkeys(_NOWHERE))
    wait(_PATIENCE, lambda: len(scene.pods("alloy")) == before, "Alloy does not come back")
    scene.wait_until_well()
    writers.ended()
    return 0


def _select_nodes(scene: Scene, selector: Mapping[str, str | None]) -> None:
    """Change on which nodes Alloy runs; a label with None is taken away again."""
    path = f"/apis/apps/v1/namespaces/{scene.stack.namespace}/daemonsets/{catalogue.workload_name('alloy')}"
    scene.cluster.object("PATCH", path, body={"spec": {"template": {"spec": {"nodeSelector": dict(selector)}}}})


_KILLS = 3
# Kills every process of a name in the pod with a UID, as the runtime's control groups have it (cgroupfs and systemd drivers).
_KILL = (
    'for p in /proc/[0-9]*; do if [ "$(cat $p/comm 2>/dev/null)" = "$1" ] && grep -q "$2\\|$3" $p/cgroup 2>/dev/null; '
    "then kill -9 ${p#/proc/}; fi; done"
)
_SHELLS: dict[str, Callable[[str], list[str]]] = {"lab": lambda _: [], "kind": lambda node: ["docker", "exec", node]}


def _kill_alloy(writers: Writers) -> int:
    """Kill the Alloy of the writers' node (SIGKILL) while they write, again and again."""
    scene = writers.scene
    for _ in range(_KILLS):
        time.sleep(10)
        pod = next(pod for pod in scene.pods("alloy") if pod["spec"]["nodeName"] == writers.node)
        uid, before = pod["metadata"]["uid"], _restarts(pod)
        scene.say(f"  SIGKILL for Alloy on {writers.node}")
        shell = _SHELLS[scene.provider](writers.node)
        subprocess.run([*shell, "sh", "-c", _KILL, "sh", "alloy", uid, uid.replace("-", "_")], check=False)
        # The pause before a restart doubles from 10 s to 5 minutes.
        wait(330, lambda before=before: _restarts(_alloy(scene, writers.node)) > before, "Alloy was not killed")  # type: ignore[misc]
        scene.wait_until_well()
    writers.ended()
    return _KILLS


def _alloy(scene: Scene, node: str) -> dict[str, Any]:
    return next(pod for pod in scene.pods("alloy") if pod["spec"]["nodeName"] == node)


def _restarts(pod: Mapping[str, Any]) -> int:
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses", []))


def _delete_writers(writers: Writers) -> int:
    writers.deleted_as_they_end()
    return 0


def _needs_files(scene: Scene) -> str:
    if reason := needs("alloy")(scene) or needs("loki")(scene):
        return reason
    return "" if scene.stack.log_source == "files" else "alloy_log_source is api: it loses lines, see docs/data-path.md"


def _needs_processes(scene: Scene) -> str:
    return _needs_files(scene) or ("" if scene.provider in _SHELLS else "no process of a cluster of your own is killed")


@dataclass(frozen=True)
class LogFault:
    """One fault, for each of its loads. `during` does it while the writers write, and returns how often it has killed Alloy.

    `obstacle` says why it cannot be done here, or ''.
    """

    name: str
    what: str
    loads: tuple[Load, ...]
    during: Callable[[Writers], int]
    obstacle: Callable[[Scene], str] = _needs_files


LOG_FAULTS: tuple[LogFault, ...] = (
    LogFault(
        "log-rotation",
        "a container writes 1, 5 and 20 MB/s, so that its log is rotated again and again",
        (_load("1 MB/s", 10**6, 60, 200), _load("5 MB/s", 5 * 10**6, 40, 400), _load("20 MB/s", 20 * 10**6, 30, 1000)),
        _write,
    ),
    LogFault(
        "log-many", "twenty containers on one node write 0.2 MB/s each", (_load("20 x 0.2 MB/s", 2 * 10**5, 60, 300, pods=20),), _write
    ),
    LogFault("log-outage", "Loki is unavailable for 3 minutes, over rotations", (_load("1 MB/s", 10**6, 210, 400),), _without_loki),
    LogFault("alloy-restart", "Alloy is ended in order and is down over rotations", (_load("2 MB/s", 2 * 10**6, 60, 400),), _restart_alloy),
    LogFault(
        "alloy-kill", f"Alloy is killed {_KILLS} times under load", (_load("1 MB/s", 10**6, 120, 200),), _kill_alloy, _needs_processes
    ),
    LogFault(
        "short-lived-pods",
        "100 pods write 1000 lines each and are deleted at once",
        # Ten at a time: it is about files that go, not about a hundred containers that start on a few cores.
        (Load("100 x 1000 lines", 0, 1000, 200, pods=100, spread=True, at_once=10),),
        _delete_writers,
    ),
)


def path(load: Load) -> str:
    """Return what the report calls the lines of a load."""
    return f"{account.LOG_FILES} {load.name}"


@contextmanager
def _namespace(cluster: Cluster) -> Iterator[None]:
    make_namespace(cluster)
    try:
        yield
    finally:
        remove_namespace(cluster)


def measure(scene: Scene, stores: Stores, cluster: Cluster, fault: LogFault, load: Load) -> Account:
    """Let the writers write while the fault happens, and return the account of their lines. `cluster` is seen in NAMESPACE."""
    scene.wait_until_well()
    node = "" if load.spread else scene.generator_node
    writers = Writers(scene, cluster, load, node)
    start = time.time_ns()
    scene.say(f"{fault.name}: {fault.what}: {load.name}")
    with _namespace(cluster), Meter(scene, node) as meter:
        writers.start()
        if not load.spread:
            writers.begun()
        kills = fault.during(writers)
        scene.say("  everything is written; waiting until Loki has it")
        arrived, stored = _settled(stores, writers, start)
    cost = Cost(arrived - writers.written, meter.cpu_seconds, meter.peak_memory)
    found = account.log_lines(path(load), fault.name, stored, load.length, kills, cost)
    scene.say(f"  sent {found.sent}, stored {found.stored}, lost {found.lost}, doubled {found.doubled}, {cost.seconds_behind:.0f} s behind")
    return found


def _settled(stores: Stores, writers: Writers, start: int) -> tuple[float, dict[str, bytearray]]:
    """Return when the last lines came (monotonic) and what Loki has, once that is everything or has not changed for a minute."""
    selector = f'{{namespace="{NAMESPACE}", pod=~"writer-.+"}}'
    wanted = writers.load.lines * writers.load.pods
    began = changed = time.monotonic()
    entries = latest = 0
    while True:
        with suppress(ClusterError):  # a busy Loki is asked again
            entries = stores.entries(selector, start)
        now = time.monotonic()
        if entries != latest:
            latest, changed = entries, now
        quiet = now > min(changed + _SETTLED_AFTER, began + _SETTLED_AT_LAST)
        # Its index counts some lines twice and some late: enough of them, or no more of them, is when to look, and says nothing yet.
        if quiet or entries >= wanted or now > changed + _LOOK_AFTER:
            stored = _read(stores, writers, selector, start)
            if quiet or all(all(copies[1:]) for copies in stored.values()):
                return max(changed, writers.written), stored
            time.sleep(7)
        time.sleep(3)


def _read(stores: Stores, writers: Writers, selector: str, start: int) -> dict[str, bytearray]:
    """Return, per pod, how often Loki has each line."""
    numbers: dict[str, list[int]] = {name: [] for name in writers.names}
    for pod, number in stores.written_lines(selector, start, time.time_ns()):
        numbers[pod].append(number)
    return {name: account.copies_of_lines(writers.load.lines, found, f"loki ({name})") for name, found in numbers.items()}
