"""Which objects have to be applied again: what the engine says, against a dry run on the API server, for every row of `mutations`.

The dry run is compared here by other means than the engine's, so that an error in the engine's comparison shows.
"""

from __future__ import annotations

import copy
import datetime
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.observability.stack.plugins.module_utils.cluster import Answer, Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine import apply, record, settled, snapshot
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import key_of, path_of
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import INSTANCE, MANAGED_BY, PART_OF

from tests.engine.installations import Installation
from tests.engine.mutations import Item, cases
from tools.lab.loopback import ControlPlane

NAMESPACE = "mutations"
NOW = datetime.datetime.now(datetime.UTC)
CASES = {case.name: case for case in cases()}
MANAGER = "observability.stack"
LABELS = {INSTANCE: f"{NAMESPACE}.{NAMESPACE}", PART_OF: "observability-stack", MANAGED_BY: "ansible"}


class Counted(Cluster):
    """A client that keeps the methods of its requests."""

    methods: list[str]

    def request(self, method: str, *arguments: Any, **options: Any) -> Answer:
        self.methods.append(method)
        return super().request(method, *arguments, **options)


@dataclass(frozen=True)
class Outcome:
    """What was found for one case, by the dry run and by the engine.

    `snapshot`: the reasons that a snapshot gives; `sent`: whether applying sends the object; `changed`: whether it says that this has
    changed something, with the record and without; null where the API server rejects it. `left`: the reasons afterwards.
    """

    judged: bool
    snapshot: Sequence[str]
    sent: bool
    changed: bool | None
    changed_without_record: bool | None
    left: Sequence[str]
    line: str


def test_there_are_enough_mutations_of_either_sort() -> None:
    assert len(CASES) == len(list(cases()))
    assert sum(case.differs for case in CASES.values()) >= 124
    assert sum(not case.differs for case in CASES.values()) >= 80


@pytest.mark.parametrize("name", CASES)
def test_the_engine_says_what_a_dry_run_says(name: str, outcomes: Mapping[str, Outcome]) -> None:
    case, found = CASES[name], outcomes[name]
    assert found.judged == case.differs, "the table is wrong, or the mutation does nothing"
    assert bool(found.snapshot) == case.differs, found
    if found.changed is None or found.changed_without_record is None:
        assert re.search(r"was rejected by the cluster: .|is being deleted since \d", found.line)
        assert found.left, "what cannot be applied is not settled"
        return
    # An object that is recorded as it is is not sent at all.
    assert found.sent == case.differs, found
    assert (found.changed, found.changed_without_record) == (case.differs, case.differs), found
    assert not found.left, found


