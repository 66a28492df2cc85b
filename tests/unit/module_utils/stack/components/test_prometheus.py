"""Remote write: the two queues share nothing and carry everything. Scraping: the right pods at the right address."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack.components import prometheus
from ansible_collections.observability.stack.plugins.module_utils.stack.high_availability import (
    COLLECTOR_LABEL,
    EXPORTED_LABEL,
    GROUP_LABEL,
    REPLICA_LABEL,
    senders,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.inventories import component_settings, stack
from tests.relabelling import relabel, scraped, written

DEFAULT = stack()
OURS = sorted(senders().values())
NAMES = st.sampled_from(["__name__", "job", "instance", "pod", "namespace", "cluster", COLLECTOR_LABEL, EXPORTED_LABEL, "le"])
VALUES = st.sampled_from([*OURS, "otelcol", "xotel", "Alloy", "alloy\notel", "cpu", "1"]) | st.text(max_size=5)
SERIES = st.dictionaries(NAMES, VALUES).map(lambda labels: {name: value for name, value in labels.items() if value})


@given(SERIES)
def test_a_scraped_series_goes_through_the_ha_tracker_and_nowhere_else(labels: dict[str, str]) -> None:
    sent = written(DEFAULT, scraped(labels))
    assert list(sent) == ["mimir-scraped"]
    assert sent["mimir-scraped"][REPLICA_LABEL] == "${POD_NAME}"
    assert sent["mimir-scraped"][GROUP_LABEL]


@given(SERIES)
def test_a_scraped_series_keeps_what_it_says_about_itself(labels: dict[str, str]) -> None:
    stored = scraped(labels)
    if labels.get(COLLECTOR_LABEL) in OURS:
        others = {name: value for name, value in labels.items() if name != COLLECTOR_LABEL}
        assert stored == {**others, EXPORTED_LABEL: labels[COLLECTOR_LABEL]}
    else:
        assert stored == labels


@given(SERIES, st.sampled_from(OURS))
def test_a_pushed_series_goes_past_the_ha_tracker_and_nowhere_else(labels: dict[str, str], collector: str) -> None:
    sent = written(DEFAULT, {**labels, COLLECTOR_LABEL: collector})
    assert list(sent) == ["mimir-pushed"]
    assert REPLICA_LABEL not in sent["mimir-pushed"]
    # No label distinguishes the copies of the replicas.
    assert not any("POD_NAME" in value for value in sent["mimir-pushed"].values())


@given(SERIES)
def test_every_stored_series_is_in_exactly_one_queue(labels: dict[str, str]) -> None:
    assert len(written(DEFAULT, labels)) == 1


@given(SERIES)
def test_with_the_ha_tracker_alone_one_queue_carries_everything_with_the_replica(labels: dict[str, str]) -> None:
    sent = written(dataclasses.replace(DEFAULT, pushed_dedup="ha_tracker"), labels)
    assert list(sent) == ["mimir"]
    assert REPLICA_LABEL in sent["mimir"]


@pytest.mark.parametrize(("component", "value"), senders().items())
def test_every_sender_has_a_collector_label_that_the_queues_know(component: str, value: str) -> None:
    assert component in senders()
    assert list(written(DEFAULT, {COLLECTOR_LABEL: value})) == ["mimir-pushed"]


def test_the_collector_label_of_otlp_becomes_a_label_of_the_series() -> None:
    assert COLLECTOR_LABEL in component_settings(DEFAULT, "prometheus")["otlp"]["promote_resource_attributes"]


@pytest.mark.parametrize("dedup", ["idempotent", "ha_tracker"])
def test_a_rate_limit_of_mimir_delays_and_does_not_lose(dedup: str) -> None:
    queues = prometheus.remote_write(stack(prometheus_pushed_dedup=dedup))
    assert queues
    assert all(
        queue["queue_config"]["retry_on_http_429"] and queue["send_exemplars"] and queue["send_native_histograms"] for queue in queues
    )


@pytest.mark.parametrize(("prometheus_on", "mimir_on"), [pair for pair in itertools.product((True, False), repeat=2) if any(pair)], ids=str)
def test_there_is_a_queue_only_where_there_is_mimir(prometheus_on: bool, mimir_on: bool) -> None:
    model = dataclasses.replace(DEFAULT, enabled=tuple(name for name, on in (("prometheus", prometheus_on), ("mimir", mimir_on)) if on))
    assert bool(prometheus.remote_write(model)) == mimir_on


# --- scraping ---------------------------------------------------------------------------------------------------------

POD = "__meta_kubernetes_pod_"
RUNNING = {
    f"{POD}annotation_prometheus_io_scrape": "true",
    f"{POD}phase": "Running",
    f"{POD}container_init": "false",
    f"{POD}name": "web-0",
}
TARGETS = prometheus.scrape_jobs()[0]["relabel_configs"]


@pytest.mark.parametrize(
    ("labels", "address"),
    [
        ({f"{POD}ip": "10.0.0.7", "__address__": "10.0.0.7:8080"}, "10.0.0.7:8080"),
        ({f"{POD}ip": "10.0.0.7", "__address__": "10.0.0.7", f"{POD}annotation_prometheus_io_port": "9100"}, "10.0.0.7:9100"),
        ({f"{POD}ip": "fd00::7", "__address__": "[fd00::7]:8080", f"{POD}annotation_prometheus_io_port": "9100"}, "[fd00::7]:9100"),
        ({f"{POD}ip": "10.0.0.7", "__address__": "10.0.0.7:8080", f"{POD}annotation_prometheus_io_port": "http"}, "10.0.0.7:8080"),
    ],
)
def test_the_address_of_an_annotated_pod(labels: dict[str, str], address: str) -> None:
    found = relabel(RUNNING | labels, TARGETS)
    assert found is not None
    assert found["__address__"] == address
    assert found["pod"] == "web-0"


@pytest.mark.parametrize(
    "change",
    [
        {f"{POD}annotation_prometheus_io_scrape": "false"},
        {f"{POD}annotation_prometheus_io_scrape": ""},
        {f"{POD}phase": "Succeeded"},
        {f"{POD}phase": "Pending"},
        {f"{POD}container_init": "true"},
    ],
)
def test_what_is_not_scraped(change: dict[str, str]) -> None:
    assert relabel(RUNNING | change, TARGETS) is None


def test_scheme_and_path_of_an_annotated_pod() -> None:
    labels = RUNNING | {
        f"{POD}annotation_prometheus_io_scheme": "https",
        f"{POD}annotation_prometheus_io_path": "/stats",
        "__scheme__": "http",
    }
    found = relabel(labels, TARGETS)
    assert found is not None
    assert (found["__scheme__"], found["__metrics_path__"]) == ("https", "/stats")


@given(SERIES)
def test_a_series_of_a_job_of_the_inventory_is_scraped_too(labels: dict[str, str]) -> None:
    own = [{"source_labels": ["le"], "regex": "1", "action": "drop"}]
    _pods, job = component_settings(DEFAULT, "prometheus", scrape_configs=[{"job_name": "x", "metric_relabel_configs": own}])[
        "scrape_configs"
    ]
    stored = relabel(labels, job["metric_relabel_configs"])
    assert (stored is None) == (labels.get("le") == "1")
    assert stored is None or list(written(DEFAULT, stored)) == ["mimir-scraped"]
