"""What containers are told beside their configuration."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.plugin_utils import _containers, _wiring

from tests.inventories import stack

DEFAULT = stack()


def seconds(probe: dict[str, Any]) -> int:
    """Return how long a probe has to fail until it has an effect."""
    return int(probe["periodSeconds"] * probe["failureThreshold"])


@pytest.mark.parametrize("component", sorted(_wiring.CATALOGUE))
def test_only_readiness_asks_for_more_than_the_process(component: str) -> None:
    probes = _containers.probes(DEFAULT, component)
    paths = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    entry = _wiring.CATALOGUE[component]
    assert paths == {"startupProbe": entry.live, "livenessProbe": entry.live, "readinessProbe": entry.ready}
    # A pod that does not answer leaves the Service long before it is started anew.
    assert seconds(probes["readinessProbe"]) < 30 < 300 <= seconds(probes["livenessProbe"]) <= seconds(probes["startupProbe"])


@pytest.mark.parametrize("component", ["prometheus", "mimir", "loki"])
def test_a_store_that_replays_its_log_is_not_killed_for_it(component: str) -> None:
    # All three answer 503 under the path of readiness until they have.
    probes = _containers.probes(DEFAULT, component)
    assert probes["readinessProbe"]["httpGet"]["path"] not in {
        probes[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe")
    }


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("1Gi", 858993459),
        ("1G", 800_000_000),
        ("512Mi", 429496729),
        ("1.5Gi", 1288490188),
        ("1000000000", 800_000_000),
        (1_000_000_000, 800_000_000),
        ("1000000000000m", 800_000_000),
    ],
)
def test_go_may_use_four_fifths_of_the_memory_limit(limit: str | int, expected: int) -> None:
    assert _containers.go_memory_limit(DEFAULT, {"limits": {"memory": limit}}) == str(expected)


@pytest.mark.parametrize("limits", [None, {}, {"cpu": 1}, {"memory": "4GB"}, {"memory": "-1"}])
def test_a_memory_limit_that_is_none_is_named(limits: dict[str, Any] | None) -> None:
    with pytest.raises(ValueError, match=r"limits\.memory"):
        _containers.go_memory_limit(DEFAULT, {"limits": limits})


def test_the_memory_limiter_rejects_before_the_garbage_collector_has_to_work_without_a_pause() -> None:
    limiter = _wiring.otlp_processors(DEFAULT)["memory_limiter"]
    soft = limiter["limit_percentage"] - limiter["spike_limit_percentage"]
    assert 0 < soft < limiter["limit_percentage"] < _containers.GO_MEMORY_PERCENT < 100


@pytest.mark.parametrize("component", ["mimir", "loki"])
def test_an_advertised_address_is_put_in_by_kubernetes(component: str) -> None:
    arguments = _containers.advertised_address(DEFAULT, component)
    assert "-memberlist.advertise-addr=$(POD_IP)" in arguments
    assert all(argument.endswith("=$(POD_IP)") for argument in arguments)
    assert len(set(arguments)) == len(arguments)
