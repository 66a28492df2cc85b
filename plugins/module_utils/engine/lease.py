"""One run at a time for each stack: a Lease that a run holds while it changes the cluster (Kubernetes API 1.36, coordination.k8s.io/v1).

A run that was killed holds it no longer than its duration. Time is measured here, since the clocks of two machines need not agree: a
Lease that nobody has renewed for as long as it was watched is free.
"""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..cluster import Cluster, ClusterError
from .kinds import BY_KIND

NAME = "observability-stack-run"
DURATION = 40
PAUSE = 1.0


class RunLease:
    """The Lease of the runs of one stack, seen by one of them. `holder` names that run, for people."""

    def __init__(self, cluster: Cluster, namespace: str, holder: str, labels: Mapping[str, str]) -> None:
        self._cluster, self._namespace, self._holder, self._labels = cluster, namespace, holder, labels
        self._path = BY_KIND["Lease"].path(namespace, NAME)
        self._held = -math.inf

    def hold(self, patience: float, say: Callable[[str], None]) -> None:
        """Take the Lease or renew it; while another run holds it, wait. Raises ClusterError after `patience` seconds."""
        start = time.monotonic()
        seen: tuple[Any, Any] = (None, None)
        since, said = start, None
        while True:
            found = self._read()
            spec = (found or {}).get("spec") or {}
            holder, now = spec.get("holderIdentity"), time.monotonic()
            if (holder, spec.get("renewTime")) != seen:
                seen, since = (holder, spec.get("renewTime")), now
            free = not holder or holder == self._holder or now - since > (spec.get("leaseDurationSeconds") or DURATION)
            if free and self._write(found):
                self._held = now
                return
            if now - start > patience:
                raise ClusterError(
                    f"another run changes this stack: {holder}, since {spec.get('acquireTime')}; it has not ended within {patience:.0f} s "
                    f"(observability_wait_timeout). If there is no such run, delete the Lease {NAME} in {self._namespace}"
                )
            if not free and holder != said:
                said = holder
                say(f"waiting for another run on this stack: {holder}, since {spec.get('acquireTime')}")
            time.sleep(PAUSE)

    def keep(self, patience: float, say: Callable[[str], None]) -> None:
        """Hold the Lease on, for somebody who waits and calls this again and again."""
        if time.monotonic() - self._held > DURATION / 4:
            self.hold(patience, say)

    def release(self) -> bool:
        """Give the Lease back, and return whether this run held it."""
        found = self._read()
        held = bool(found) and ((found or {}).get("spec") or {}).get("holderIdentity") == self._holder
        return held and self._write(found, holder="")

    def _read(self) -> dict[str, Any] | None:
        answer = self._cluster.request("GET", self._path)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise ClusterError(f"the Lease {NAME} cannot be read: {answer.reason()}")
        return answer.object()

    def _write(self, found: Mapping[str, Any] | None, holder: str | None = None) -> bool:
        """Write the holder into the Lease; return False when another run was quicker."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        name = self._holder if holder is None else holder
        spec = dict((found or {}).get("spec") or {})
        renewed = spec.get("holderIdentity") == name
        spec |= {"holderIdentity": name, "leaseDurationSeconds": DURATION, "renewTime": now}
        spec |= {} if renewed else {"acquireTime": now}
        metadata = (found or {}).get("metadata") or {"name": NAME, "namespace": self._namespace, "labels": dict(self._labels)}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        # The version that was read goes with it, so that only one of two writers wins.
        method, where = ("PUT", self._path) if found else ("POST", BY_KIND["Lease"].path(self._namespace))
        answer = self._cluster.send(method, where, lease)
        if answer.status in (404, 409):
            return False
        if answer.status not in (200, 201):
            raise ClusterError(f"the Lease {NAME} cannot be written: {answer.reason()}")
        return True
