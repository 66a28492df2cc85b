"""Events, and what they change in an inventory."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import inventories
from tests.failover.results import Result
from tests.upgrade import changes, database
from tests.upgrade.accounting import PATHS, data, sources
from tests.upgrade.drain import movable
from tests.upgrade.events import VARIABLES, events
from tests.upgrade.results import Data
from tests.upgrade.run import COMPONENTS, PROFILES, grouped
from tests.upgrade.site import laid_over
from tests.upgrade.targets import targets

NODES = ["node-1", "node-2", "node-3"]
EVENTS = list(events(NODES))


def inventory(profile: str, provider: str, **changed: Any) -> dict[str, Any]:
    variables = inventories.load(f"tests/upgrade/profiles/{profile}.yml")
    return {**inventories.load(VARIABLES), **variables, **database.variables(provider, variables), **changed}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("provider", ["lab", "kind"])
def test_every_change_is_one_that_an_inventory_may_have(profile: str, provider: str) -> None:
    stack = inventories.stack(**inventory(profile, provider))
    assert stack.profile == profile
    for step in range(3):
        assert not inventories.problems(**inventory(profile, provider, **changes.configuration(tuple(changes.CONFIGURATION), step)))
    images = changes.second_images(inventories.load("versions.yml"), tuple(stack.installed()))
    changed = inventories.stack(**inventory(profile, provider, **images))
    assert all(changed.images[name] == f"{stack.images[name]}-second" for name in stack.installed())


def test_each_step_changes_every_setting() -> None:
    steps = [changes.configuration(tuple(changes.CONFIGURATION), step) for step in (0, 1, 2, 4)]
    for one, other in itertools.pairwise(steps):
        assert all(one[key] != other[key] for key in one)


@pytest.mark.parametrize(("size", "more"), [("2Gi", "3Gi"), ("9Gi", "10Gi"), ("500Mi", "501Mi")])
def test_a_larger_volume(size: str, more: str) -> None:
    assert changes.larger(size) == more


def test_changes_are_laid_over_each_other() -> None:
    below = {"images": {"mimir": {"tag": "1"}, "loki": {"tag": "2"}}, "size": "1Gi"}
    assert laid_over(below, {"images": {"mimir": {"tag": "3"}}, "size": "2Gi"}) == {
        "images": {"mimir": {"tag": "3"}, "loki": {"tag": "2"}},
        "size": "2Gi",
    }
    assert below["size"] == "1Gi"


def test_the_previous_release_is_the_first_event() -> None:
    assert EVENTS[0].name == "release"
    assert len({event.name for event in EVENTS}) == len(EVENTS)


def test_the_generator_is_never_on_a_node_that_is_lost() -> None:
    for group in grouped(EVENTS):
        lost = {event.lost_node for event in group} - {""}
        assert len(lost) <= 1
    assert [event.name for group in grouped(EVENTS) for event in group if event.lost_node] == [f"node-loss-{node}" for node in NODES]


def test_every_component_has_its_data() -> None:
    found = dict.fromkeys(("otlp-metrics-http", "otlp-metrics-http@prometheus-0", "remote-write@prometheus-0", "otlp-logs", "scrape"))
    assert sources("mimir", found) == ["otlp-metrics-http"]
    assert sources("prometheus", found) == ["otlp-metrics-http@prometheus-0", "remote-write@prometheus-0"]
    assert sources("loki", found) == ["otlp-logs"]
    assert sources("grafana", found) == sources("alloy", found) == []
    assert set(PATHS) <= set(COMPONENTS)


def test_a_loss_is_that_of_every_component_on_the_way() -> None:
    def result(path: str, lost: int = 0, duplicated: int = 0) -> list[Result]:
        return [Result(path, "first", "mimir", "ok"), Result(path, "image", "mimir", "ok", lost=lost, duplicated=duplicated)]

    found = {
        "otlp-metrics-grpc": result("otlp-metrics-grpc", lost=2),
        "otlp-metrics-grpc@prometheus-0": result("otlp-metrics-grpc"),
        "remote-write": result("remote-write", duplicated=1),
        "remote-write@prometheus-1": result("remote-write", lost=5),
        "scrape": result("scrape", lost=1),
        "otlp-logs": result("otlp-logs", lost=3),
    }
    assert data("otel_collector", found, 1, 0) == Data(lost=5)
    assert data("mimir", found, 1, 2) == Data(lost=2, duplicated=1, scrapes_lost=1, scrapes_allowed=2)
    assert data("prometheus", found, 1, 0) == Data(lost=5)
    assert data("loki", found, 1, 0) == Data(lost=3)
    assert data("loki", found, 0, 0) == Data()
    assert data("grafana", found, 1, 0) is None


def test_a_target_for_each_public_component_and_for_the_ingress() -> None:
    stack = inventories.stack(**inventory("single", "lab"))
    found = targets(stack, "run-1", {"authorization": "user"}, {"authorization": "administrator"})
    assert {item["component"] for item in found} == {*stack.hosts, "ingress"}
    by_name = {item["component"]: item for item in found}
    assert by_name["ingress"]["headers"] == {}
    assert by_name["grafana"]["headers"]["authorization"] == "administrator"
    assert all("run-1" in item["path"] for item in found)


@pytest.mark.parametrize(
    ("metadata", "phase", "moves"),
    [
        ({"ownerReferences": [{"kind": "StatefulSet"}]}, "Running", True),
        ({}, "Pending", True),
        ({"ownerReferences": [{"kind": "DaemonSet"}]}, "Running", False),
        ({"annotations": {"kubernetes.io/config.mirror": "x"}}, "Running", False),
        ({}, "Succeeded", False),
    ],
)
def test_what_a_drain_evicts(metadata: Mapping[str, Any], phase: str, moves: bool) -> None:
    assert movable({"metadata": dict(metadata), "status": {"phase": phase}}) == moves


def test_profiles_are_inventories_of_this_repository() -> None:
    found = {path.stem for path in Path(inventories.ROOT, "tests/upgrade/profiles").glob("*.yml")}
    assert found == set(PROFILES)
    assert yaml.safe_load(Path(inventories.ROOT, VARIABLES).read_text(encoding="utf-8"))["mimir_storage_size"]
