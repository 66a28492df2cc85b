"""The proof: for every arrow a small function that sends something through it and reads it back.

`prove` runs them all at once and returns one row per arrow. Nothing stays behind but the few samples and lines themselves.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

from .cluster import Answer, ClusterError
from .ingress import Front
from .run import BALANCE_TRIES, DELAYED, GAUGE, PROBE_PORT, WATCHED, Failed, NotYet, Page, Run, Sample, Sent, basic, ready
from .stores import Metrics, Series

# Days before its end from which a certificate counts as one that nobody renews.
CERTIFICATE_DAYS = 21


@dataclass(frozen=True)
class Proof:
    """What a check found: `sent`, `read_back`, and the `seconds` between them. `notes` are further facts for the detail."""

    sent: str
    read_back: str
    seconds: float
    notes: tuple[str, ...] = ()


def _all(*checks: Callable[[], str]) -> tuple[str, ...]:
    """Return the notes of all checks, or raise one Failed with everything that is wrong."""
    notes, problems = [], []
    for check in checks:
        try:
            notes.append(check())
        except (Failed, ClusterError) as error:
            problems.append(str(error))
    if problems:
        raise Failed("; ".join(dict.fromkeys(problems)))
    return tuple(notes)


def application_prometheus(run: Run) -> Proof:
    """Check that each replica has found and scraped each probe pod by its annotations."""
    probes = run.probes()
    began = time.monotonic()
    for replica in run.replicas():
        run.until(partial(_probes_in, run, replica, probes))
    names = ", ".join(run.pods("prometheus"))
    return Proof(f"{len(probes)} annotated pods, one per node", f"up and build_info of each at {names}", time.monotonic() - began)


def _probes_in(run: Run, store: Metrics, probes: Mapping[str, str]) -> None:
    """Raise unless a store has each probe's metrics exactly once and without a replica label."""
    matcher = f'{{pod=~"verify-{run.nonce}-.+"}}'
    for metric in ("up", "prometheus_build_info"):
        found: dict[str, list[Series]] = {}
        for series in store.query(metric + matcher):
            found.setdefault(series.labels.get("pod", ""), []).append(series)
        for probe, node in probes.items():
            copies = found.get(probe, [])
            if len(copies) > 1:
                raise Failed(f"{store.name} has {metric} of pod {probe} {len(copies)} times; expected once. Labels: {_differing(copies)}")
            if not copies:
                raise NotYet(f"{store.name} has no {metric} of the annotated pod {probe} on {node}; see Status > Target health there")
            if copies[0].samples[-1][1] != 1:
                raise NotYet(
                    f"{store.name} found pod {probe} on {node} but could not scrape it; can it reach port {PROBE_PORT} there? "
                    "(network policies)"
                )
            if run.plan["replica_label"] in copies[0].labels:
                raise Failed(
                    f"{store.name} keeps the label {run.plan['replica_label']}; expected Mimir's HA tracker to take it off "
                    "(limits.accept_ha_samples)"
                )


def _differing(found: Sequence[Series]) -> str:
    names = {name for series in found for name in series.labels if len({other.labels.get(name) for other in found}) > 1}
    return (
        ", ".join(f"{name}={'|'.join(sorted(str(series.labels.get(name, '')) for series in found))}" for name in sorted(names))
        or "the same"
    )


def application_alloy(run: Run) -> Proof:
    """Check that the Alloy on each probe's own node has read what it wrote."""
    probes = run.probes()
    began = time.monotonic()
    pods = run.cluster.pods(run.plan["components"]["alloy"]["selector"])
    on_node = {pod["spec"].get("nodeName"): pod["metadata"]["name"] for pod in pods}
    for probe, node in probes.items():
        if node not in on_node:
            raise Failed(f"no Alloy pod runs on node {node}, so nothing reads the logs there; does the DaemonSet tolerate its taints?")
        if run.plan["log_source"] == "files":
            run.until(partial(_read_by, run, probe, on_node[node]))
        else:
            run.until(partial(_lines_of, run, probe))
    where = (
        "lines read from its file, counted by Alloy on the same node"
        if run.plan["log_source"] == "files"
        else "at Loki, as Alloy reads the API"
    )
    return Proof(f"log lines of {len(probes)} pods, one per node", where, time.monotonic() - began)


