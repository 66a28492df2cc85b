"""Makes objects of a cluster like the desired ones: reads each, compares it with the record, and applies only what differs.

Server-side apply (Kubernetes documentation 1.36, "Server-Side Apply") keeps what others have added, and takes over the fields of the
desired object. What it did is read from its answer, so a dry run and a real one say the same.

One change takes several steps: a StatefulSet whose volumes grow is made anew (`volumes.py`). And a StatefulSet whose pods are replaced
waits until none of them is missing (`gate.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ..cluster import Cluster, ClusterError
from . import gate, recreation, volumes
from .comparison import FIELD_MANAGER, changed_fields, digest, is_same, live_digest, visible
from .kinds import BY_KIND, key_of, path_of, title_of
from .snapshot import THREADS, Item
from .waiting import Waiting

_APPLY = {"content-type": "application/apply-patch+yaml"}


class Rejected(ClusterError):  # noqa: N818 - it names what became of the object
    """The API server did not take an object, for a `reason`."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key} was rejected by the cluster: {reason}")
        self.reason = reason


@dataclass(frozen=True)
class Applied:
    """What became of one desired object. `before` is null when it was missing; `desired` and `live` are its digests for the record.

    `note` says how it was changed, where it took more than applying it.
    """

    item: Item
    before: Item | None
    after: Item
    changed: bool
    desired: str
    live: str
    note: str = ""

    @property
    def line(self) -> str:
        """For people: "StatefulSet loki: changed (spec.replicas)"."""
        if self.before is None:
            return f"{title_of(self.item)}: created"
        fields = changed_fields(self.before, self.after)
        if self.note:
            others = ", ".join(field for field in fields if not field.startswith(volumes.FIELD))
            return f"{title_of(self.item)}: {self.note}" + (f"; changed ({others})" if others else "")
        return f"{title_of(self.item)}: changed ({', '.join(fields) or 'fields of it belonged to another manager'})"

    @property
    def difference(self) -> dict[str, Any]:
        """For Ansible's `--diff`."""
        title = key_of(self.item)
        return {
            "before_header": title,
            "after_header": title,
            "before": visible(self.before) if self.before else {},
            "after": visible(self.after),
        }


def apply(
    cluster: Cluster,
    objects: Sequence[Item],
    known: Mapping[str, tuple[str, str]],
    *,
    dry: bool,
    always: bool,
    waiting: Waiting = Waiting(),  # noqa: B008 - it does not change
    gated: bool = True,
) -> list[Applied]:
    """Return what became of each object, in their order; what the record knows as it is on the cluster is not sent.

    `known` is the record of the role, by key; with `always` it is not looked at. Workloads come after everything that they need. Without
    `gated`, pods are replaced although others are not ready. Raises ClusterError with the API server's reason for the first object that it
    does not take.
    """
    steps = _Steps(cluster, waiting, dry=dry, gated=gated)

    def plan(item: Item) -> _Plan:
        return steps.plan(item, None if always else known.get(key_of(item)))

    found: dict[str, Applied] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        # Before anything is changed: a run that waits for a pod in vain has left its configuration alone, too.
        sets = [item for item in objects if item["kind"] == "StatefulSet"]
        held = dict(zip((key_of(item) for item in sets), pool.map(lambda item: steps.hold(plan(item)), sets), strict=True))
        for group in _in_order(objects):
            done = pool.map(lambda item: steps.done(held.get(key_of(item)) or plan(item)), group)
            found |= zip((key_of(item) for item in group), done, strict=True)
    return [found[key_of(item)] for item in objects]


def _in_order(objects: Sequence[Item]) -> list[list[Item]]:
    """Return the objects in groups, each of which needs only those before it: Namespaces, the rest, workloads and bindings.

    A binding to a role that is not there yet is taken only from somebody who may bind any role.
    """

    def order(item: Item) -> int:
        kind = BY_KIND.get(item["kind"])
        return 0 if item["kind"] == "Namespace" else 2 if item["kind"].endswith("Binding") or (kind and kind.workload) else 1

    return [[item for item in objects if order(item) == number] for number in (0, 1, 2)]


@dataclass(frozen=True)
class _Plan:
    """What is to become of one object: `after` is what applying makes of `before`. `going` is a StatefulSet that is being made anew."""

    item: Item
    desired: str
    before: Item | None = None
    after: Item | None = None
    note: str = ""
    going: Item | None = None


