"""Whether lines of log files are read, and arrive once."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial

from ...stack.labels import NAME, labels
from ..item import Item
from ..outcome import Evidence, Failed, NotYet, all_of
from ..session import Session
from .losses import FULL_FROM, fill, read_only


def log_files(session: Session, item: Item) -> Evidence:
    """Check that the Alloy on each probe's own node has read what it wrote."""
    probes = session.probes()
    began = time.monotonic()
    pods = session.running(item.target)
    on_node = {pod["spec"].get("nodeName"): pod["metadata"]["name"] for pod in pods}
    for probe, node in probes.items():
        if node not in on_node:
            raise Failed(f"no Alloy pod runs on node {node}, so nothing reads the logs there; does the DaemonSet tolerate its taints?")
        if session.stack.log_source == "files":
            session.until(partial(_read_by, session, item.target, probe, on_node[node]))
        else:
            session.until(partial(_lines_of, session, "loki", probe))
    where = (
        "lines read from its file, counted by Alloy on the same node"
        if session.stack.log_source == "files"
        else "at Loki, as Alloy reads the API"
    )
    seconds = time.monotonic() - began
    return Evidence(f"log lines of {len(probes)} pods, one per node", where, seconds, all_of(*item.losses(session)))


def _read_by(session: Session, component: str, probe: str, agent: str) -> None:
    now = {(agent, name, labels): value for (name, labels), value in session.counters.page(component, agent).items()}
    read = sum(
        value
        for (_pod, name, _labels), value in session.counters.risen(component, now).items()
        if name.startswith("otelcol_receiver_accepted_log_records")
    )
    if not read:
        raise NotYet(
            f"{agent} has read no line since pod {probe} wrote some on its node (otelcol_receiver_accepted_log_records_total); "
            "is /var/log/pods mounted, and does it hold the files of the container runtime?"
        )


def log_lines(session: Session, item: Item) -> Evidence:
    """Check that every line which a probe has written is in Loki, once."""
    probes = session.probes()
    began = time.monotonic()
    count = sum(session.until(partial(_lines_of, session, item.target, probe)) for probe in probes)
    seconds = time.monotonic() - began
    notes = all_of(
        *item.losses(session),
        lambda: session.counters.nothing_neglected(item.target),
        lambda: session.until(lambda: _not_behind(session, item.source)),
        lambda: _LOG_BOUND[session.stack.log_source],
    )
    return Evidence(f"{count} log lines of {len(probes)} pods, one per node", f"each exactly once in {item.target}", seconds, notes)


# What is promised of a line in a log, by where Alloy takes it from.
_LOG_BOUND = {
    "files": (
        "promised: no line lost by rotation, by outages up to observability_outage_horizon, or by orderly restarts; about 100 lines "
        "of a node per killed Alloy"
    ),
    "api": "alloy_log_source is api: lines in files that rotation deletes during an outage or a restart are lost",
}


def log_queues(session: Session, item: Item) -> Evidence:
    """Check without a line of its own that nothing is lost, that the queues are not full, and that no Alloy is behind in reading."""
    notes = all_of(
        *item.losses(session),
        lambda: session.counters.nothing_neglected(item.target),
        lambda: session.until(lambda: _not_behind(session, item.source)),
    )
    return read_only(item.lost, notes)


def _not_behind(session: Session, component: str) -> str:
    """Check that the queues for Loki are less than half full, and that no Alloy has files to read at every look."""
    now = session.counters.now(component)
    fullest = fill(now)
    reading = [pod for (pod, name, _series), size in now.items() if name == "otelcol_fileconsumer_reading_files" and size > 0]
    if fullest > FULL_FROM:
        raise NotYet(
            f"a queue for Loki is {fullest:.0%} full; when it is, reading stops, and kubelet deletes files that have not been read "
            "(otelcol_exporter_queue_size and _capacity of Alloy): is Loki slow, or more written than observability_log_bytes_per_second?"
        )
    if reading:
        raise NotYet(
            f"{', '.join(reading)} had files to read at every look (otelcol_fileconsumer_reading_files): reading is behind; see "
            "alloy_resources, and containerLogMaxSize and containerLogMaxFiles of kubelet for how long files stay"
        )
    return f"queues for Loki at most {fullest:.0%} full, files read to their ends"


def _lines_of(session: Session, store: str, probe: str) -> int:
    """Return the number of lines that a probe has written, all of them in Loki exactly once."""
    written = Counter(line for line in session.cluster.pod_log(probe) if line)
    # The label `app` comes from the pod's own labels: Alloy has found the pod of the file.
    stream = f'{{pod="{probe}", app="{labels(session.stack, "verify")[NAME]}"}}'
    stored = Counter(session.logs(store).query(stream, session.started - 60))
    duplicated = sum(1 for line, count in written.items() if stored[line] > count)
    missing = sum(1 for line, count in written.items() if stored[line] < count)
    if duplicated:
        raise Failed(
            f"{duplicated} of {written.total()} lines of pod {probe} are in Loki more than once; is a pod tailed twice, or do two "
            "Alloys share its positions?"
        )
    if missing or not written:
        raise NotYet(
            f"{missing} of {written.total()} lines of pod {probe} are not in Loki under {stream}; see the log of Alloy on its node"
        )
    return written.total()
