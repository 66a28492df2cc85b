"""Compares the objects of a role with those of a cluster: reads, and writes that the API server tries without keeping them (dry runs)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..cluster import Cluster
from . import drift
from .apply import Rejected, planned, read, sent
from .comparison import digest
from .kinds import key_of
from .snapshot import THREADS, Item


def compare(cluster: Cluster, objects: Sequence[Item], known: Mapping[str, tuple[str, str]]) -> list[drift.Finding]:
    """Return the findings about these objects. `known` is the record of the role, by key, which tells apart who has changed a field.

    Raises ClusterError when the cluster does not answer.
    """

    def one(item: Item) -> list[drift.Finding]:
        before, key = read(cluster, item), key_of(item)
        try:
            after, note = planned(cluster, item, before) if before else (sent(cluster, item, dry=True), "")
        except Rejected as error:
            return [drift.rejected(key, error.reason), *([] if before else [drift.missing(key)])]
        inventory_changed = key in known and known[key][0] != digest(item)
        return drift.compared(item, before, after, inventory_changed=inventory_changed, note=note)

    with ThreadPoolExecutor(THREADS) as pool:
        return [found for findings in pool.map(one, objects) for found in findings]