@dataclass(frozen=True)
class _Steps:
    """What happens to one object of a run: compare, wait, write."""

    cluster: Cluster
    waiting: Waiting
    dry: bool
    gated: bool

    def plan(self, item: Item, known: tuple[str, str] | None) -> _Plan:
        desired, before = digest(item), read(self.cluster, item)
        if before is None:
            return _Plan(item, desired)
        if since := before["metadata"].get("deletionTimestamp"):
            if recreation.is_interrupted(before):
                return _Plan(item, desired, going=before)
            # Applying would be answered with a success, and the object be gone afterwards.
            held = ", ".join(before["metadata"].get("finalizers") or [])
            raise ClusterError(
                f"{key_of(item)} is being deleted since {since}{f', and is held by its finalizers ({held})' if held else ''}; "
                "repeat the run when it is gone"
            )
        if known == (desired, live_digest(before)):
            return _Plan(item, desired, before, before)
        return _Plan(item, desired, before, *planned(self.cluster, item, before))

    def hold(self, plan: _Plan) -> _Plan:
        """Wait until pods may be replaced, where the plan does that, and return the plan."""
        before, after = plan.before, plan.after
        if not self.gated or before is None or after is None or not gate.replaces(before, after):
            return plan
        if self.dry:
            if why := gate.unready(self.cluster, before):
                self.waiting.say(f"{title_of(before)}: a run would wait with the replacement of its pods; {why}")
            return plan
        gate.hold(self.cluster, before, self.waiting)
        if gate.scaled_down(self.cluster, before, after, self.waiting):
            gate.hold(self.cluster, before, self.waiting)
        return plan

    def done(self, plan: _Plan) -> Applied:
        item, before, after = plan.item, plan.before, plan.after
        if before is None or after is None:
            if plan.going and not self.dry:
                recreation.wait_until_gone(self.cluster, plan.going, self.waiting)
            # What is being deleted cannot be tried.
            made = item if self.dry and plan.going else sent(self.cluster, item, dry=self.dry)
            return Applied(item, None, made, changed=True, desired=plan.desired, live=live_digest(made))
        # An apply that changes nothing is written nevertheless where a list is empty, and for every claim: such a write is avoided.
        if is_same(before, after):
            return Applied(item, before, before, changed=False, desired=plan.desired, live=live_digest(before))
        if plan.note:
            volumes.grow(self.cluster, item, before, dry=self.dry)
        if not self.dry and plan.note:
            after = recreation.recreated(self.cluster, item, before, after, self.waiting)
        elif not self.dry:
            after = sent(self.cluster, item, dry=False)
        return Applied(item, before, after, not is_same(before, after), plan.desired, live_digest(after), plan.note)


def planned(cluster: Cluster, item: Item, before: Item) -> tuple[Item, str]:
    """Return what applying an object would make of the one on the cluster, and a note where it would take more than that.

    The API server is asked, with the sizes that the volumes have, so that it checks everything else. Raises Rejected.
    """
    sizes = volumes.resized(before, item)
    if not sizes:
        return sent(cluster, item, dry=True), ""
    after = sent(cluster, volumes.with_sizes(item, {name: old for name, (old, _new) in sizes.items()}), dry=True)
    after = volumes.with_sizes(after, {name: new for name, (_old, new) in sizes.items()})
    replaced = " until each is replaced" if gate.replaces(before, after) else ""
    return after, f"{volumes.title(sizes)}; {recreation.NOTE}{replaced}"


def read(cluster: Cluster, item: Item) -> Item | None:
    """Return the object on the cluster; None when there is none."""
    answer = cluster.request("GET", path_of(item))
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise ClusterError(f"{title_of(item)} cannot be read: {answer.reason()}")
    return answer.object()


def sent(cluster: Cluster, item: Item, *, dry: bool) -> Item:
    """Apply an object and return the API server's answer. Raises Rejected when it does not take the object."""
    query = [("fieldManager", FIELD_MANAGER), ("force", "true"), *([("dryRun", "All")] if dry else [])]
    answer = cluster.request("PATCH", path_of(item), query, _APPLY, json.dumps(item).encode())
    # In a dry run a namespace that the run would make is not there yet.
    if dry and answer.status == 404 and item["metadata"].get("namespace"):
        return item
    if answer.status not in (200, 201):
        raise Rejected(key_of(item), answer.reason())
    return answer.object()
