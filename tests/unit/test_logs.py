"""Laws of the way of log lines: queue, batches and limits fit each other for every sizing."""

from __future__ import annotations

import dataclasses
import re

import pytest
from ansible_collections.observability.stack.plugins.plugin_utils import _logs, _stack, _wiring
from hypothesis import given
from hypothesis import strategies as st

from tests.inventories import ROOT, stack

rates = st.integers(1, 10**9)
horizons = st.integers(60, 7 * 24 * 3600)


DEFAULT = stack()


def sized(rate: int, horizon: int = 600) -> _stack.Stack:
    return dataclasses.replace(DEFAULT, log_bytes_per_second=rate, outage_horizon=horizon)


def megabytes(limit: str) -> float:
    match = re.fullmatch(r"(\d+)MB", limit)
    assert match
    return float(match[1])


@given(rates, horizons)
def test_the_queue_of_one_node_holds_what_the_cluster_writes_during_an_outage(rate: int, horizon: int) -> None:
    queue = _logs.queue(sized(rate, horizon))
    # With room for the frames and labels of each line, which are half of a short one.
    assert queue["bytes"] >= 2 * rate * horizon
    # However small the sizing: a burst of 20 MB/s for half a minute.
    assert queue["bytes"] >= 20 * 10**6 * 30
    assert queue["disk"] > queue["bytes"] * 1.25


@pytest.mark.parametrize("rate", [1, 10**9])
def test_a_queue_of_ones_own_size_is_taken_as_it_is(rate: int) -> None:
    assert _logs.queue(stack(observability_log_bytes_per_second=rate, alloy_log_queue_size="64Mi"))["bytes"] == 2**26


@given(rates, horizons)
def test_every_request_fits_through_lokis_limits(rate: int, horizon: int) -> None:
    model = sized(rate, horizon)
    limits, settings = _wiring.loki_limits(model), _logs.settings(model)
    exporter = _wiring.otlp_exporters(model)["exporters"]["otlp_http/loki"]
    largest = max(settings["largest_batch"], exporter["sending_queue"]["batch"]["max_size"])
    assert limits["ingestion_burst_size_mb"] * 2**20 >= 2 * largest
    # One stream may be all there is, and what is queued has to come down again while as much is written.
    for name, share in (("per_stream_rate_limit", 1.0), ("per_stream_rate_limit_burst", 2.0)):
        assert megabytes(limits[name]) * 2**20 >= share * rate
    assert limits["ingestion_rate_mb"] * 2**20 >= 2 * rate
    assert limits["ingestion_rate_mb"] >= 4, "less than Loki's own default"


def test_the_longest_line_fits_into_a_request_and_into_loki() -> None:
    settings = _logs.settings(DEFAULT)
    limits = _wiring.loki_limits(DEFAULT)
    longest = settings["line"] + _logs._CRI_PART
    assert longest <= 1024 * int(limits["max_line_size"].removesuffix("KB"))
    # A line that is larger than a request would take the others of its request with it.
    assert 2 * longest <= settings["largest_batch"]
    assert settings["smallest_batch"] <= settings["largest_batch"]
    assert limits["max_line_size_truncate"] is True


@pytest.mark.parametrize(("rate", "shared_out"), [(262144, False), (20 * 10**6, False), (20 * 10**6 + 1, True)])
def test_streams_are_shared_out_only_where_one_cannot_carry_the_rate(rate: int, shared_out: bool) -> None:
    assert _wiring.loki_limits(sized(rate))["shard_streams"] == {"enabled": shared_out}


def test_loki_makes_labels_of_what_alloy_sends_and_keeps_those_of_the_collector() -> None:
    (resource,) = _wiring.loki_limits(DEFAULT)["otlp_config"].values()
    assert "ignore_defaults" not in resource
    (labels,) = resource["attributes_config"]
    assert labels["action"] == "index_label"
    assert {*labels["attributes"], "service.name"} == set(_logs.settings(DEFAULT)["labels"])
    # What the collector adds to a resource has other names.
    assert not set(labels["attributes"]) & set(_wiring._POD_ATTRIBUTES)
    assert not set(labels["attributes"]) & {item["key"] for item in _wiring.otlp_processors(DEFAULT)["resource"]["attributes"]}


def test_two_stacks_on_a_node_share_no_directory() -> None:
    directories = {
        _wiring.alloy_settings(stack(observability_namespace=namespace, observability_cluster_name=cluster))["directory"]
        for namespace in ("a", "b")
        for cluster in ("x", "y")
    }
    assert len(directories) == 4
    assert all(directory.startswith("/var/lib/observability-stack/") for directory in directories)


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
