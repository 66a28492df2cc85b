"""Whatever the record on the cluster says, a run ends with the same objects: it is only a way to have less to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.engine import record
from ansible_collections.observability.stack.plugins.module_utils.engine.comparison import live_digest

from tests.engine.installations import Installation

KEY = f"ConfigMap observability/{record.NAME}"


def where(stack: Installation) -> str:
    return f"/api/v1/namespaces/{stack.namespace}/configmaps/{record.NAME}"


def entries(stack: Installation) -> dict[str, str]:
    """Return the entries on the cluster as text."""
    found: dict[str, str] = stack.cluster.object("GET", where(stack))["data"]
    return found


def others(versions: Mapping[str, str]) -> dict[str, str]:
    """Return the resource versions of everything but the record."""
    return {key: version for key, version in versions.items() if key != KEY}


def converges(stack: Installation, **changes: Any) -> None:
    """Run twice: the first run changes nothing but the record, and the second has nothing to do."""
    before = stack.versions()
    run = stack.play(**changes)
    assert run.code == 0, run.output
    assert not run.settled
    assert others(stack.versions()) == others(before)
    assert not [line for line in run.lines if ": changed" in line or ": created" in line or ": removed" in line]


def test_rendering_everything_gives_the_same_as_the_record(installation: Installation) -> None:
    assert installation.play().settled
    converges(installation, observability_always_render=True)


def test_entries_that_are_none_or_those_of_others_are_written_again(installation: Installation) -> None:
    good = entries(installation)
    mimir = json.loads(good["mimir"])
    damaged = {
        "namespaces": "",
        "mimir": good["mimir"][:-40],
        "loki": "[1, 2]",
        "prometheus": json.dumps({**mimir, "objects": {KEY: ["one"]}}),
        "alloy": good["grafana"],
        "otel_collector": json.dumps({**mimir, "checked": "yesterday"}),
        "grafana": json.dumps(
            {**json.loads(good["grafana"]), "objects": {key: ["x", "y"] for key in json.loads(good["grafana"])["objects"]}}
        ),
        "ingress": json.dumps(
            {**json.loads(good["ingress"]), "secrets": {"Secret observability/none": "x"}, "objects": {"no kind": ["a", "b"]}}
        ),
        "network_policies": None,
        "of_others": "\u0000\u2028 not ours",
    }
    installation.cluster.object("PATCH", where(installation), body={"data": damaged})
    converges(installation)
    again = entries(installation)
    assert {role: json.loads(again[role])["objects"] for role in good} == {role: json.loads(good[role])["objects"] for role in good}
    assert installation.play().settled
    installation.cluster.object("PATCH", where(installation), body={"data": {"of_others": None}})


def test_without_a_record_it_is_made_again(installation: Installation) -> None:
    good = entries(installation)
    installation.cluster.object("DELETE", where(installation))
    converges(installation)
    assert entries(installation).keys() == good.keys()


def test_a_record_that_lies_is_believed_until_everything_is_rendered(installation: Installation) -> None:
    """What nobody can see without rendering: a record that takes a drift for what was applied."""
    installation.server.kubectl("scale", f"--namespace={installation.namespace}", "statefulset/loki", "--replicas=2")
    key = "StatefulSet.apps observability/loki"
    entry = json.loads(entries(installation)["loki"])
    entry["objects"][key][1] = live_digest(installation.objects()[key])
    installation.cluster.object("PATCH", where(installation), body={"data": {"loki": json.dumps(entry)}})
    before = installation.versions()
    run = installation.play(observability_always_render=True)
    assert [line for line in run.lines if ": changed" in line] == ["StatefulSet loki: changed (spec.replicas)"]
    changed = {name for name, version in others(installation.versions()).items() if before[name] != version}
    assert changed == {key}
    assert installation.play().settled
