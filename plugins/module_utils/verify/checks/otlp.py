"""Whether what is sent by OTLP is accepted everywhere, and arrives once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from functools import partial

from ...stack.high_availability import COLLECTOR_LABEL, collector_value
from ..item import Item
from ..outcome import Evidence, Failed, NotYet, all_of
from ..sending import GAUGE, RECEIVER, Sample, Sent
from ..session import Session
from ..stores import Metrics, Series
from .scrape import differing


def otlp_accepted(session: Session, item: Item) -> Evidence:
    """Check that the Service and every collector take samples and records over HTTP, and every collector samples over gRPC."""
    sent = session.sent()
    if sent.rejected:
        raise Failed(f"expected the collectors to accept everything, but: {sent.reasons()}")
    pods = session.pods(item.target)
    return Evidence(
        f"{len(sent.samples)} samples and {len(sent.logs)} log records: OTLP/HTTP through the Service and to {', '.join(pods)}, "
        "OTLP/gRPC to each",
        "accepted by the collectors",
        time.monotonic() - sent.at,
    )


def otlp_metrics(session: Session, item: Item) -> Evidence:
    """Check that each replica has each OTLP sample once, at its own time, with the collector label."""
    sent = _accepted_samples(session)
    for replica in session.replicas(item.target):
        session.until(partial(samples_in, session, replica, sent.samples))
    seconds = time.monotonic() - sent.at
    notes = all_of(*item.losses(session))
    return Evidence(
        f"{len(sent.samples)} OTLP samples",
        f"each exactly once, with its own time, at {', '.join(session.pods('prometheus'))}",
        seconds,
        notes,
    )


def _accepted_samples(session: Session) -> Sent:
    sent = session.sent()
    if not sent.samples:
        raise Failed(f"no collector accepted a sample, so none can arrive: {sent.reasons()}")
    return sent


def samples_in(session: Session, store: Metrics, samples: Sequence[Sample]) -> None:
    """Raise unless a store has each OTLP sample exactly once, with its time, value and collector label."""
    found: dict[str, list[Series]] = {}
    for series in store.query(f'{GAUGE}{{run="{session.run_id}"}}[1h]'):
        found.setdefault(series.labels.get("via", ""), []).append(series)
    label = collector_value(RECEIVER)
    missing = [sample.via for sample in samples if sample.via not in found]
    if missing:
        raise NotYet(
            f"{store.name} lacks {len(missing)} of {len(samples)} OTLP samples (sent via {', '.join(missing)}); see "
            "otelcol_exporter_queue_size and the collectors' logs, and whether they push to every replica by its own name: "
            "a Service in between gives each sample to one replica only"
        )
    for sample in samples:
        copies = found[sample.via]
        points = [point for one in copies for point in one.samples]
        if len(points) > 1:
            raise Failed(
                f"{store.name} has the OTLP sample sent via {sample.via} {len(points)} times; expected once. Labels: {differing(copies)}"
            )
        if points[0] != (sample.milliseconds, sample.value):
            raise Failed(
                f"{store.name} has {points[0]} for the OTLP sample sent via {sample.via}; expected "
                f"{(sample.milliseconds, sample.value)} (milliseconds, value)"
            )
        if copies[0].labels.get(COLLECTOR_LABEL) != label:
            raise Failed(
                f"the OTLP sample in {store.name} has "
                f"{COLLECTOR_LABEL}={copies[0].labels.get(COLLECTOR_LABEL, '')!r}; expected {label!r}, or Prometheus "
                "sends it through the queue of scraped series "
                "(resource processor of the collectors, otlp.promote_resource_attributes of Prometheus)"
            )


def otlp_logs(session: Session, item: Item) -> Evidence:
    """Check that each OTLP log record is in Loki, once."""
    sent = session.sent()
    if not sent.logs:
        raise Failed(f"no collector accepted a log record, so none can arrive: {sent.reasons()}")

    def look() -> None:
        stored = Counter(session.logs(item.target).query(session.expression(item.target), session.started - 60))
        for via, line in sent.logs.items():
            if stored[line] > 1:
                raise Failed(f"the OTLP log record sent via {via} is {stored[line]} times in Loki; expected once")
            if not stored[line]:
                raise NotYet(
                    f"the OTLP log record sent via {via} is not in Loki under {session.expression('loki')}; see the collectors' logs"
                )

    session.until(look)
    seconds = time.monotonic() - sent.at
    notes = all_of(*item.losses(session), lambda: session.counters.nothing_neglected(item.target))
    return Evidence(f"{len(sent.logs)} OTLP log records", f"each exactly once in {item.target}", seconds, notes)
