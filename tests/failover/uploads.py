"""The object storage is unavailable: what Mimir and Loki have to keep meanwhile, and whether they upload it afterwards.

On its own neither of them uploads much within minutes. So each replica is ordered to, while there is no object storage.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError
from ansible_collections.observability.stack.plugins.module_utils.stack.addressing import pod_names
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import port
from ansible_collections.observability.stack.plugins.module_utils.stack.object_storage import BUNDLED
from ansible_collections.observability.stack.plugins.module_utils.verify.stores import exposition

from tests.failover.environment import PATIENCE, Environment
from tests.failover.results import UPLOADS, Effects, Result, Window, judge
from tests.failover.waiting import wait

FAULT = "storage-outage"
# Until a replica has cut its blocks. An ingester of Mimir takes no samples meanwhile, and two of three have to.
_PAUSE = 10.0
# After the outage everything is uploaded within this time: both try again at least once a minute.
_UPLOADED_WITHIN = 300.0


@dataclass(frozen=True)
class Store:
    """How a store is ordered to upload (`order`), and its metrics of what has to wait (`waiting`) and what is `uploaded`.

    What waits is either there before the order, or is `cut` by it: then the metric is a counter.
    """

    component: str
    order: str
    waiting: str
    uploaded: str
    cut: bool = False


STORES = (
    Store(
        "mimir",
        "/ingester/flush",
        waiting="cortex_ingester_tsdb_compactions_total",
        uploaded="cortex_ingester_shipper_uploads_total",
        cut=True,
    ),
    Store("loki", "/flush", waiting="loki_ingester_memory_chunks", uploaded="loki_ingester_chunks_flushed_total"),
)


def outage(environment: Environment) -> Effects:
    """Stop the object storage, order every replica to upload, and wait afterwards until everything that had to wait is uploaded."""
    stores = [store for store in STORES if environment.stack.has(store.component)]
    try:
        environment.scale(BUNDLED, 0)
        wait(PATIENCE, lambda: not environment.pods(BUNDLED), "the object storage does not end")
        began = time.monotonic()
        environment.say(f"  the object storage is unavailable for {environment.outage:.0f} s")
        before = {store: _uploaded(environment, store) for store in stores}
        waiting = {store: _order(environment, store) for store in stores}
        time.sleep(max(0.0, began + environment.outage - time.monotonic()))
    finally:
        environment.scale(BUNDLED, environment.stack.replicas[BUNDLED])
    environment.wait_until_ready()
    return Effects(rows=tuple(_rows(environment, waiting, before)))


def _rows(
    environment: Environment, waiting: Mapping[Store, Mapping[str, int]], before: Mapping[Store, Mapping[str, int]]
) -> Iterator[Result]:
    """Give a row for each store, once it has uploaded everything or the time for it is over."""
    back = time.monotonic()
    for store, kept in waiting.items():
        while True:
            now = _uploaded(environment, store)
            arrived = sum(min(now[pod] - before[store][pod], kept[pod]) for pod in kept)
            behind = time.monotonic() - back
            if arrived >= sum(kept.values()) or behind > _UPLOADED_WITHIN:
                break
            time.sleep(1)
        environment.say(
            f"  {store.component}: {sum(kept.values())} waited, {arrived} uploaded {behind:.0f} s after the object storage was back"
        )
        yield row(store.component, sum(kept.values()), arrived, behind)


def row(store: str, waiting: int, uploaded: int, seconds_behind: float) -> Result:
    """Return the result, with its status, of the blocks or chunks of a store that had to wait for the object storage."""
    found = Result(
        path=UPLOADS[store],
        fault=FAULT,
        store="object storage",
        status="ok",
        sent=waiting,
        stored=uploaded,
        lost=waiting - uploaded,
        duplicated=0,
        seconds_behind=round(seconds_behind, 1),
    )
    return judge(found, Window(FAULT, 1))


def _uploaded(environment: Environment, store: Store) -> dict[str, int]:
    return {pod: _metric(environment, store, pod, store.uploaded) for pod in pod_names(environment.stack, store.component)}


def _order(environment: Environment, store: Store) -> dict[str, int]:
    """Order each replica to upload; return what has to wait there."""
    waiting = {}
    for pod in pod_names(environment.stack, store.component):
        there = _metric(environment, store, pod, store.waiting)
        answer = environment.cluster.pod(pod, port(store.component, "http"), store.order, method="POST")
        if not 200 <= answer.status < 300:
            raise ClusterError(f"{pod} does not upload: {answer.excerpt()}")
        time.sleep(_PAUSE)
        waiting[pod] = _metric(environment, store, pod, store.waiting) - there if store.cut else there
    environment.say(f"  {store.component} would upload {', '.join(f'{number} from {pod}' for pod, number in waiting.items())}")
    return waiting


def _metric(environment: Environment, store: Store, pod: str, name: str) -> int:
    """Return the sum of all series of a metric; none is 0."""
    page = environment.cluster.pod(pod, port(store.component, "http"), "/metrics").text
    return int(sum(exposition(page, [name]).values()))
