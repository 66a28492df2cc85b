"""What replicas agree on: the Prometheus pair, its senders and Mimir, so that two replicas give one copy; the members of a ring.

Scraped samples differ between the replicas, so Mimir's HA tracker keeps those of the elected one. Pushed samples reach both replicas with
the same time and value, so both copies may be written: the second one changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import connections
from .labels import instance
from .model import Stack

# The labels that the pair's external labels and Mimir's HA tracker agree on.
GROUP_LABEL = "prom_ha_group"
REPLICA_LABEL = "__replica__"
# On every pushed sample, with the name of its sender. Other values of this label belong to the application.
COLLECTOR_LABEL = "collector"
# What an application's own label of that name becomes where the two would clash.
EXPORTED_LABEL = f"exported_{COLLECTOR_LABEL}"
# Set here on every scraped or forwarded sample; a site must not set them as well.
RESERVED_LABELS = ("cluster", GROUP_LABEL, REPLICA_LABEL, COLLECTOR_LABEL)
# The queues of remote write, by what they carry.
SCRAPED_QUEUE, PUSHED_QUEUE, ONLY_QUEUE = "mimir-scraped", "mimir-pushed", "mimir"
_RECEIVER = "prometheus"


# Copies of everything that comes in, where a component has as many replicas; two of them have to take it, and to answer.
_COPIES = 3


def ring(stack: Stack, component: str) -> dict[str, Any]:
    """Return what a component's replicas agree on as members of a ring: `replication_factor`, and `min_ready_duration`.

    That is how long a member that is ready waits before it says so: until the others have heard of it, so that a roll-out does not stop
    the next one before. A single replica has nobody to wait for.

    `/ready` asks the ring until it has been ready once, and never again (dskit, ring/lifecycler.go, CheckReady): it holds back a roll-out,
    and takes no pod out of service for another one. Loki 3.7.8 waits for every member (`ingester.lifecycler.readiness_check_ring_health`,
    true by default), Mimir 3 for its own place only (pkg/ingester/ingester_ring.go sets it to false; the option is gone since 2.9). Hence
    the engine looks at all pods before any is replaced (`engine/gate.py`).
    """
    if stack.replicas[component] < _COPIES:
        return {"replication_factor": 1, "min_ready_duration": "0s"}
    return {"replication_factor": _COPIES, "min_ready_duration": "15s"}


def collector_value(component: str) -> str:
    """Return the value of the `collector` label on what a component sends: `otel_collector` -> "otel"."""
    return component.removesuffix("_collector")


def senders() -> dict[str, str]:
    """Return the components that push samples to Prometheus, each with its value of the `collector` label."""
    found = [row.source for row in connections.CONNECTIONS if row.target == _RECEIVER and row.purpose == "push"]
    return {component: collector_value(component) for component in sorted(set(found))}


def external_labels(stack: Stack) -> dict[str, str]:
    """Return Prometheus' external labels. `${POD_NAME}` is expanded by Prometheus from its environment; what the inventory says is not."""
    return {
        **{name: value.replace("$", "$$") for name, value in stack.external_labels.items()},
        "cluster": stack.cluster_name,
        GROUP_LABEL: instance(stack),
        REPLICA_LABEL: "${POD_NAME}",
    }


def queues(stack: Stack) -> dict[str, list[str]]:
    """Return the names of Prometheus' remote-write queues, by what they carry: `scraped` and `pushed`."""
    if stack.pushed_dedup == "ha_tracker":
        return {"scraped": [ONLY_QUEUE], "pushed": []}
    return {"scraped": [SCRAPED_QUEUE], "pushed": [PUSHED_QUEUE]}


@dataclass(frozen=True)
class Timeouts:
    """The HA tracker's timeouts in milliseconds; `heartbeat` is the interval at which each replica must send a sample."""

    update: int
    jitter: int
    failover: int
    heartbeat: int


def timeouts(stack: Stack) -> Timeouts:
    """Return timeouts with which the death of the elected replica costs a scraped series at most one scrape.

    A dead replica is replaced once it has been silent for `failover`, as Mimir last noted it, at most `update + jitter` ago. What the other
    replica sends meanwhile is dropped; as long as that time is shorter than one scrape interval, at most one of its scrapes of a target
    falls into it. Mimir requires failover >= update + jitter + 1 s (configuration reference 3.x, `limits`). The replicas are heard every
    `heartbeat`, also when they scrape next to nothing, by a recording rule: silence of a living replica would flip the election.
    """
    interval = stack.scrape_interval * 1000
    update = max(1000, min(interval // 5, 15000))
    jitter = update // 3
    failover = max(2 * update, update + jitter + 1000)
    return Timeouts(update, jitter, failover, heartbeat=1000)