def _read_by(run: Run, probe: str, alloy: str) -> None:
    now = {(alloy, name, labels): value for (name, labels), value in run.page("alloy", alloy).items()}
    read = sum(value for (_, name, _), value in run.risen("alloy", now).items() if name.startswith("otelcol_receiver_accepted_log_records"))
    if not read:
        raise NotYet(
            f"{alloy} has read no line since pod {probe} wrote some on its node (otelcol_receiver_accepted_log_records_total); "
            "is /var/log/pods mounted, and does it hold the files of the container runtime?"
        )


def alloy_loki(run: Run) -> Proof:
    """Check that every line which a probe has written is in Loki, once."""
    probes = run.probes()
    began = time.monotonic()
    count = sum(run.until(partial(_lines_of, run, probe)) for probe in probes)
    seconds = time.monotonic() - began
    notes = _all(
        lambda: run.nothing_lost("loki", "loki_discarded_samples_total", delayed=DELAYED),
        lambda: run.nothing_neglected("loki"),
        lambda: run.nothing_lost(
            "alloy",
            "otelcol_receiver_refused_log_records_total",
            "otelcol_receiver_failed_log_records_total",
            "otelcol_exporter_send_failed_log_records_total",
            "otelcol_exporter_enqueue_failed_log_records_total",
            "loki_write_dropped_entries_total",
        ),
        lambda: run.until(lambda: _not_behind(run)),
        lambda: _LOG_BOUND[run.plan["log_source"]],
    )
    return Proof(f"{count} log lines of {len(probes)} pods, one per node", "each exactly once in loki", seconds, notes)


# What is promised of a line in a log, by where Alloy takes it from.
_LOG_BOUND = {
    "files": (
        "promised: no line lost by rotation, by outages up to observability_outage_horizon, or by orderly restarts; about 100 lines "
        "of a node per killed Alloy"
    ),
    "api": "alloy_log_source is api: lines that are rotated away during an outage or a restart are lost",
}


def _not_behind(run: Run) -> str:
    """Check that the queues for Loki are less than half full, and that no Alloy has files to read at every look."""
    fullest, reading = 0.0, []
    now = run.counters("alloy")
    for (pod, name, labels), size in now.items():
        if name == "otelcol_exporter_queue_size":
            fullest = max(fullest, size / max(now.get((pod, "otelcol_exporter_queue_capacity", labels), 1.0), 1.0))
        if name == "otelcol_fileconsumer_reading_files" and size > 0:
            reading.append(pod)
    if fullest > 0.5:
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


def _lines_of(run: Run, probe: str) -> int:
    """Return the number of lines that a probe has written, all of them in Loki exactly once."""
    written = Counter(line for line in run.cluster.pod_log(probe) if line)
    # The label `app` comes from the pod's own labels: Alloy has found the pod of the file.
    stream = f'{{pod="{probe}", app="{run.plan["labels"]["app.kubernetes.io/name"]}"}}'
    stored = Counter(run.loki().query(stream, run.started - 60))
    doubled = sum(1 for line, count in written.items() if stored[line] > count)
    missing = sum(1 for line, count in written.items() if stored[line] < count)
    if doubled:
        raise Failed(
            f"{doubled} of {written.total()} lines of pod {probe} are in Loki more than once; is a pod tailed twice, or do two "
            "Alloys share its positions?"
        )
    if missing or not written:
        raise NotYet(
            f"{missing} of {written.total()} lines of pod {probe} are not in Loki under {stream}; see the log of Alloy on its node"
        )
    return written.total()


