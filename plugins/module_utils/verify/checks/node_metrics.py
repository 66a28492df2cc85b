"""Whether the metrics of every node arrive, newer than this run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from ...stack.high_availability import COLLECTOR_LABEL, collector_value
from ..item import Item
from ..outcome import Evidence, Failed, NotYet, all_of
from ..probes import ready
from ..session import Session
from ..stores import Metrics


def node_metrics(session: Session, item: Item) -> Evidence:
    """Check that each replica has a sample of each node: pushed after this run began or, where nothing is sent, not long before."""
    began = time.monotonic()
    nodes = agent_nodes(session, item.source)
    for replica in session.replicas(item.target):
        session.until(partial(nodes_in, session, replica, item.source, nodes))
    seconds = time.monotonic() - began
    notes = all_of(*item.losses(session))
    age = "newer than this run" if session.sends else f"at most {session.started - session.fresh:.0f} s old"
    return Evidence(f"node_uname_info of {len(nodes)} nodes, {age}", f"once at {', '.join(session.pods(item.target))}", seconds, notes)


def agent_nodes(session: Session, component: str) -> list[str]:
    """Return the nodes on which a pod of an agent is ready. Raises Failed when there is none."""
    nodes = sorted(pod["spec"]["nodeName"] for pod in session.running(component) if ready(pod))
    if not nodes:
        raise Failed(f"no pod of {component} is ready (`kubectl get pods` in the stack's namespace)")
    return nodes


def nodes_in(session: Session, store: Metrics, component: str, nodes: Sequence[str]) -> None:
    """Raise unless a store has node metrics of each node exactly once, newer than the run."""
    sender = f'{COLLECTOR_LABEL}="{collector_value(component)}"'
    newest: dict[str, list[float]] = {}
    for series in store.query(f"timestamp(node_uname_info{{{sender}}})"):
        newest.setdefault(series.labels.get("instance", ""), []).append(series.samples[-1][1])
    for node in nodes:
        # The series of a pod that has been replaced stays for five minutes, as its name is in it: that is no duplicate.
        times = sorted(newest.get(node, []), reverse=True)
        current = sum(time >= session.fresh for time in times)
        if current > 1:
            problem = Failed if session.sends else NotYet
            raise problem(f"{store.name} has node_uname_info of {node} {current} times; expected once")
        if not times:
            raise NotYet(f"{store.name} has no node_uname_info{{{sender}, instance={node!r}}}; see the log of Alloy on that node")
        if times[0] < session.fresh:
            raise NotYet(
                f"the newest node_uname_info of {node} at {store.name} is {session.started - times[0]:.0f} s older than this run; "
                f"expected {'a newer one' if session.sends else f'at most {session.started - session.fresh:.0f} s'}"
            )
