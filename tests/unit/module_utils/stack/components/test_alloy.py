"""Alloy: every replica and Loki as targets, the expressions that read log lines, and what an inventory may say."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import addressing
from ansible_collections.observability.stack.plugins.module_utils.stack.components import alloy
from ansible_collections.observability.stack.plugins.module_utils.stack.units import seconds

from tests.addresses import targets
from tests.inventories import ROOT, stack, values
from tests.relabelling import written

DEFAULT = stack()


@pytest.mark.parametrize(("value", "words"), [(0, "10%, or a number"), ("0%", "10%, or a number"), ("3", "without quotes"), (True, "10%")])
def test_what_kubernetes_does_not_take_as_the_most_unavailable_pods_is_rejected(value: Any, words: str) -> None:
    (problem,) = alloy.problems(values(alloy_max_unavailable=value), stack())
    assert problem.startswith(f"alloy_max_unavailable is {value!r}; ")
    assert words in problem


@pytest.mark.parametrize("value", [1, 20, "1%", "100%"])
def test_a_number_or_a_share_of_the_nodes_may_be_unavailable(value: Any) -> None:
    assert not list(alloy.problems(values(alloy_max_unavailable=value), stack()))


@pytest.mark.parametrize("replicas", [2, 3, 5])
def test_alloy_writes_to_every_replica(replicas: int) -> None:
    model = stack(prometheus_replicas=replicas, otel_collector_storage_size="10Ti")
    endpoints = alloy.settings(model)["endpoints"]
    assert [endpoint["replica"] for endpoint in endpoints] == addressing.pod_names(model, "prometheus")
    assert targets(model, endpoints) == [("prometheus", f"prometheus-{ordinal}") for ordinal in range(replicas)]


def test_alloy_labels_what_it_pushes_and_keeps_it_through_an_outage() -> None:
    found = alloy.settings(DEFAULT)
    assert list(written(DEFAULT, {found["collector_label"]: found["collector"]})) == ["mimir-pushed"]
    assert seconds(found["keep"]) >= DEFAULT.outage_horizon
    assert seconds(found["keep_at_most"]) > seconds(found["keep"])


@pytest.mark.parametrize(("interval", "timeout"), [("5s", "5s"), ("10s", "10s"), ("1m", "10s")])
def test_a_scrape_ends_before_the_next_one(interval: str, timeout: str) -> None:
    found = alloy.settings(stack(prometheus_scrape_interval=interval))
    assert found["scrape_timeout"] == timeout
    assert seconds(found["scrape_timeout"]) <= seconds(found["scrape_interval"])


def test_two_stacks_on_a_node_share_no_directory() -> None:
    models = [stack(observability_namespace=namespace, observability_cluster_name=name) for namespace in ("a", "b") for name in ("x", "y")]
    directories = {alloy.settings(model)["directory"] for model in models}
    assert len(directories) == 4
    for model in models:
        removed = alloy.on_nodes(model)
        assert alloy.settings(model)["directory"].startswith(f"{removed['root']}/{removed['name']}/")
        assert removed["root"] == "/var/lib/observability-stack"


def test_without_log_files_there_is_nothing_on_the_nodes() -> None:
    assert alloy.on_nodes(stack(alloy_log_source="api")) == {}


# --- the expressions of the receiver ----------------------------------------------------------------------------------


def expression(name: str) -> re.Pattern[str]:
    """Return a regular expression of the receiver by the id of its operator."""
    text = (ROOT / "roles/alloy/templates/config.alloy.j2").read_text()
    match = re.search(rf'id\s+= "{name}",(?:\n\s+parse_from = .*)?\n\s+regex\s+= "(.*)",\n', text)
    assert match
    return re.compile(match[1].replace("\\\\", "\\"))


@pytest.mark.parametrize(
    "file", ["0.log", "3.log", "0.log.20261124-135047", "0.log.20261124-135047.gz"], ids=["current", "restarted", "rotated", "compressed"]
)
@pytest.mark.parametrize("uid", ["3f9c1f0e-5d0e-4a53-9a3e-0f6f0c6a2c11", "8c5f4d3b2a190807f6e5d4c3b2a19080"], ids=["pod", "static pod"])
def test_the_path_says_whose_line_it_is(file: str, uid: str) -> None:
    match = expression("path").search(f"/var/log/pods/my-space_my.app-0_{uid}/web-1/{file}")
    assert match
    assert match.groupdict() == {"namespace": "my-space", "pod": "my.app-0", "container": "web-1"}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("2026-11-24T13:50:47.123456789Z stdout F  two blanks ", ("stdout", "F", " two blanks ")),
        ("2026-11-24T13:50:47.1+01:00 stderr P a part", ("stderr", "P", "a part")),
        ("2026-11-24T13:50:47Z stdout F ", ("stdout", "F", "")),
        ("2026-11-24T13:50:47Z stdout F", ("stdout", "F", "")),
        ("2026-11-24T13:50:47Z stdout F:tag x", ("stdout", "F", "x")),
        ('{"log":"docker\\n"}', None),
        ("no format at all", None),
    ],
)
def test_the_format_of_the_runtime(line: str, found: tuple[str, str, str] | None) -> None:
    match = expression("runtime").match(line)
    assert (match and match.group("stream", "part", "text")) == found
