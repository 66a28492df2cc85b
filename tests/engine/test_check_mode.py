"""What `--check --diff` shows is what a run then does, object by object and field by field."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.engine import ready
from tests.engine.installations import Installation, Run

# Written by the API server when it makes an object; a dry run takes other ones.
_ASSIGNED = re.compile(r"^[+-] +(healthCheckNodePort|nodePort|clusterIP): |^[+-] +- \d+\.\d+\.\d+\.\d+$")
_LINE = re.compile(r"^([A-Z]\w+ \S+): (created|changed|removed)(?: \((.*)\))?$")
CHANGES: dict[str, Any] = {"loki_retention": "3d", "alloy_enabled": False, "sample_application_enabled": True}


def objects(run: Run) -> list[str]:
    """Return the lines about objects, in their order."""
    return [line for line in run.lines if _LINE.match(line)]


def differences(run: Run) -> dict[str, list[str]]:
    """Return the lines of the diff that people see, for each object."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in run.output.splitlines():
        if line.startswith("--- before: "):
            title = line.removeprefix("--- before: ")
            found[title] = []
        elif title and line.startswith(("-", "+")) and not _ASSIGNED.search(line):
            found[title].append(line)
        elif title and not line.startswith((" ", "@@", "+++ ", "-", "+")):
            title = ""
    return found


@pytest.fixture(scope="module")
def runs(installation: Installation, garbage_collector: None) -> tuple[Run, Run, dict[str, Any], dict[str, Any], dict[str, Any]]:  # noqa: ARG001
    """Prepare a drift of every sort; return the run in check mode, the real one, and the objects before, between and after."""
    kubectl = installation.server.kubectl
    space = f"--namespace={installation.namespace}"
    kubectl("scale", space, "statefulset/prometheus", "--replicas=5")
    kubectl("set", "image", space, "deployment/grafana", "grafana=example.test/grafana:1")
    kubectl("delete", space, "service/mimir", "configmap/otel-collector")
    kubectl("patch", space, "service/loki", "--type=json", '--patch=[{"op": "remove", "path": "/spec/selector/app.kubernetes.io~1name"}]')
    kubectl("label", space, "networkpolicy/loki", "app.kubernetes.io/instance-", "app.kubernetes.io/part-of-")
    kubectl("annotate", space, "configmap/mimir", "example.test/note=added by others")
    # Ours, and in no inventory.
    left = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "left-over", "labels": _labels(installation)}}
    kubectl("apply", space, "--server-side", "--field-manager=observability.stack", "--filename=-", given=json.dumps(left))
    ready.make_ready(installation.cluster)
    before = installation.objects()
    checked = installation.play("site.yml", "--check", "--diff", **CHANGES)
    between = installation.objects()
    done = installation.play("site.yml", "--diff", **CHANGES)
    return checked, done, before, between, installation.objects()


def _labels(installation: Installation) -> dict[str, str]:
    name = "app.kubernetes.io/{}"
    instance = f"{installation.namespace}.{installation.namespace}"
    return {name.format("instance"): instance, name.format("part-of"): "observability-stack", name.format("managed-by"): "ansible"}


Runs = tuple[Run, Run, dict[str, Any], dict[str, Any], dict[str, Any]]


def test_check_mode_changes_nothing(runs: Runs) -> None:
    checked, _done, before, between, _after = runs
    assert checked.code == 0, checked.output
    assert _versions(before) == _versions(between)


def test_both_name_the_same_objects_and_fields_in_the_same_order(runs: Runs) -> None:
    checked, done, *_objects = runs
    assert done.code == 0, done.output
    assert objects(checked) == objects(done)


def test_both_show_the_same_differences(runs: Runs) -> None:
    checked, done, *_objects = (differences(run) if isinstance(run, Run) else run for run in runs)
    assert list(checked) == list(done)
    # In a namespace that is not there yet the API server does not say which values it would add.
    known = [title for title in done if " sample-application/" not in title]
    assert 10 < len(known) < len(done)
    assert {title: checked[title] for title in known} == {title: done[title] for title in known}
    assert all(done.values())


def test_what_they_name_is_what_has_changed_on_the_cluster(runs: Runs) -> None:
    _checked, done, before, _between, after = runs
    named: dict[str, set[str]] = {"created": set(), "changed": set(), "removed": set()}
    for line in objects(done):
        title, what, _fields = _LINE.match(line).groups()  # type: ignore[union-attr]
        named[what].add(title)
    assert named["created"] == _titles(after.keys() - before.keys())
    assert named["removed"] == _titles(before.keys() - after.keys())
    common = {key for key in before.keys() & after.keys() if _content(before[key]) != _content(after[key])}
    assert named["changed"] == _titles(common)
    # The prepared ones are among them.
    assert {"StatefulSet prometheus", "Deployment grafana", "Service loki", "NetworkPolicy loki", "ConfigMap loki"} <= named["changed"]
    assert {"Service mimir", "ConfigMap otel-collector", "Deployment sample-application"} <= named["created"]
    assert {"ConfigMap left-over", "DaemonSet alloy", "Service alloy", "ClusterRole observability-alloy"} <= named["removed"]
    assert "ConfigMap mimir" not in named["changed"]


def test_the_run_after_that_has_nothing_to_do(installation: Installation, runs: Runs) -> None:  # noqa: ARG001 - comes after them
    before = installation.versions()
    again = installation.play("site.yml", "--diff", **CHANGES)
    assert again.code == 0, again.output
    assert again.settled
    assert not objects(again)
    assert installation.versions() == before


def test_taking_the_changes_back_gives_the_first_stack(installation: Installation, runs: Runs) -> None:
    _checked, _done, before, _between, _after = runs
    run = installation.play()
    assert run.code == 0, run.output
    found = installation.objects()
    # What is no longer there is not in the record either, else every run would look for it.
    recorded = "ConfigMap observability/observability-stack-state"
    assert before[recorded]["data"].keys() == found[recorded]["data"].keys()
    # A namespace is not removed: it may hold what others have put there.
    assert _titles(found.keys() - before.keys()) == {"Namespace sample-application", "Service mimir", "ConfigMap otel-collector"}
    assert _titles(before.keys() - found.keys()) == {"ConfigMap left-over"}
    assert installation.play().settled


def _versions(objects_by_key: dict[str, Any]) -> dict[str, str]:
    return {key: item["metadata"]["resourceVersion"] for key, item in objects_by_key.items()}


def _titles(keys: Any) -> set[str]:
    """Return "ConfigMap loki" for "ConfigMap observability/loki"; what runs write about themselves is left out."""
    titles = {f"{key.split(' ')[0].partition('.')[0]} {key.split(' ')[1].rpartition('/')[2]}" for key in keys}
    return titles - {"ConfigMap observability-stack-state", "Lease observability-stack-run"}


def _content(item: dict[str, Any]) -> dict[str, Any]:
    counted = ("resourceVersion", "generation", "managedFields")
    metadata = {key: value for key, value in item["metadata"].items() if key not in counted}
    return {key: value for key, value in item.items() if key != "status"} | {"metadata": metadata}
