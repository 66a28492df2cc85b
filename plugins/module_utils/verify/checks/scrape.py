"""Whether annotated pods are found and scraped."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial

from ...stack.high_availability import REPLICA_LABEL
from ..item import Item
from ..outcome import Evidence, Failed, NotYet
from ..session import Session
from ..stores import Metrics, Series


def scrape(session: Session, item: Item) -> Evidence:
    """Check that each replica has found and scraped each probe pod by its annotations."""
    probes = session.probes()
    began = time.monotonic()
    for replica in session.replicas(item.source):
        session.until(partial(probes_in, session, replica, probes))
    names = ", ".join(session.pods(item.source))
    return Evidence(f"{len(probes)} annotated pods, one per node", f"up and build_info of each at {names}", time.monotonic() - began)


def probes_in(session: Session, store: Metrics, probes: Mapping[str, str]) -> None:
    """Raise unless a store has each probe's metrics exactly once and without a replica label."""
    matcher = f'{{pod=~"verify-{session.run_id}-.+"}}'
    for metric in ("up", "prometheus_build_info"):
        found: dict[str, list[Series]] = {}
        for series in store.query(metric + matcher):
            found.setdefault(series.labels.get("pod", ""), []).append(series)
        for probe, node in probes.items():
            copies = found.get(probe, [])
            if len(copies) > 1:
                raise Failed(f"{store.name} has {metric} of pod {probe} {len(copies)} times; expected once. Labels: {differing(copies)}")
            if not copies:
                raise NotYet(f"{store.name} has no {metric} of the annotated pod {probe} on {node}; see Status > Target health there")
            if copies[0].samples[-1][1] != 1:
                raise NotYet(
                    f"{store.name} found pod {probe} on {node} but could not scrape it; can it reach port {session.port('verify')} there? "
                    "(network policies)"
                )
            if REPLICA_LABEL in copies[0].labels:
                raise Failed(
                    f"{store.name} keeps the label {REPLICA_LABEL}; expected Mimir's HA tracker to take it off (limits.accept_ha_samples)"
                )


def differing(found: Sequence[Series]) -> str:
    """Return the labels in which some series differ, each with its values."""
    names = {name for series in found for name in series.labels if len({other.labels.get(name) for other in found}) > 1}
    return (
        ", ".join(f"{name}={'|'.join(sorted(str(series.labels.get(name, '')) for series in found))}" for name in sorted(names))
        or "the same"
    )
