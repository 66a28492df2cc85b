"""Whether what both replicas hold is in the long-term store once, and nothing is rejected or stuck."""

from __future__ import annotations

import time

from ...cluster import ClusterError
from ...stack.connections import CONNECTIONS
from ...stack.high_availability import queues
from ...stack.labels import instance
from ..counters import rise
from ..item import Item
from ..outcome import Evidence, Failed, NotYet, all_of
from ..sending import RECEIVER
from ..session import Session
from ..stores import Metrics
from .losses import read_only
from .node_metrics import agent_nodes, nodes_in
from .otlp import samples_in
from .scrape import probes_in


def remote_write(session: Session, item: Item) -> Evidence:
    """Check that everything is in Mimir once, that the HA tracker gets samples of the whole pair, and that nothing is rejected."""
    probes = session.probes()
    samples = session.sent().samples if session.stack.has(RECEIVER) else []
    agents = [row.source for row in CONNECTIONS if row.check == "node_metrics" and session.stack.has(row.source)]
    nodes = {agent: agent_nodes(session, agent) for agent in agents}

    def held(store: Metrics) -> None:
        probes_in(session, store, probes)
        if samples:
            samples_in(session, store, samples)
        for agent, names in nodes.items():
            nodes_in(session, store, agent, names)

    def held_by_one() -> None:
        problems = []
        for replica in session.replicas(item.source):
            try:
                return held(replica)
            except (Failed, ClusterError) as error:
                problems.append(str(error))
        raise NotYet(f"no replica holds what should come to Mimir: {'; '.join(problems)}")

    # From here on it is remote write's turn: what is missing at the replicas is the failure of other connections.
    session.until(held_by_one)
    began = time.monotonic()

    def arrived_in_mimir() -> None:
        # What Mimir rejects never arrives; that is the reason to name, and none to wait on.
        session.counters.nothing_lost(item.target, item.lost[item.target])
        held(session.metrics(item.target))

    session.until(arrived_in_mimir)
    seconds = time.monotonic() - began
    arrived = f"{len(probes)} scraped pods, {len(samples)} OTLP samples, {sum(map(len, nodes.values()))} nodes, each counted once"
    notes = all_of(
        lambda: session.until(lambda: _elected(session, item)),
        lambda: session.until(lambda: _deduplicated(session, item)),
        lambda: session.until(lambda: _expected_without_replica(session, item)),
        lambda: session.until(lambda: _drained(session, item)),
        *item.losses(session),
        lambda: session.counters.nothing_neglected(item.target),
    )
    return Evidence(f"what {' and '.join(session.pods(item.source))} hold", f"{item.target}: {arrived}", seconds, notes)


def remote_write_state(session: Session, item: Item) -> Evidence:
    """Check, without a sample of its own, that a replica is elected, nothing is rejected or stuck, and Mimir deletes what is old."""
    notes = all_of(
        lambda: session.until(lambda: _elected(session, item)),
        *item.losses(session),
        lambda: session.until(lambda: _drained(session, item)),
        lambda: session.counters.nothing_neglected(item.target),
    )
    return read_only(item.lost, notes)


def _elected(session: Session, item: Item) -> str:
    answer = session.cluster.service(
        session.name(item.target), session.port(item.target), "/distributor/ha_tracker", headers={"accept": "application/json"}
    )
    if answer.status != 200:
        raise ClusterError(f"Mimir's HA tracker does not answer (distributor.ha_tracker.enable_ha_tracker): {answer.excerpt()}")
    elected = {entry["cluster"]: entry["replica"] for entry in answer.json().get("elected") or []}
    replica = elected.get(instance(session.stack))
    if replica not in session.pods(item.source):
        raise NotYet(
            f"Mimir's HA tracker has elected {replica or 'no replica'} for the group {instance(session.stack)}; expected one of "
            f"{', '.join(session.pods(item.source))} "
            "(external_labels of Prometheus, limits.ha_cluster_label and ha_replica_label of Mimir; known groups: "
            f"{', '.join(elected) or 'none'})"
        )
    return f"elected: {replica}"


def _queue_rise(session: Session, item: Item, kind: str) -> float:
    """Return how many samples the queues of a kind (`scraped` or `pushed`) of all replicas have sent since the run began."""
    rises = session.counters.risen(item.source, session.counters.now(item.source))
    return sum(rise(rises, "prometheus_remote_storage_samples_total", remote_name=name) for name in queues(session.stack)[kind])


def _deduplicated(session: Session, item: Item) -> str:
    """Check that every replica writes: of N, all but the elected one are dropped, (N-1)/N of what they send."""
    dropped = rise(
        session.counters.risen(item.target, session.counters.now(item.target)),
        "cortex_distributor_deduped_samples_total",
        cluster=instance(session.stack),
    )
    offered = _queue_rise(session, item, "scraped")
    expected = 1 - 1 / len(session.pods(item.source))
    if not dropped or offered < 100:
        raise NotYet(
            f"Mimir has dropped {dropped:.0f} duplicate samples of {offered:.0f} that the replicas sent during this run; expected "
            f"about {expected:.0%}: is only one replica writing, "
            "or do both have the same replica label? (cortex_distributor_deduped_samples_total)"
        )
    share = dropped / offered
    if not expected / 2 < share < (1 + expected) / 2:
        raise NotYet(
            f"Mimir has dropped {share:.0%} of the samples that the replicas sent as duplicates; expected about {expected:.0%}: "
            "does one replica write less than the other?"
        )
    return f"every replica writes: {share:.0%} of the scraped samples dropped as duplicates"


def _expected_without_replica(session: Session, item: Item) -> str:
    """Check that only pushed series come without a replica label; anything else there would be stored twice."""
    without = rise(
        session.counters.risen(item.target, session.counters.now(item.target)), "cortex_distributor_non_ha_samples_received_total"
    )
    pushed = _queue_rise(session, item, "pushed")
    if without > pushed * 1.1 + 100:
        raise Failed(
            f"Mimir received {without:.0f} samples without a replica label during this run, but the queues of pushed series sent "
            f"only {pushed:.0f}: "
            "something else writes to it, or a scraped series went through the wrong queue "
            "(cortex_distributor_non_ha_samples_received_total)"
        )
    return f"{without:.0f} samples without a replica label, all of them pushed"


def _drained(session: Session, item: Item) -> str:
    for (pod, name, labels), pending in session.counters.now(item.source).items():
        if name == "prometheus_remote_storage_samples_pending":
            sent = rise(
                session.counters.risen(item.source, session.counters.now(item.source)),
                "prometheus_remote_storage_samples_total",
                remote_name=dict(labels).get("remote_name", ""),
            )
            rate = sent / max(time.time() - session.started, 1)
            if pending > 2000 + 10 * rate:
                raise NotYet(
                    f"{pod} has {pending:.0f} samples waiting in {dict(labels).get('remote_name')}, more than ten seconds' worth; "
                    "is Mimir slow, or does it reject them?"
                )
    return "queues drained"
