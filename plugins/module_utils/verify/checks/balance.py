"""Whether every replica serves some of the requests."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from ...cluster import Answer
from ...stack import catalogue
from ..item import Item
from ..outcome import Evidence, Failed
from ..sending import BALANCE_TRIES
from ..session import Session
from .public_hosts import answered


def balanced_reads(session: Session, item: Item) -> Evidence:
    """Check that reads are shared over the replicas of a component with a query API.

    Through the Service means: to a ready endpoint of it, taken at random.
    """
    component = item.target
    began = time.monotonic()
    path = "/api/v1/status/runtimeinfo"

    def through_service() -> Answer:
        return session.cluster.service(session.name(component), session.port(component), path)

    counts = {"the Service": _counted(session, component, through_service, f"the Service {session.name(component)}")}
    if catalogue.component(component).public and session.stack.has("ingress"):
        client, login = session.ingress(), session.login(session.options.users_secret)
        host = session.stack.hosts[component]
        counts["the ingress"] = _counted(session, component, lambda: client.request(host, "GET", path, login), "the ingress")
    shares = "; ".join(
        f"{where}: " + ", ".join(f"{pod} {count}" for pod, count in sorted(shared.items())) for where, shared in counts.items()
    )
    return Evidence(f"{sum(sum(shared.values()) for shared in counts.values())} reads", shares, time.monotonic() - began)


def _counted(session: Session, component: str, read: Callable[[], Answer], where: str) -> Counter[str]:
    """Return how often each replica answered, once each did."""
    pods = session.pods(component)
    counts: Counter[str] = Counter()
    for _try in range(BALANCE_TRIES):
        answer = session.until(lambda: answered(read(), where))
        counts[answer.json()["data"]["hostname"]] += 1
        if all(counts[pod] for pod in pods):
            return counts
    silent = ", ".join(pod for pod in pods if not counts[pod])
    raise Failed(
        f"{silent} answered none of {BALANCE_TRIES} reads through {where}; is it ready, and does the controller pin a client to one "
        "endpoint?"
    )


def balanced_requests(session: Session, _item: Item) -> Evidence:
    """Check that OTLP requests are shared over the collectors."""
    sent = session.sent()
    silent = [pod for pod, count in sent.shared.items() if not count]
    if silent or not sent.shared:
        raise Failed(
            f"{', '.join(silent) or 'no collector'} accepted none of {sent.requests} OTLP requests through the Service; is it ready? "
            f"{sent.reasons()}"
        )
    shares = ", ".join(f"{pod} {count:.0f}" for pod, count in sent.shared.items())
    return Evidence(f"{sent.requests} OTLP requests through the Service", f"samples accepted: {shares}", time.monotonic() - sent.at)
