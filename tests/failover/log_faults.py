"""The faults of log files: pods write numbered lines while something happens to them, to Alloy or to Loki.

Each fault has writers of its own, so that the events of the other faults stay what they were.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import workload_name

from tests.failover import counting
from tests.failover.alloy_usage import Meter
from tests.failover.counting import Cost
from tests.failover.environment import Environment
from tests.failover.faults import needs
from tests.failover.generator import NAMESPACE, make_namespace, remove_namespace
from tests.failover.results import LOG_FILES, Result
from tests.failover.stores import Stores
from tests.failover.waiting import wait
from tests.failover.writers import Load, Writers

# How long Loki or Alloy may take to end or to come back; seconds.
_PATIENCE = 300.0
# Lines on their way arrive as long as Loki's count of them changes now and then; seconds.
_SETTLED_AFTER = 60.0
_SETTLED_AT_LAST = 1200.0
_LOOK_AFTER = 10.0


def _load(name: str, rate: int, seconds: int, length: int, pods: int = 1) -> Load:
    return Load(name, rate, rate * seconds // length, length, pods)


def _write(writers: Writers) -> int:
    writers.ended()
    return 0


def _without_loki(writers: Writers) -> int:
    environment = writers.environment
    time.sleep(10)
    try:
        environment.scale("loki", 0)
        wait(_PATIENCE, lambda: not environment.pods("loki"), "Loki does not end")
        environment.say("  Loki is unavailable for 180 s")
        time.sleep(180)
    finally:
        environment.scale("loki", environment.stack.replicas["loki"])
    environment.wait_until_ready()
    writers.ended()
    return 0


# Longer than two rotations: kubelet looks at the sizes every 10 s.
_DOWN = 25.0
# No node has it.
_NOWHERE = {"observability.stack/failover": "nowhere"}


def _restart_alloy(writers: Writers) -> int:
    """End every Alloy in order, keep them down over rotations, and let them come back."""
    environment = writers.environment
    before = len(environment.pods("alloy"))
    time.sleep(15)
    try:
        _select_nodes(environment, _NOWHERE)
        wait(_PATIENCE, lambda: not environment.pods("alloy"), "Alloy does not end")
        environment.say(f"  Alloy is down for {_DOWN:.0f} s")
        time.sleep(_DOWN)
    finally:
        _select_nodes(environment, dict.fromkeys(_NOWHERE))
    wait(_PATIENCE, lambda: len(environment.pods("alloy")) == before, "Alloy does not come back")
    environment.wait_until_ready()
    writers.ended()
    return 0


def _select_nodes(environment: Environment, selector: Mapping[str, str | None]) -> None:
    """Change on which nodes Alloy runs; a label with None is removed again."""
    path = f"/apis/apps/v1/namespaces/{environment.stack.namespace}/daemonsets/{workload_name('alloy')}"
    environment.cluster.object("PATCH", path, body={"spec": {"template": {"spec": {"nodeSelector": dict(selector)}}}})


_KILLS = 3


def _kill_alloy(writers: Writers) -> int:
    """Kill the Alloy of the writers' node (SIGKILL) while they write, again and again."""
    environment = writers.environment
    for _ in range(_KILLS):
        time.sleep(10)
        pods = environment.pods("alloy")
        environment.kill("alloy", next(pod["metadata"]["name"] for pod in pods if pod["spec"]["nodeName"] == writers.node))
        environment.wait_until_ready()
    writers.ended()
    return _KILLS


def _delete_writers(writers: Writers) -> int:
    writers.deleted_as_they_end()
    return 0


def _needs_files(environment: Environment) -> str:
    if reason := needs("alloy")(environment) or needs("loki")(environment):
        return reason
    return "" if environment.stack.log_source == "files" else "alloy_log_source is api: it loses lines, see docs/data-path.md"


def _needs_processes(environment: Environment) -> str:
    return _needs_files(environment) or ("" if environment.can_kill_processes else "no process of a cluster of your own is killed")


@dataclass(frozen=True)
class LogFault:
    """One fault, for each of its loads. `during` does it while the writers write, and returns how often it has killed Alloy.

    `untestable` says why it cannot be done here, or ''.
    """

    name: str
    description: str
    loads: tuple[Load, ...]
    during: Callable[[Writers], int]
    untestable: Callable[[Environment], str] = _needs_files


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
    return f"{LOG_FILES} {load.name}"


@contextmanager
def _namespace(cluster: Cluster) -> Iterator[None]:
    make_namespace(cluster)
    try:
        yield
    finally:
        remove_namespace(cluster)


def measure(environment: Environment, stores: Stores, cluster: Cluster, fault: LogFault, load: Load) -> Result:
    """Let the writers write while the fault happens, and return the result for their lines. `cluster` is seen in NAMESPACE."""
    environment.wait_until_ready()
    node = "" if load.spread else environment.generator_node
    writers = Writers(environment, cluster, load, node)
    start = time.time_ns()
    environment.say(f"{fault.name}: {fault.description}: {load.name}")
    with _namespace(cluster), Meter(environment, node) as meter:
        writers.start()
        if not load.spread:
            writers.begun()
        kills = fault.during(writers)
        environment.say("  everything is written; waiting until Loki has it")
        arrived, stored = _settled(stores, writers, start)
    cost = Cost(arrived - writers.written, meter.cpu_seconds, meter.peak_memory)
    found = counting.log_lines(path(load), fault.name, stored, load.length, kills, cost)
    environment.say(
        f"  sent {found.sent}, stored {found.stored}, lost {found.lost}, duplicated {found.duplicated}, {cost.seconds_behind:.0f} s behind"
    )
    return found


def _settled(stores: Stores, writers: Writers, start: int) -> tuple[float, dict[str, bytearray]]:
    """Return when the last lines came (monotonic) and what Loki has, once that is everything or has not changed for a minute."""
    selector = f'{{namespace="{NAMESPACE}", pod=~"writer-.+"}}'
    wanted = writers.load.lines * writers.load.pods
    began = changed = time.monotonic()
    entries = latest = 0
    while True:
        with suppress(ClusterError):  # a busy Loki gets another query
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
    return {name: counting.copies_of_lines(writers.load.lines, found, f"loki ({name})") for name, found in numbers.items()}