@pytest.fixture(scope="module")
def outcomes(api_server: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Return what was found for each case; all of them are on the cluster at the same time, each with an object of its own."""
    bench = Bench(api_server, _rendered(api_server, tmp_path_factory.mktemp("rendered")))
    return bench.outcomes()


def _rendered(api_server: ControlPlane, directory: Path) -> dict[str, Item]:
    placed = {"tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}], "node_selector": {"pool": "a"}}
    run = Installation(api_server, NAMESPACE, {"mimir_pod": placed}).play("render.yml", f"--extra-vars=render_directory={directory}")
    assert run.code == 0, run.output
    files = [path for path in directory.rglob("*.yaml") if path.name != "kustomization.yaml"]
    objects = [item for path in files for item in yaml.safe_load_all(path.read_text())]
    for item in objects:
        # Such a field would be ours, and an addition of somebody else inside of it a difference.
        assert all(item["metadata"].get(field, "none") for field in ("annotations", "labels")), item
    return {f"{item['kind']} {item['metadata']['name']}": item for item in objects}


class Bench:
    """All cases on one API server, step by step."""

    def __init__(self, server: ControlPlane, rendered: Mapping[str, Item]) -> None:
        self._cluster = Cluster(str(server.kubeconfig), server.context, NAMESPACE)
        self._server = server
        self._items = {case.name: _copy(rendered[case.target], number) for number, case in enumerate(CASES.values())}
        apply.apply(self._cluster, [rendered[f"Namespace {NAMESPACE}"]], {}, dry=False, always=True)

    def outcomes(self) -> dict[str, Outcome]:
        """Apply, mutate, ask, and apply again."""
        with ThreadPoolExecutor(4) as pool:
            entries = dict(zip(CASES, pool.map(self._installed, CASES), strict=True))
            assert not self._reasons(entries), "nothing has happened yet"
            list(pool.map(lambda case: case.mutation(self._cluster, self._items[case.name]), CASES.values()))
            reasons = self._reasons(entries)
            judged = dict(zip(CASES, pool.map(lambda name: _would_change(self._cluster, self._items[name]), CASES), strict=True))
            again = dict(zip(CASES, pool.map(lambda name: self._again(name, entries[name]), CASES), strict=True))
        left = self._reasons({name: entry for name, (_sent, _changed, _without, entry, _line) in again.items()})
        return {
            name: Outcome(judged[name], reasons.get(name, ()), sent, changed, without, left.get(name, ()), line)
            for name, (sent, changed, without, _entry, line) in again.items()
        }

    def _installed(self, name: str) -> record.Entry:
        return _entry(apply.apply(self._cluster, [self._items[name]], {}, dry=False, always=True))

    def _reasons(self, entries: Mapping[str, record.Entry]) -> dict[str, Sequence[str]]:
        """Write the record, each case being a role of its own, and return what a snapshot says."""
        roles = {f"case-{number}": name for number, name in enumerate(CASES)}
        made = {**record.config_map(NAMESPACE, LABELS), "data": {role: entries[name].dump() for role, name in roles.items()}}
        self._cluster.object("DELETE", f"/api/v1/namespaces/{NAMESPACE}/configmaps", [("fieldSelector", f"metadata.name={record.NAME}")])
        self._cluster.object("POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", body=made)
        found = snapshot.read(self._cluster, [NAMESPACE], LABELS)
        assert len(found.entries) == len(CASES)
        reasons = settled.differing(dict.fromkeys(roles, ""), found, dict.fromkeys(roles, "none"), NOW)
        return {roles[role]: why for role, why in reasons.items()}

    def _again(self, name: str, entry: record.Entry) -> tuple[bool, bool | None, bool | None, record.Entry, str]:
        counted = Counted(str(self._server.kubeconfig), self._server.context, NAMESPACE)
        counted.methods = []
        items, known = [self._items[name]], entry.objects
        try:
            [without] = apply.apply(self._cluster, items, known, dry=True, always=True)
            [dry] = apply.apply(counted, items, known, dry=True, always=False)
        except ClusterError as error:
            return True, None, None, entry, str(error)
        [done] = apply.apply(self._cluster, items, known, dry=False, always=False)
        assert (done.changed, done.line) == (dry.changed, dry.line), "a dry run says what a run then does"
        return "PATCH" in counted.methods, done.changed, without.changed, _entry([done]), done.line


def _copy(item: Item, number: int) -> Item:
    made = copy.deepcopy(item)
    made["metadata"]["name"] += f"-{number}"
    return made


def _entry(applied: Sequence[apply.Applied]) -> record.Entry:
    return record.Entry("", NOW, {key_of(one.item): (one.desired, one.live) for one in applied})


def _would_change(cluster: Cluster, item: Item) -> bool:
    """Ask the API server. An object that is being deleted is not as it should be, whatever can be applied to it until then."""
    before = cluster.request("GET", path_of(item))
    if before.status == 404 or before.json()["metadata"].get("deletionTimestamp"):
        return True
    query = [("fieldManager", MANAGER), ("force", "true"), ("dryRun", "All")]
    headers = {"content-type": "application/apply-patch+yaml"}
    after = cluster.request("PATCH", path_of(item), query, headers, json.dumps(item).encode())
    return after.status != 200 or _content(before.json()) != _content(after.json())


def _content(item: Item) -> tuple[Any, Any]:
    """Return an object as far as people write it, and what of it belongs to our manager."""
    ours = [
        (entry["apiVersion"], entry["fieldsV1"])
        for entry in item["metadata"].pop("managedFields", [])
        if entry["manager"] == MANAGER and entry["operation"] == "Apply" and "subresource" not in entry
    ]
    metadata = {key: value for key, value in item["metadata"].items() if key not in ("resourceVersion", "generation")}
    return {key: value for key, value in item.items() if key not in ("status", "metadata")} | {"metadata": metadata}, ours