def application_otel(run: Run) -> Proof:
    """Check that the Service and every collector take samples and records over HTTP, and every collector samples over gRPC."""
    sent = run.sent()
    if sent.refused:
        raise Failed(f"expected the collectors to accept everything, but: {'; '.join(sent.refused)}")
    pods = run.pods("otel_collector")
    return Proof(
        f"{len(sent.samples)} samples and {len(sent.logs)} log records: OTLP/HTTP through the Service and to {', '.join(pods)}, "
        "OTLP/gRPC to each",
        "accepted by the collectors",
        time.monotonic() - sent.at,
    )


def otel_prometheus(run: Run) -> Proof:
    """Check that each replica has each OTLP sample once, at its own time, marked as the collector's."""
    sent = _accepted_samples(run)
    for replica in run.replicas():
        run.until(partial(_samples_in, run, replica, sent.samples))
    seconds = time.monotonic() - sent.at
    notes = _all(
        lambda: run.nothing_lost(
            "otel_collector", "otelcol_exporter_send_failed_metric_points_total", "otelcol_exporter_enqueue_failed_metric_points_total"
        )
    )
    return Proof(
        f"{len(sent.samples)} OTLP samples", f"each exactly once, with its own time, at {', '.join(run.pods('prometheus'))}", seconds, notes
    )


def _accepted_samples(run: Run) -> Sent:
    sent = run.sent()
    if not sent.samples:
        raise Failed(f"no collector accepted a sample, so none can arrive: {'; '.join(sent.refused)}")
    return sent


def _samples_in(run: Run, store: Metrics, samples: Sequence[Sample]) -> None:
    """Raise unless a store has each OTLP sample exactly once, with its time, value and mark."""
    found: dict[str, list[Series]] = {}
    for series in store.query(f'{GAUGE}{{run="{run.nonce}"}}[1h]'):
        found.setdefault(series.labels.get("via", ""), []).append(series)
    mark = run.plan["marks"]["otel_collector"]
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
                f"{store.name} has the OTLP sample sent via {sample.via} {len(points)} times; expected once. Labels: {_differing(copies)}"
            )
        if points[0] != (sample.milliseconds, sample.value):
            raise Failed(
                f"{store.name} has {points[0]} for the OTLP sample sent via {sample.via}; expected "
                f"{(sample.milliseconds, sample.value)} (milliseconds, value)"
            )
        if copies[0].labels.get(run.plan["mark_label"]) != mark:
            raise Failed(
                f"the OTLP sample in {store.name} has "
                f"{run.plan['mark_label']}={copies[0].labels.get(run.plan['mark_label'], '')!r}; expected {mark!r}, or Prometheus "
                "sends it through the queue of scraped series "
                "(resource processor of the collectors, otlp.promote_resource_attributes of Prometheus)"
            )


def otel_loki(run: Run) -> Proof:
    """Check that each OTLP log record is in Loki, once."""
    sent = run.sent()
    if not sent.logs:
        raise Failed(f"no collector accepted a log record, so none can arrive: {'; '.join(sent.refused)}")

    def look() -> None:
        stored = Counter(run.loki().query(run.expression("loki"), run.started - 60))
        for via, line in sent.logs.items():
            if stored[line] > 1:
                raise Failed(f"the OTLP log record sent via {via} is {stored[line]} times in Loki; expected once")
            if not stored[line]:
                raise NotYet(f"the OTLP log record sent via {via} is not in Loki under {run.expression('loki')}; see the collectors' logs")

    run.until(look)
    seconds = time.monotonic() - sent.at
    notes = _all(
        lambda: run.nothing_lost(
            "otel_collector", "otelcol_exporter_send_failed_log_records_total", "otelcol_exporter_enqueue_failed_log_records_total"
        ),
        lambda: run.nothing_lost("loki", "loki_discarded_samples_total", delayed=DELAYED),
        lambda: run.nothing_neglected("loki"),
    )
    return Proof(f"{len(sent.logs)} OTLP log records", "each exactly once in loki", seconds, notes)


