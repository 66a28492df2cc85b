"""Whether a query through a data source, or through the ingress, gives what this run has sent."""

from __future__ import annotations

import time

from ...cluster import Answer
from ..item import Item
from ..outcome import Evidence, Failed, NotYet
from ..session import Session


def data_source(session: Session, item: Item) -> Evidence:
    """Check one data source: healthy, and a query through it gives what this run has sent."""
    session.send_something(item.target)
    pods = session.pods(item.source)
    if not pods:
        raise Failed(f"no pod of {item.source} is ready (`kubectl get pods` in the stack's namespace)")
    login = session.login(session.options.grafana_secret)
    began = [time.monotonic()]

    def look() -> None:
        began[0] = time.monotonic()
        health = session.cluster.pod(pods[0], session.port(item.source), f"/api/datasources/uid/{item.target}/health", headers=login)
        if health.status in (401, 403):
            raise Failed(
                f"Grafana rejects the user in Secret {session.options.grafana_secret}: {health.excerpt()}; was the password changed "
                "in Grafana?"
            )
        if health.status != 200 or health.json().get("status") != "OK":
            raise NotYet(f"Grafana's data source {item.target} is not healthy: {health.excerpt()}")
        path, query = session.query_path(item.target)
        answer = session.cluster.pod(
            pods[0], session.port(item.source), f"/api/datasources/proxy/uid/{item.target}{path}", query=query, headers=login
        )
        found(answer, f"Grafana's data source {item.target}", item.target)

    session.until(look)
    return Evidence(
        f"{session.expression(item.target)} to data source {item.target}", f"answered by {item.target}", time.monotonic() - began[0]
    )


def found(answer: Answer, where: str, component: str) -> None:
    """Raise NotYet unless a store has answered a query with something."""
    if answer.status != 200:
        raise NotYet(f"{where} does not answer a query: {answer.excerpt()}")
    try:
        result = answer.json()["data"]["result"]
    except (KeyError, TypeError) as error:
        raise NotYet(f"{where} does not answer as a query API does: {answer.excerpt()}") from error
    if not result:
        raise NotYet(f"{where} answers, but has nothing for the query; if the connection to {component} failed too, look there first")
