"""What a container is told beside its configuration: its probes, the address that it advertises, the memory that Go may use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._resources import quantity
from ._stack import Stack
from ._wiring import CATALOGUE

# The programs that register an address of their own with the others, and the flags that take it: one for each of their rings, for gossip
# and for the query frontend. By themselves they look for a private IPv4 address, and a pod with a public or an IPv6 address does not start.
# Flags, because they also win over a section that the inventory adds, and because Kubernetes expands the address in them: Mimir's and
# Loki's own expansion (-config.expand-env) would expand every `$` in the inventory's settings too. A given address may be IPv6; the
# switches for IPv6 (`instance_enable_ipv6`) only decide which one is looked for (dskit, ring.GetInstanceAddr).
_ADVERTISED: dict[str, tuple[str, ...]] = {
    "mimir": (
        "memberlist.advertise-addr",
        *(
            f"{ring}.instance-addr"
            for ring in (
                "alertmanager.sharding-ring", "compactor.ring", "distributor.ring", "ingester.ring", "overrides-exporter.ring",
                "querier.ring", "query-frontend", "query-scheduler.ring", "ruler.ring", "store-gateway.sharding-ring",
            )
        ),
    ),
    # The second one is that of `common.ring`, from which every ring takes it.
    "loki": ("memberlist.advertise-addr", "common.storage.ring.instance-addr", "frontend.instance-addr"),
}  # fmt: skip
# What Go may use of a container's memory limit, in percent; the rest is for what the Go runtime does not count.
GO_MEMORY_PERCENT = 80


def probes(stack: Stack, component: str) -> dict[str, Any]:
    """Return the probes of a component's container.

    The startup probe asks whether the process answers at all; it may take ten minutes, for a database that is migrated. A store that
    replays its write-ahead log answers already: however long that takes, it is not killed for it, which would only start it anew.
    The readiness probe gates traffic, and asks for what the component itself calls ready: replayed, and member of its rings. It fails for
    as long as something else is missing. The liveness probe must therefore ask for nothing but the process: it catches one that
    hangs, after five minutes.
    """
    entry = CATALOGUE[component]

    def get(path: str) -> dict[str, Any]:
        return {"path": path, "port": entry.health}

    return {
        "startupProbe": {"httpGet": get(entry.live), "periodSeconds": 2, "failureThreshold": 300, "timeoutSeconds": 2},
        "readinessProbe": {"httpGet": get(entry.ready), "periodSeconds": 2, "failureThreshold": 8, "timeoutSeconds": 3},
        "livenessProbe": {"httpGet": get(entry.live), "periodSeconds": 30, "failureThreshold": 10, "timeoutSeconds": 5},
    }


def advertised_address(stack: Stack, component: str) -> list[str]:
    """Return the arguments with which a component advertises its pod's address; the environment variable POD_IP has to hold that."""
    return [f"-{flag}=$(POD_IP)" for flag in _ADVERTISED[component]]


def go_memory_limit(stack: Stack, resources: Mapping[str, Any]) -> str:
    """Return GOMEMLIMIT, in bytes, for a container with these resources.

    It is lower than the memory limit, which would come too late: the kernel counts more than Go does. Raises ValueError when there is no
    limit, or when it is no Kubernetes quantity.
    """
    limit = (resources.get("limits") or {}).get("memory")
    try:
        return str(int(quantity(limit) * GO_MEMORY_PERCENT / 100))
    except ValueError as error:
        raise ValueError(f"limits.memory is {limit!r}; it should be a Kubernetes quantity like 1Gi") from error