def alloy_prometheus(run: Run) -> Proof:
    """Check that each replica has a sample of each node, pushed after this run began."""
    began = time.monotonic()
    nodes = _alloy_nodes(run)
    for replica in run.replicas():
        run.until(partial(_nodes_in, run, replica, nodes))
    seconds = time.monotonic() - began
    notes = _all(lambda: run.nothing_lost("alloy", "prometheus_remote_storage_samples_failed_total"))
    return Proof(
        f"node_uname_info of {len(nodes)} nodes, newer than this run", f"once at {', '.join(run.pods('prometheus'))}", seconds, notes
    )


def _alloy_nodes(run: Run) -> list[str]:
    nodes = sorted(pod["spec"]["nodeName"] for pod in run.cluster.pods(run.plan["components"]["alloy"]["selector"]) if ready(pod))
    if not nodes:
        raise Failed("no Alloy pod is ready (`kubectl get pods` in the stack's namespace)")
    return nodes


def _nodes_in(run: Run, store: Metrics, nodes: Sequence[str]) -> None:
    """Raise unless a store has node metrics of each node exactly once, newer than the run."""
    mark = f'{run.plan["mark_label"]}="{run.plan["marks"]["alloy"]}"'
    newest: dict[str, list[float]] = {}
    for series in store.query(f"timestamp(node_uname_info{{{mark}}})"):
        newest.setdefault(series.labels.get("instance", ""), []).append(series.samples[-1][1])
    for node in nodes:
        times = newest.get(node, [])
        if len(times) > 1:
            raise Failed(f"{store.name} has node_uname_info of {node} {len(times)} times; expected once")
        if not times:
            raise NotYet(f"{store.name} has no node_uname_info{{{mark}, instance={node!r}}}; see the log of Alloy on that node")
        if times[0] < run.started:
            raise NotYet(
                f"the newest node_uname_info of {node} at {store.name} is {run.started - times[0]:.0f} s older than this run; "
                "expected a newer one"
            )


def prometheus_mimir(run: Run) -> Proof:
    """Check that everything is in Mimir once, that the HA tracker hears the whole pair, and that nothing is refused or stuck."""
    probes = run.probes()
    samples = run.sent().samples if run.has("otel_collector") else []
    nodes = _alloy_nodes(run) if run.has("alloy") else []

    def held(store: Metrics) -> None:
        _probes_in(run, store, probes)
        if samples:
            _samples_in(run, store, samples)
        if nodes:
            _nodes_in(run, store, nodes)

    def held_by_one() -> None:
        problems = []
        for replica in run.replicas():
            try:
                return held(replica)
            except (Failed, ClusterError) as error:
                problems.append(str(error))
        raise NotYet(f"no replica holds what should come to Mimir: {'; '.join(problems)}")

    # From here on it is remote write's turn: what is missing at the replicas is the failure of other arrows.
    run.until(held_by_one)
    began = time.monotonic()

    def arrived_in_mimir() -> None:
        # What Mimir refuses never arrives; that is the reason to name, and none to wait on.
        run.nothing_lost("mimir", "cortex_discarded_samples_total")
        held(run.mimir())

    run.until(arrived_in_mimir)
    seconds = time.monotonic() - began
    arrived = f"{len(probes)} scraped pods, {len(samples)} OTLP samples, {len(nodes)} nodes, each counted once"
    notes = _all(
        lambda: run.until(lambda: _elected(run)),
        lambda: run.until(lambda: _deduplicated(run)),
        lambda: run.until(lambda: _expected_without_replica(run)),
        lambda: run.until(lambda: _drained(run)),
        lambda: run.nothing_lost("prometheus", "prometheus_remote_storage_samples_failed_total"),
        lambda: run.nothing_neglected("mimir"),
    )
    return Proof(f"what {' and '.join(run.pods('prometheus'))} hold", f"mimir: {arrived}", seconds, notes)


