"""The faults of the events, for each profile: what each one does, and how the end of its effects is awaited."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.observability.stack.plugins.module_utils.stack.addressing import pod_names
from ansible_collections.observability.stack.plugins.module_utils.stack.object_storage import BUNDLED

from tests.failover import uploads
from tests.failover.environment import PATIENCE, Environment
from tests.failover.results import Effects
from tests.failover.waiting import wait

# Longer than Kubernetes takes to notice that a node does not answer.
_NODE_LOST_FOR = 60.0
# For how many seconds a store may not answer a single query: after a replica was killed, and after a node was. Until Kubernetes notices
# that one, the replicas there get their part of new connections: of the two of Prometheus every second one, many in a row by chance.
_BRIEFLY = 5.0
_UNNOTICED = 10.0


@dataclass(frozen=True)
class Fault:
    """One fault. `run` causes it and returns its effects; `untestable` returns why it cannot be done, or ''.

    `outage`: for how many seconds queries may fail, 0 for none of them, None where the profile promises nothing. `node`: the number of the
    node that is lost, from 1; the generator runs on another one then.
    """

    name: str
    description: str
    run: Callable[[Environment], Effects]
    untestable: Callable[[Environment], str]
    outage: float | None = None
    node: int = 0


def _nothing(_: Environment) -> Effects:
    return Effects()


def _delete_elected(environment: Environment) -> Effects:
    environment.delete(environment.elected())
    return Effects(elected_deaths=1)


def _delete_other(environment: Environment) -> Effects:
    elected = environment.elected()
    environment.delete(next(name for name in pod_names(environment.stack, "prometheus") if name != elected))
    return Effects()


def _roll(component: str) -> Callable[[Environment], Effects]:
    def roll(environment: Environment) -> Effects:
        deaths = 0
        for name in environment.restart(component):
            deaths += component == "prometheus" and name == environment.elected()
        return Effects(elected_deaths=deaths)

    return roll


def _delete_one(component: str) -> Callable[[Environment], Effects]:
    def delete(environment: Environment) -> Effects:
        environment.delete(environment.pods(component)[0]["metadata"]["name"])
        return Effects()

    return delete


def _replica(environment: Environment, component: str) -> str:
    """Return the replica of a component that a fault is about: of Prometheus the elected one."""
    return environment.elected() if component == "prometheus" else str(environment.pods(component)[0]["metadata"]["name"])


def _kill_one(component: str) -> Callable[[Environment], Effects]:
    def kill(environment: Environment) -> Effects:
        environment.kill(component, _replica(environment, component))
        return Effects(elected_deaths=int(component == "prometheus"))

    return kill


def _restart_one(component: str) -> Callable[[Environment], Effects]:
    def restart(environment: Environment) -> Effects:
        for _ in environment.restart(component, [_replica(environment, component)]):
            pass
        return Effects(elected_deaths=int(component == "prometheus"))

    return restart


def _outage(environment: Environment) -> Effects:
    stores = [component for component in ("mimir", "loki") if environment.stack.has(component)]
    try:
        for component in stores:
            environment.scale(component, 0)
        wait(PATIENCE, lambda: not any(environment.pods(component) for component in stores), "the stores do not end")
        environment.say(f"  {' and '.join(stores)} unavailable for {environment.outage:.0f} s")
        time.sleep(environment.outage)
    finally:
        for component in stores:
            environment.scale(component, environment.stack.replicas[component])
    return Effects()


def _lose_node(node: str, environment: Environment) -> Effects:
    elected = environment.elected()
    return Effects(elected_deaths=int(elected in environment.lose_node(node, _NODE_LOST_FOR)))


def needs(component: str) -> Callable[[Environment], str]:
    """Return a function that says why a component does not run here, or ''."""

    def reason(environment: Environment) -> str:
        return "" if environment.stack.has(component) else environment.absent.get(component, f"{component} is switched off")

    return reason


def _needs_node(environment: Environment) -> str:
    if not environment.can_lose_nodes:
        return "no node of a cluster of your own is stopped"
    return "" if environment.node_to_lose() else "no node with Prometheus or a collector that can be spared"


def _needs_processes(component: str) -> Callable[[Environment], str]:
    def reason(environment: Environment) -> str:
        absent = needs(component)(environment)
        return absent or ("" if environment.can_kill_processes else "no process of a cluster of your own is killed")

    return reason


def _needs_nodes(number: int) -> Callable[[Environment], str]:
    def reason(environment: Environment) -> str:
        if not environment.can_lose_nodes:
            return "no node of a cluster of your own is stopped"
        nodes = environment.nodes()
        return "" if len(nodes) >= max(number, 3) else f"the cluster has {len(nodes)} nodes; it takes three to lose one"

    return reason


def _needs_storage(environment: Environment) -> str:
    return "" if environment.stack.has(BUNDLED) else "the object storage is not the stack's own"


_SINGLE: tuple[Fault, ...] = (
    Fault("none", "no fault, for comparison", _nothing, lambda _: ""),
    Fault("kill-elected", "the Prometheus replica whose scrapes Mimir keeps is killed", _delete_elected, needs("mimir")),
    Fault("kill-other", "the other Prometheus replica is killed", _delete_other, needs("mimir")),
    Fault("prometheus-roll", "the Prometheus replicas are restarted one after the other", _roll("prometheus"), needs("mimir")),
    Fault("collector-roll", "the collectors are restarted one after the other", _roll("otel_collector"), needs("otel_collector")),
    Fault("collector-kill", "a collector is killed", _delete_one("otel_collector"), needs("otel_collector")),
    Fault("mimir-restart", "Mimir is restarted", _roll("mimir"), needs("mimir")),
    Fault("loki-restart", "Loki is restarted", _roll("loki"), needs("loki")),
    Fault("alloy-delete", "an Alloy pod is killed", _delete_one("alloy"), needs("alloy")),
    Fault("outage", "Mimir and Loki are unavailable for a while", _outage, needs("mimir")),
    Fault(
        "node-loss",
        "a node with a Prometheus replica is lost and comes back",
        lambda environment: _lose_node(environment.node_to_lose(), environment),
        _needs_node,
    ),
)


def _kill(component: str, what: str, outage: float = _BRIEFLY) -> Fault:
    name = f"{component.removeprefix('otel_')}-kill"
    return Fault(name, f"{what} is killed", _kill_one(component), _needs_processes(component), outage)


def _restart(component: str, what: str) -> Fault:
    name = f"{component.removeprefix('otel_')}-restart"
    return Fault(name, f"{what} is ended in order", _restart_one(component), needs(component), 0)


def _node_loss(number: int) -> Fault:
    def lose(environment: Environment) -> Effects:
        return _lose_node(environment.nodes()[number - 1], environment)

    return Fault(f"node-{number}-loss", f"node {number} is lost and comes back", lose, _needs_nodes(number), _UNNOTICED, number)


# The replicas of the profile, their nodes and what they share. Everything else happens in `single`.
_HA: tuple[Fault, ...] = (
    Fault("none", "no fault, for comparison", _nothing, lambda _: "", 0),
    _kill("mimir", "a Mimir replica"),
    _restart("mimir", "a Mimir replica"),
    _kill("loki", "a Loki replica"),
    _restart("loki", "a Loki replica"),
    _kill("prometheus", "the Prometheus replica whose scrapes Mimir keeps"),
    _restart("prometheus", "the Prometheus replica whose scrapes Mimir keeps"),
    _kill("otel_collector", "a collector", outage=0),
    _restart("otel_collector", "a collector"),
    _node_loss(1),
    _node_loss(2),
    _node_loss(3),
    Fault(uploads.FAULT, "the object storage of Mimir and Loki is unavailable for a while", uploads.outage, _needs_storage, 0),
)

FAULTS: dict[str, tuple[Fault, ...]] = {"single": _SINGLE, "ha": _HA}
