"""What verification sends by OTLP: one sample and one log record on every way into the collectors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ..cluster import Answer, ClusterError
from . import otlp

if TYPE_CHECKING:
    from .session import Session

SERVICE_NAME = "observability-stack-verify"
GAUGE = "observability_verify"
# How many requests through a balanced Service are enough to say that a replica never answers: (1/2)^40.
BALANCE_TRIES = 40
# After so many seconds with something rejected no more requests are sent: each may take as long as its timeout.
_REJECTED_ENOUGH = 5
# How many rejected messages a report shows.
_SHOWN = 5
_JSON = {"content-type": "application/json"}
# The collectors, and their ports for OTLP.
RECEIVER, HTTP, GRPC = "otel_collector", "otlp-http", "otlp-grpc"


@dataclass(frozen=True)
class Sample:
    """One OTLP sample: how it went in, its value, and its own time in Unix milliseconds."""

    via: str
    value: float
    milliseconds: int


@dataclass
class Sent:
    """What was sent by OTLP.

    The samples and log bodies that were accepted, what was rejected, and how many samples each collector took (`shared`) of the `requests`
    through the Service.
    """

    samples: list[Sample] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)
    shared: dict[str, float] = field(default_factory=dict)
    requests: int = 0
    at: float = 0.0

    def reasons(self) -> str:
        """Return why something was rejected, the first few cases of it."""
        return "; ".join(self.rejected[:_SHOWN]) + (f"; and {len(self.rejected) - _SHOWN} more" if len(self.rejected) > _SHOWN else "")


def send(session: Session) -> Sent:
    """Send on every way into the collectors; through the Service until each collector got something."""
    pods = session.pods(RECEIVER)
    http = session.port(RECEIVER, HTTP)
    sent = Sent(at=time.monotonic())

    def through_service(path: str, body: bytes) -> Answer:
        return session.cluster.service(session.name(RECEIVER), http, path, method="POST", headers=_JSON, body=body)

    def to_pod(pod: str, path: str, body: bytes) -> Answer:
        return session.cluster.pod(pod, http, path, method="POST", headers=_JSON, body=body)

    before = _accepted(session, pods)
    while sent.requests < BALANCE_TRIES and not (sent.rejected and time.monotonic() - sent.at > _REJECTED_ENOUGH):
        sent.requests += 1
        _post(session, sent, f"service-{sent.requests}", through_service)
        if sent.requests < len(pods):
            continue
        sent.shared = {pod: count - before[pod] for pod, count in _accepted(session, pods).items()}
        if all(sent.shared.values()):
            break
    for pod in pods:
        _post(session, sent, f"{pod}-http", partial(to_pod, pod))
        if _samples_go_anywhere(session):
            _call(session, sent, pod)
    return sent


def _samples_go_anywhere(session: Session) -> bool:
    """Whether the collectors have a pipeline for samples; without a store for them they answer 404."""
    return session.stack.has("prometheus")


def _resource(session: Session) -> dict[str, str]:
    return {"service.name": SERVICE_NAME, "service.instance.id": session.run_id}


def _post(session: Session, sent: Sent, via: str, post: Callable[[str, bytes], Answer]) -> None:
    sample = Sample(via, float(len(sent.samples) + 1), int(time.time() * 1000))
    line = f"verify {session.run_id} {via}"
    attributes = {"run": session.run_id, "via": via}
    resource = _resource(session)
    bodies = []
    # Without a store for a signal the collector has no pipeline for it, and answers 404.
    if _samples_go_anywhere(session):
        bodies.append(("/v1/metrics", otlp.metrics_json(resource, GAUGE, attributes, sample.value, sample.milliseconds)))
    if session.stack.has("loki"):
        bodies.append(("/v1/logs", otlp.logs_json(resource, line, sample.milliseconds)))
    for path, body in bodies:
        try:
            answer = post(path, body)
            reason = answer.excerpt() if answer.status != 200 else otlp.rejected(answer.json())
        except ClusterError as error:
            reason = str(error)
        if reason:
            sent.rejected.append(f"OTLP/HTTP {path} via {via}: {reason}")
        elif path == "/v1/metrics":
            sent.samples.append(sample)
        else:
            sent.logs[via] = line


def _call(session: Session, sent: Sent, pod: str) -> None:
    port = session.port(RECEIVER, GRPC)
    sample = Sample(f"{pod}-grpc", float(len(sent.samples) + 1), int(time.time() * 1000))
    attributes = {"run": session.run_id, "via": sample.via}
    message = otlp.metrics_protobuf(_resource(session), GAUGE, attributes, sample.value, sample.milliseconds)
    try:
        otlp.grpc_call(session.cluster.forward(pod, port), f"{pod}:{port}", otlp.METRICS_METHOD, message)
        sent.samples.append(sample)
    except (otlp.OtlpError, ClusterError) as error:
        sent.rejected.append(f"OTLP/gRPC to {pod}: {error}")


def _accepted(session: Session, pods: Sequence[str]) -> dict[str, float]:
    """Return how much each collector has accepted so far: samples, or log records where samples go nowhere."""
    counted = "receiver_accepted_metric_points" if _samples_go_anywhere(session) else "receiver_accepted_log_records"
    return {pod: sum(value for (name, _labels), value in session.counters.page(RECEIVER, pod).items() if counted in name) for pod in pods}