def _elected(run: Run) -> str:
    answer = run.cluster.service("mimir", run.port("mimir"), "/distributor/ha_tracker", headers={"accept": "application/json"})
    if answer.status != 200:
        raise ClusterError(f"Mimir's HA tracker does not answer (distributor.ha_tracker.enable_ha_tracker): {answer.excerpt()}")
    elected = {entry["cluster"]: entry["replica"] for entry in answer.json().get("elected") or []}
    replica = elected.get(run.plan["ha_group"])
    if replica not in run.pods("prometheus"):
        raise NotYet(
            f"Mimir's HA tracker has elected {replica or 'nobody'} for the group {run.plan['ha_group']}; expected one of "
            f"{', '.join(run.pods('prometheus'))} "
            "(external_labels of Prometheus, limits.ha_cluster_label and ha_replica_label of Mimir; groups it knows: "
            f"{', '.join(elected) or 'none'})"
        )
    return f"elected: {replica}"


def _rise(rises: Page, metric: str, **wanted: str) -> float:
    return sum(
        value
        for (_, name, labels), value in rises.items()
        if name == metric and all(dict(labels).get(label) == text for label, text in wanted.items())
    )


def _queue_rise(run: Run, kind: str) -> float:
    """Return how many samples the queues of a kind (`scraped` or `pushed`) of all replicas have sent since the run began."""
    rises = run.risen("prometheus", run.counters("prometheus"))
    return sum(_rise(rises, "prometheus_remote_storage_samples_total", remote_name=name) for name in run.plan["queues"][kind])


def _deduplicated(run: Run) -> str:
    """Check that every replica is heard: of N, all but the elected one are dropped, (N-1)/N of what they send."""
    dropped = _rise(run.risen("mimir", run.counters("mimir")), "cortex_distributor_deduped_samples_total", cluster=run.plan["ha_group"])
    offered = _queue_rise(run, "scraped")
    expected = 1 - 1 / len(run.pods("prometheus"))
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
    return f"every replica heard: {share:.0%} of the scraped samples dropped as duplicates"


def _expected_without_replica(run: Run) -> str:
    """Check that only pushed series come without a replica label; anything else there would be stored twice."""
    without = _rise(run.risen("mimir", run.counters("mimir")), "cortex_distributor_non_ha_samples_received_total")
    pushed = _queue_rise(run, "pushed")
    if without > pushed * 1.1 + 100:
        raise Failed(
            f"Mimir received {without:.0f} samples without a replica label during this run, but the queues of pushed series sent "
            f"only {pushed:.0f}: "
            "something else writes to it, or a scraped series went through the wrong queue "
            "(cortex_distributor_non_ha_samples_received_total)"
        )
    return f"{without:.0f} samples without a replica label, all of them pushed"


def _drained(run: Run) -> str:
    for (pod, name, labels), pending in run.counters("prometheus").items():
        if name == "prometheus_remote_storage_samples_pending":
            sent = _rise(
                run.risen("prometheus", run.counters("prometheus")),
                "prometheus_remote_storage_samples_total",
                remote_name=dict(labels).get("remote_name", ""),
            )
            rate = sent / max(time.time() - run.started, 1)
            if pending > 2000 + 10 * rate:
                raise NotYet(
                    f"{pod} has {pending:.0f} samples waiting in {dict(labels).get('remote_name')}, more than ten seconds' worth; "
                    "is Mimir slow or refusing?"
                )
    return "queues drained"


def grafana(component: str) -> Callable[[Run], Proof]:
    """Return the check of one data source: healthy, and a query through it gives what this run has sent."""

    def check(run: Run) -> Proof:
        run.needs_word(component)
        pods = run.pods("grafana")
        if not pods:
            raise Failed("no Grafana pod is ready (`kubectl get pods` in the stack's namespace)")
        login = run.login(run.options.grafana_secret)
        began = [time.monotonic()]

        def look() -> None:
            began[0] = time.monotonic()
            health = run.cluster.forwarded(pods[0], run.port("grafana"), f"/api/datasources/uid/{component}/health", headers=login)
            if health.status in (401, 403):
                raise Failed(
                    f"Grafana refuses the user in Secret {run.options.grafana_secret}: {health.excerpt()}; was the password changed "
                    "in Grafana?"
                )
            if health.status != 200 or health.json().get("status") != "OK":
                raise NotYet(f"Grafana's data source {component} is not healthy: {health.excerpt()}")
            path, query = run.query_path(component)
            answer = run.cluster.forwarded(
                pods[0], run.port("grafana"), f"/api/datasources/proxy/uid/{component}{path}", query=query, headers=login
            )
            _found(answer, f"Grafana's data source {component}", component)

        run.until(look)
        return Proof(f"{run.expression(component)} to data source {component}", f"answered by {component}", time.monotonic() - began[0])

    return check


