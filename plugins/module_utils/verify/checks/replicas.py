"""Whether the replicas of a component are there and ready, are scraped, and have found each other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from ...stack import catalogue, rollouts
from ..item import Item
from ..outcome import Evidence, Failed, NotYet
from ..session import Session
from ..stores import Metrics
from .public_hosts import answered


def health(session: Session, item: Item) -> Evidence:
    """Check that a component has the pods that it should have, and that each says itself that it is ready.

    Pods that stay with a node that is not ready are left out, as long as others of the component run elsewhere.
    """
    row = catalogue.component(item.target)
    began = time.monotonic()
    pods, left_out = session.until(partial(_ready_pods, session, item.target))
    notes = (f"left out, their nodes are not ready: {', '.join(left_out)}",) if left_out else ()
    return Evidence(f"GET {row.ready}", f"ready: {', '.join(pods)}", time.monotonic() - began, notes)


def _ready_pods(session: Session, component: str) -> tuple[list[str], tuple[str, ...]]:
    row = catalogue.component(component)
    workload = session.cluster.workload(row.workload, session.name(component))
    name, found = f"{row.workload} {session.name(component)}", workload["spec"].get("replicas", 1)
    wanted = session.stack.replicas.get(component, 0)
    if found < wanted:
        raise Failed(f"{name} has {found} replicas; expected {wanted}, as {component}_replicas says: who has scaled it down?")
    pods, nodes = session.running(component), session.cluster.nodes()
    state = rollouts.rollout(workload, pods, nodes)
    lost = rollouts.lost_pods(pods, nodes) if state.left_out else {}
    here = [pod for pod in pods if pod["metadata"]["name"] not in lost and "deletionTimestamp" not in pod["metadata"]]
    if not state.done:
        raise NotYet(rollouts.waiting_line([state], here))
    if not here:
        raise NotYet(f"{name} has no pod, and wants none: does a node fit its node selector, and are its taints tolerated?")
    names = sorted(pod["metadata"]["name"] for pod in here)
    for pod in names:
        answered(session.cluster.pod(pod, session.port(component, row.health), row.ready), f"GET {row.ready} of {pod}")
    return names, state.left_out


def targets(session: Session, item: Item) -> Evidence:
    """Check that each replica of Prometheus scrapes each pod of a component."""
    began = time.monotonic()
    # As Prometheus has them: the label `job` is the name of the application, by the recommended label of its pods.
    expression = f'up{{namespace="{session.stack.namespace_of(item.target)}", job="{session.name(item.target)}"}}'
    pods = session.pods(item.target)
    if not pods:
        raise Failed(f"no pod of {item.target} is ready, so there is nothing to scrape (`kubectl get pods` in the stack's namespace)")
    for replica in session.replicas(item.source):
        session.until(partial(_scraped, replica, expression, pods))
    return Evidence(expression, f"1 for {', '.join(pods)} at {', '.join(session.pods(item.source))}", time.monotonic() - began)


def _scraped(store: Metrics, expression: str, pods: Sequence[str]) -> None:
    up = {series.labels.get("pod", ""): series.samples[-1][1] for series in store.query(expression)}
    if missing := [pod for pod in pods if pod not in up]:
        raise NotYet(f"{store.name} has no target for {', '.join(missing)} ({expression}); see Status > Service discovery there")
    if down := [pod for pod in pods if up[pod] != 1]:
        raise NotYet(f"{store.name} cannot scrape {', '.join(down)} ({expression}); see Status > Target health there, and network policies")


def members(session: Session, item: Item) -> Evidence:
    """Check that the ring that each replica of a store sees has every replica as an active member."""
    began = time.monotonic()
    page = catalogue.component(item.target).ring
    pods = session.pods(item.target)
    for pod in pods:
        session.until(partial(_ring, session, item.target, page, pod, pods))
    return Evidence(f"GET {page}", f"active: {', '.join(pods)}", time.monotonic() - began)


def _ring(session: Session, component: str, page: str, pod: str, pods: Sequence[str]) -> None:
    answer = session.cluster.pod(pod, session.port(component), page, headers={"accept": "application/json"})
    states = {str(member["id"]): str(member["state"]) for member in answered(answer, f"GET {page} of {pod}").json().get("shards") or []}
    wrong = [f"{name} {states.get(name, 'missing')}" for name in pods if states.get(name) != "ACTIVE"]
    wrong += [f"{name} {state}, which is no replica" for name, state in states.items() if name not in pods]
    if wrong:
        raise NotYet(f"the ring that {pod} sees ({page}) has {', '.join(wrong)}; expected {', '.join(pods)}, each ACTIVE")