def _found(answer: Answer, where: str, component: str) -> None:
    if answer.status != 200:
        raise NotYet(f"{where} does not answer a query: {answer.excerpt()}")
    try:
        found = answer.json()["data"]["result"]
    except (KeyError, TypeError) as error:
        raise NotYet(f"{where} does not answer as a query API does: {answer.excerpt()}") from error
    if not found:
        raise NotYet(f"{where} answers, but without what this run has sent; if the arrow into {component} failed too, look there first")


def user(component: str) -> Callable[[Run], Proof]:
    """Return the check of one public host: TLS, login, the query, what must stay closed, and the redirect from plain HTTP."""

    def check(run: Run) -> Proof:
        route = run.plan["ingress"]["routes"][component]
        host = route["host"]
        front = run.front()
        if component == "grafana":
            began = time.monotonic()
            answer = run.until(lambda: _status(front.request(host, "GET", "/api/health"), (200,), f"https://{host}/api/health"))
            seconds = time.monotonic() - began
            notes = _all(lambda: _redirected(front, host, "/"), lambda: _closed(front, host, route["closed"], {}))
            good, warning = _certificate(run, host)
            return Proof(f"https://{host}/api/health", f"HTTP {answer.status}, {good}", seconds, (*notes, *warning))
        run.needs_word(component)
        login = {**run.plan["headers"], **(run.login(run.options.users_secret) if route["auth"] else {})}
        path, query = run.query_path(component)
        target = f"{run.plan['prefix'][component]}{path}?{urlencode(query)}"
        began_at = [0.0]

        def look() -> None:
            began_at[0] = time.monotonic()
            _found(front.request(host, "GET", target, login), f"https://{host}", component)

        run.until(look)
        seconds = time.monotonic() - began_at[0]
        checks: list[Callable[[], str]] = [lambda: _redirected(front, host, target), lambda: _closed(front, host, route["closed"], login)]
        if route["auth"]:
            checks.append(lambda: _refused(front, host, target))
        notes = _all(*checks)
        good, warning = _certificate(run, host)
        return Proof(f"{run.expression(component)} to https://{host}", f"answered by {component}, {good}", seconds, (*notes, *warning))

    return check


def _status(answer: Answer, expected: Sequence[int], what: str) -> Answer:
    if answer.status not in expected:
        raise NotYet(f"{what} answered {answer.excerpt()}; expected {' or '.join(str(status) for status in expected)}")
    return answer


def _certificate(run: Run, host: str) -> tuple[str, tuple[str, ...]]:
    """Return for how long the certificate is good for a host, and a note when that is short, which is a warning of the run as well."""
    left = int(run.front().days_left(host))
    good = f"certificate good for {host}, {left} days left"
    if left >= CERTIFICATE_DAYS:
        return good, ()
    warning = (
        f"the certificate of the ingress ends in {left} days and should have been renewed: the next run of the site's playbook renews the "
        "stack's own, for cert-manager's look at its Certificate (`kubectl describe certificate`)"
    )
    if warning not in run.warnings:
        run.warnings.append(warning)
    return good, (warning,)


def _refused(front: Front, host: str, target: str) -> str:
    wrong = basic("nobody", "wrong")
    for headers, who in (({}, "without credentials"), (wrong, "with wrong credentials")):
        answer = front.request(host, "GET", target, headers)
        if answer.status != 401:
            raise Failed(
                f"https://{host} answered a query {who} with HTTP {answer.status}; expected 401: anybody can read it (annotations "
                "of the Ingress, its auth Secret)"
            )
    return "401 without credentials"


def _closed(front: Front, host: str, closed: Sequence[Mapping[str, str]], login: Mapping[str, str]) -> str:
    reached = []
    for entry in closed:
        answer = front.request(host, entry["method"], entry["path"], login, b"" if entry["method"] == "POST" else None)
        if answer.status not in (401, 403, 404):
            reached.append(f"{entry['method']} {entry['path']} (HTTP {answer.status})")
    if reached:
        raise Failed(
            f"https://{host} lets a user reach {', '.join(reached)}; expected 403 or 404, as the inventory does not open them "
            "(ingress_nginx_open_paths)"
        )
    return f"{len(closed)} internal path{'' if len(closed) == 1 else 's'} closed"


def _redirected(front: Front, host: str, target: str) -> str:
    answer = front.redirect(host, target)
    if answer is None:
        return "plain HTTP not looked at (verify_ingress_http_address is empty)"
    if answer.status not in (301, 302, 307, 308) or not answer.headers.get("location", "").startswith(f"https://{host}"):
        raise Failed(
            f"http://{host} answered HTTP {answer.status} {answer.headers.get('location', '')}; expected a redirect to https://{host}"
        )
    return "plain HTTP redirects to HTTPS"


def balance_prometheus(run: Run) -> Proof:
    """Check that every replica answers some of the reads through the Service, and some of those through the ingress."""
    began = time.monotonic()
    path = "/api/v1/status/runtimeinfo"
    service = run.plan["components"]["prometheus"]["service"]
    counts = {"the Service": _answered(run, lambda: run.cluster.service(service, run.port("prometheus"), path), "the Service prometheus")}
    if "prometheus" in run.plan["ingress"]["routes"] and run.has("ingress_nginx"):
        route = run.plan["ingress"]["routes"]["prometheus"]
        front = run.front()
        login = run.login(run.options.users_secret) if route["auth"] else {}
        counts["the ingress"] = _answered(run, lambda: front.request(route["host"], "GET", path, login), "the ingress")
    shares = "; ".join(
        f"{where}: " + ", ".join(f"{pod} {count}" for pod, count in sorted(shared.items())) for where, shared in counts.items()
    )
    return Proof(f"{sum(sum(shared.values()) for shared in counts.values())} reads", shares, time.monotonic() - began)


def _answered(run: Run, read: Callable[[], Answer], where: str) -> Counter[str]:
    """Return how often each replica answered, once each did."""
    pods = run.pods("prometheus")
    counts: Counter[str] = Counter()
    for _ in range(BALANCE_TRIES):
        answer = run.until(lambda: _status(read(), (200,), where))
        counts[answer.json()["data"]["hostname"]] += 1
        if all(counts[pod] for pod in pods):
            return counts
    silent = ", ".join(pod for pod in pods if not counts[pod])
    raise Failed(
        f"{silent} answered none of {BALANCE_TRIES} reads through {where}; is it ready, and does the controller pin a client to one "
        "endpoint?"
    )


def balance_otel(run: Run) -> Proof:
    """Check that every collector takes some of the OTLP requests through the Service."""
    sent = run.sent()
    silent = [pod for pod, count in sent.shared.items() if not count]
    if silent or not sent.shared:
        raise Failed(
            f"{', '.join(silent) or 'no collector'} accepted none of {sent.requests} OTLP requests through the Service; is it ready? "
            f"{'; '.join(sent.refused)}"
        )
    shares = ", ".join(f"{pod} {count:.0f}" for pod, count in sent.shared.items())
    return Proof(f"{sent.requests} OTLP requests through the Service", f"samples accepted: {shares}", time.monotonic() - sent.at)


CHECKS: dict[str, Callable[[Run], Proof]] = {
    **{f"user-{component}": user(component) for component in ("grafana", "prometheus", "mimir", "loki")},
    "application-prometheus": application_prometheus,
    "application-alloy": application_alloy,
    "alloy-loki": alloy_loki,
    "application-otel_collector": application_otel,
    "otel_collector-prometheus": otel_prometheus,
    "otel_collector-loki": otel_loki,
    "alloy-prometheus": alloy_prometheus,
    "prometheus-mimir": prometheus_mimir,
    **{f"grafana-{component}": grafana(component) for component in ("prometheus", "mimir", "loki")},
    "balance-prometheus": balance_prometheus,
    "balance-otel_collector": balance_otel,
}


# --- the run --------------------------------------------------------------------------------------------------------------

Row = dict[str, Any]


def _row(arrow: Mapping[str, Any], status: str, detail: str, seconds: float | None = None, sent: str = "", read_back: str = "") -> Row:
    return {
        "arrow": arrow["name"],
        "status": status,
        "seconds": None if seconds is None else round(seconds, 2),
        "detail": detail,
        "sent": sent,
        "read_back": read_back,
    }


def _untested(arrow: Mapping[str, Any], absent: Mapping[str, str]) -> Row | None:
    if not arrow["off"]:
        return None
    reasons = [absent.get(component) or f"{component}_enabled is false" for component in arrow["off"]]
    return _row(arrow, "not tested", "; ".join(dict.fromkeys(reasons)))


def _checked(run: Run, arrow: Mapping[str, Any]) -> Row:
    began = time.monotonic()
    try:
        proof = CHECKS[arrow["name"]](run)
    except (Failed, ClusterError) as error:
        return _row(arrow, "failed", str(error), time.monotonic() - began)
    stand_ins = [end for end in (arrow["source"], arrow["target"]) if end in run.options.absent]
    if stand_ins:
        reasons = "; ".join(run.options.absent[end] for end in stand_ins)
        detail = f"{reasons}; what stands in for {' and '.join(stand_ins)} did it in {proof.seconds:.1f} s"
        return _row(arrow, "not tested", detail, proof.seconds, proof.sent, proof.read_back)
    return _row(arrow, "ok", "; ".join(proof.notes), proof.seconds, proof.sent, proof.read_back)


def prove(run: Run) -> list[Row]:
    """Return one row per arrow of the plan: `arrow`, `status` (ok, failed, not tested), `seconds`, `detail`, `sent`, `read_back`.

    Raises ClusterError when the cluster cannot be asked at all. The probe pods are gone when this returns.
    """
    rows: dict[str, Row] = {}
    pending = {}
    for arrow in run.plan["arrows"]:
        row = _untested(arrow, run.options.absent)
        if row:
            rows[arrow["name"]] = row
        else:
            pending[arrow["name"]] = arrow
    finished: queue.Queue[Row] = queue.Queue()

    def work(arrow: Mapping[str, Any]) -> None:
        try:
            finished.put(_checked(run, arrow))
        except Exception as error:  # noqa: BLE001 - a bug must not look like an arrow that takes long
            finished.put(_row(arrow, "failed", f"the check itself broke: {error!r}; please report this"))

    run.remove_leftovers()
    try:
        for component in WATCHED:
            with contextlib.suppress(Failed, KeyError):  # a check that needs them says so itself
                run.before(component)
        for arrow in pending.values():
            # Daemons: one that hangs in a system call must not keep the module from answering.
            threading.Thread(target=work, args=(arrow,), name=arrow["name"], daemon=True).start()
        # The checks end by themselves at the deadline; a little more for the requests that are under way.
        limit = run.deadline + 2 * run.cluster.timeout
        while len(rows) < len(run.plan["arrows"]):
            try:
                done = finished.get(timeout=max(limit - time.monotonic(), 0.01))
            except queue.Empty:
                break
            rows[done["arrow"]] = done
    finally:
        run.clean()
    late = f"the check had not ended after {run.options.timeout:.0f} s; a higher verify_timeout may be needed"
    return [rows.get(arrow["name"]) or _row(arrow, "failed", late, run.options.timeout) for arrow in run.plan["arrows"]]
