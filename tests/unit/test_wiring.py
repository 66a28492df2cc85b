"""Laws of the wiring: what has to hold for every inventory, not only for ours."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from ansible_collections.observability.stack.plugins.plugin_utils import _containers, _stack, _wiring
from hypothesis import given
from hypothesis import strategies as st

from tests.inventories import ROOT, combinations, load, stack

STACKS = list(combinations())
DEFAULT = stack()
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def texts(data: Any) -> Iterator[str]:
    """Return every string in nested data."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for item in data.values():
            yield from texts(item)
    elif isinstance(data, list):
        for item in data:
            yield from texts(item)


def targets(model: _stack.Stack, data: Any) -> list[tuple[str, str]]:
    """Return component and pod ("" for the Service) of every URL in a configuration; fail on one that leads nowhere."""
    suffix = f".{model.namespace}.svc.{model.cluster_domain}"
    by_service = {entry.service: component for component, entry in _wiring.CATALOGUE.items()}
    found = []
    for text in texts(data):
        if "://" not in text:
            continue
        address = urlsplit(text)
        host = address.hostname or ""
        assert host.endswith(suffix), text
        *pod, name = host.removesuffix(suffix).split(".")
        component = by_service[name.removesuffix("-headless")]
        entry = _wiring.CATALOGUE[component]
        assert address.port in entry.ports.values(), text
        if name.endswith("-headless"):
            assert entry.headless
            assert pod[0] in _wiring.pod_names(model, component)
        else:
            assert not pod
        found.append((component, *(pod or [""])))
    return found  # type: ignore[return-value]


def configurations(model: _stack.Stack) -> list[Any]:
    """Return everything that the wiring computes for the components that are switched on."""
    made: list[Any] = []
    if model.has("prometheus"):
        made += [_wiring.remote_write(model), _wiring.scrape_jobs(model)]
    made += [_wiring.push_endpoints(model, pusher) for pusher in _wiring.PUSHERS if model.has(pusher)]
    if model.has("alloy"):
        made.append(_wiring.alloy_settings(model))
    if model.has("otel_collector"):
        made.append(_wiring.otlp_exporters(model))
    if model.has("grafana"):
        made.append(_wiring.data_sources(model))
    return made


# --- every address is one of the catalogue ----------------------------------------------------------------------------


def test_components_are_the_same_everywhere() -> None:
    assert set(_wiring.CATALOGUE) == set(_stack.NEEDS)
    assert set(_wiring.CATALOGUE) <= set(load("versions.yml"))
    for entry in _wiring.CATALOGUE.values():
        assert len(set(entry.ports.values())) == len(entry.ports)
        assert {entry.health, entry.metrics} <= set(entry.ports)


def test_every_endpoint_is_one_of_the_catalogue_and_of_a_component_that_runs() -> None:
    assert len(STACKS) > 20
    for model in STACKS:
        for configuration in configurations(model):
            assert all(model.has(component) for component, _ in targets(model, configuration))


@pytest.mark.parametrize("component", sorted(_wiring.CATALOGUE))
def test_a_component_that_is_switched_off_is_pointed_at_by_nothing(component: str) -> None:
    without = [model for model in STACKS if not model.has(component)]
    assert without
    service = _wiring.CATALOGUE[component].service
    for model in without:
        pointed_at = {target for configuration in configurations(model) for target, _ in targets(model, configuration)}
        assert component not in pointed_at
        assert service not in {route["service"] for route in _wiring.ingress_routes(model)}
        assert not any(f" {component}\n" in f"{line}\n" for line in _wiring.mermaid(model).splitlines())
        assert all(component in arrow["off"] for arrow in _wiring.arrows(model) if component in (arrow["source"], arrow["target"]))


def test_a_change_of_namespace_and_domain_reaches_every_endpoint() -> None:
    model = stack(observability_namespace="telemetry", observability_cluster_domain="corp.internal")
    for configuration in configurations(model):
        targets(model, configuration)


# --- every pusher reaches every replica -------------------------------------------------------------------------------


@pytest.mark.parametrize("replicas", [2, 3, 5])
@pytest.mark.parametrize("pusher", sorted(_wiring.PUSHERS))
def test_every_pusher_reaches_every_replica(pusher: str, replicas: int) -> None:
    model = stack(prometheus_replicas=replicas)
    endpoints = _wiring.push_endpoints(model, pusher)
    expected = [f"prometheus-{ordinal}" for ordinal in range(replicas)]
    assert [endpoint["replica"] for endpoint in endpoints] == expected
    for protocol in ("remote_write", "otlp"):
        assert [pod for _, pod in targets(model, [endpoint[protocol] for endpoint in endpoints])] == expected


@pytest.mark.parametrize("replicas", [2, 3])
def test_the_collector_has_a_queue_of_its_own_for_every_replica_and_loses_nothing_in_it(replicas: int) -> None:
    model = stack(prometheus_replicas=replicas)
    made = _wiring.otlp_exporters(model)
    metrics = made["pipelines"]["metrics"]
    assert len(metrics) == replicas
    reached = [targets(model, made["exporters"][name])[0] for name in metrics]
    assert reached == [("prometheus", pod) for pod in _wiring.pod_names(model, "prometheus")]
    assert targets(model, [made["exporters"][name] for name in made["pipelines"]["logs"]]) == [("loki", "")]
    sizes = _wiring.queue_sizes(model)
    for exporter in made["exporters"].values():
        assert exporter["retry_on_failure"]["max_elapsed_time"] == "0s"
        assert exporter["sending_queue"]["storage"]
        assert exporter["sending_queue"]["num_consumers"] == 1
        counted_in = {"items": "samples", "bytes": "log_bytes"}[exporter["sending_queue"]["sizer"]]
        assert exporter["sending_queue"]["queue_size"] >= sizes[counted_in]


def test_queues_grow_with_the_horizon_and_the_rate() -> None:
    small = _wiring.queue_sizes(DEFAULT)
    longer = _wiring.queue_sizes(dataclasses.replace(DEFAULT, outage_horizon=2 * DEFAULT.outage_horizon))
    busier = _wiring.queue_sizes(dataclasses.replace(DEFAULT, samples_per_second=2 * DEFAULT.samples_per_second))
    assert all(0 < small[name] < longer[name] for name in small)
    assert busier["samples"] == 2 * small["samples"]
    assert busier["disk_bytes"] > small["disk_bytes"]


# --- remote write: the two queues share nothing and carry everything --------------------------------------------------


def relabel(labels: dict[str, str], rules: list[dict[str, Any]]) -> dict[str, str] | None:
    """Do what Prometheus does to a series (documentation 3.13, `relabel_config`); None when it is dropped."""
    labels = dict(labels)
    for rule in rules:
        action = rule.get("action", "replace")
        pattern = re.compile(rule.get("regex", "(.*)"))
        joined = ";".join(labels.get(name, "") for name in rule.get("source_labels", []))
        match = pattern.fullmatch(joined)
        if action == "labeldrop":
            labels = {name: value for name, value in labels.items() if not pattern.fullmatch(name)}
        elif (action == "drop" and match) or (action == "keep" and not match):
            return None
        elif action == "replace" and match:
            value = match.expand(re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", rule.get("replacement", "$1")))
            labels |= {rule["target_label"]: value}
        labels = {name: value for name, value in labels.items() if value}
        assert action in ("replace", "keep", "drop", "labeldrop")
    return labels


def written(model: _stack.Stack, labels: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return queue -> labels with which a stored series leaves Prometheus. External labels never replace a series' own."""
    outgoing = _wiring.external_labels(model) | labels
    sent = {queue["name"]: relabel(outgoing, queue.get("write_relabel_configs", [])) for queue in _wiring.remote_write(model)}
    return {name: result for name, result in sent.items() if result is not None}


def scraped(labels: dict[str, str]) -> dict[str, str]:
    """Return a series as it is stored after a scrape."""
    stored = relabel(labels, _wiring.scrape_jobs(DEFAULT)[0]["metric_relabel_configs"])
    assert stored is not None
    return stored


MARKS = sorted(_wiring.PUSHERS.values())
NAMES = st.sampled_from(["__name__", "job", "instance", "pod", "namespace", "cluster", "collector", "exported_collector", "le"])
VALUES = st.sampled_from([*MARKS, "otelcol", "xotel", "Alloy", "alloy\notel", "cpu", "1"]) | st.text(max_size=5)
SERIES = st.dictionaries(NAMES, VALUES).map(lambda labels: {name: value for name, value in labels.items() if value})


@given(SERIES)
def test_a_scraped_series_goes_through_the_ha_tracker_and_nowhere_else(labels: dict[str, str]) -> None:
    sent = written(DEFAULT, scraped(labels))
    assert list(sent) == ["mimir-scraped"]
    assert sent["mimir-scraped"][_wiring.HA_REPLICA_LABEL] == "${POD_NAME}"
    assert sent["mimir-scraped"][_wiring.HA_GROUP_LABEL]


@given(SERIES)
def test_a_scraped_series_keeps_what_it_says_about_itself(labels: dict[str, str]) -> None:
    stored = scraped(labels)
    if labels.get("collector") in MARKS:
        assert stored == {
            **{name: value for name, value in labels.items() if name != "collector"},
            "exported_collector": labels["collector"],
        }
    else:
        assert stored == labels


@given(SERIES, st.sampled_from(MARKS))
def test_a_pushed_series_goes_past_the_ha_tracker_and_nowhere_else(labels: dict[str, str], mark: str) -> None:
    sent = written(DEFAULT, {**labels, _wiring.PUSHED_LABEL: mark})
    assert list(sent) == ["mimir-pushed"]
    assert _wiring.HA_REPLICA_LABEL not in sent["mimir-pushed"]
    # Nothing tells the copies of the replicas apart.
    assert not any("POD_NAME" in value for value in sent["mimir-pushed"].values())


@given(SERIES)
def test_every_stored_series_is_in_exactly_one_queue(labels: dict[str, str]) -> None:
    assert len(written(DEFAULT, labels)) == 1


@given(SERIES)
def test_with_the_ha_tracker_alone_one_queue_carries_everything_with_the_replica(labels: dict[str, str]) -> None:
    sent = written(dataclasses.replace(DEFAULT, pushed_dedup="ha_tracker"), labels)
    assert list(sent) == ["mimir"]
    assert _wiring.HA_REPLICA_LABEL in sent["mimir"]


def test_every_pusher_has_a_mark_that_the_queues_know() -> None:
    for pusher in _wiring.PUSHERS:
        for endpoint in _wiring.push_endpoints(DEFAULT, pusher):
            assert list(written(DEFAULT, {"collector": endpoint["collector"]})) == ["mimir-pushed"]
    assert _wiring.PUSHED_LABEL in _wiring.otlp_translation(DEFAULT)["promote_resource_attributes"]


@pytest.mark.parametrize("dedup", ["idempotent", "ha_tracker"])
def test_a_rate_limit_of_mimir_delays_and_does_not_lose(dedup: str) -> None:
    queues = _wiring.remote_write(stack(prometheus_pushed_dedup=dedup))
    assert queues
    assert all(
        queue["queue_config"]["retry_on_http_429"] and queue["send_exemplars"] and queue["send_native_histograms"] for queue in queues
    )


def test_external_labels_of_the_inventory_are_taken_literally() -> None:
    labels = _wiring.external_labels(stack(prometheus_external_labels={"team": "a", "price": "5$ or ${HOME}"}))
    # Prometheus replaces ${…} by the environment; two dollars stand for one.
    assert labels["price"] == "5$$ or $${HOME}"
    assert labels["team"] == "a"
    assert labels["cluster"] == "test"


# --- the HA tracker ---------------------------------------------------------------------------------------------------


@given(st.integers(5, 3600))
def test_the_death_of_the_elected_replica_costs_at_most_one_scrape(interval: int) -> None:
    model = dataclasses.replace(DEFAULT, scrape_interval=interval)
    timeouts = _wiring.ha_timeouts(model)
    assert timeouts.failover >= timeouts.update + timeouts.jitter + 1000, "Mimir refuses to start"
    delivery = 1000 * _stack.seconds(_wiring.remote_write(model)[0]["queue_config"]["batch_send_deadline"])
    assert timeouts.failover + delivery < 1000 * interval
    # A replica that lives is heard at least once before it could be taken for dead.
    assert timeouts.heartbeat + delivery <= timeouts.failover
    assert timeouts.heartbeat <= timeouts.update


def test_the_heartbeat_is_a_scraped_series_in_every_interval() -> None:
    (group,) = _wiring.heartbeat_rules(DEFAULT)["groups"]
    assert group["interval"] == f"{_wiring.ha_timeouts(DEFAULT).heartbeat}ms"
    assert list(written(DEFAULT, {"__name__": group["rules"][0]["record"]})) == ["mimir-scraped"]


def test_mimir_looks_at_the_labels_that_prometheus_sets() -> None:
    limits = _wiring.mimir_limits(DEFAULT)
    assert {limits["ha_cluster_label"], limits["ha_replica_label"]} <= set(_wiring.external_labels(DEFAULT))
    assert limits["out_of_order_time_window"] == f"{DEFAULT.out_of_order_window}s"
    # Both replicas write every pushed sample.
    assert limits["ingestion_rate"] >= DEFAULT.samples_per_second * DEFAULT.replicas["prometheus"]


# --- scraping ---------------------------------------------------------------------------------------------------------

POD = "__meta_kubernetes_pod_"
RUNNING = {
    f"{POD}annotation_prometheus_io_scrape": "true",
    f"{POD}phase": "Running",
    f"{POD}container_init": "false",
    f"{POD}name": "web-0",
}


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
    found = relabel(RUNNING | labels, _wiring.scrape_jobs(DEFAULT)[0]["relabel_configs"])
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
    assert relabel(RUNNING | change, _wiring.scrape_jobs(DEFAULT)[0]["relabel_configs"]) is None


def test_scheme_and_path_of_an_annotated_pod() -> None:
    labels = RUNNING | {
        f"{POD}annotation_prometheus_io_scheme": "https",
        f"{POD}annotation_prometheus_io_path": "/stats",
        "__scheme__": "http",
    }
    found = relabel(labels, _wiring.scrape_jobs(DEFAULT)[0]["relabel_configs"])
    assert found is not None
    assert (found["__scheme__"], found["__metrics_path__"]) == ("https", "/stats")


# --- Grafana ----------------------------------------------------------------------------------------------------------


def test_data_sources_are_those_that_run_and_one_of_the_metrics_is_the_default() -> None:
    for model in STACKS:
        sources = _wiring.data_sources(model)
        assert [source["uid"] for source in sources] == [name for name in ("prometheus", "mimir", "loki") if model.has(name)]
        default = [source["uid"] for source in sources if source["isDefault"]]
        assert default == (["mimir"] if model.has("mimir") else ["prometheus"] if model.has("prometheus") else [])


def test_a_tenant_is_the_same_for_every_client_and_never_in_the_open_part_of_a_data_source() -> None:
    model = stack(observability_tenant="team-a")
    assert {queue["headers"]["X-Scope-OrgID"] for queue in _wiring.remote_write(model)} == {"team-a"}
    assert _wiring.otlp_exporters(model)["exporters"]["otlp_http/loki"]["headers"] == {"X-Scope-OrgID": "team-a"}
    for source in _wiring.data_sources(model):
        header = source["jsonData"].get("httpHeaderName1")
        assert header == (None if source["uid"] == "prometheus" else "X-Scope-OrgID")
        assert source.get("secureJsonData") == ({"httpHeaderValue1": "team-a"} if header else None)


def test_without_a_tenant_no_header_is_sent() -> None:
    assert "X-Scope-OrgID" not in json.dumps([configuration for model in STACKS for configuration in configurations(model)])


# --- Ingress ----------------------------------------------------------------------------------------------------------

# Pushes and administration (documentation of Prometheus 3.13, Mimir 3.x, Loki 3.7).
FORBIDDEN = {
    "prometheus": [
        "/api/v1/write", "/api/v1/otlp/v1/metrics", "/-/reload", "/-/quit", "/api/v1/admin/tsdb/delete_series", "/api/v1/read",
        "/debug/pprof", "/metrics",
    ],
    "mimir": [
        "/api/v1/push", "/otlp/v1/metrics", "/ingester/flush", "/ingester/shutdown", "/compactor/ring", "/memberlist", "/config",
        "/api/v1/user_limits", "/prometheus/config/v1/rules/x", "/distributor/ha_tracker", "/metrics", "/",
    ],
    "loki": [
        "/loki/api/v1/push", "/otlp/v1/logs", "/loki/api/v1/delete", "/flush", "/ingester/shutdown", "/config", "/compactor/ring",
        "/metrics", "/",
        # Rule groups are set and deleted below the path that lists them.
        "/loki/api/v1/rules/x",
    ],
}  # fmt: skip
NEEDED = {
    "grafana": ["/", "/login", "/api/live/ws"],
    "prometheus": ["/", "/query", "/assets/index.js", "/api/v1/query", "/api/v1/label/job/values", "/api/v1/status/buildinfo"],
    "mimir": ["/prometheus/api/v1/query_range", "/prometheus/api/v1/labels"],
    "loki": ["/loki/api/v1/query_range", "/loki/api/v1/labels", "/loki/api/v1/tail", "/loki/api/v1/index/volume"],
}


def reachable(route: dict[str, Any], wanted: str) -> bool:
    """Whether a route leads a path to its Service: a prefix matches whole elements, as Kubernetes has it."""
    parts = wanted.split("/")
    for path in route["paths"]:
        prefix = path["path"].rstrip("/").split("/")
        if wanted == path["path"] or (path["type"] == "Prefix" and parts[: len(prefix)] == prefix):
            return True
    return False


def route_of(model: _stack.Stack, component: str) -> dict[str, Any]:
    return next(route for route in _wiring.ingress_routes(model) if route["component"] == component)


@pytest.mark.parametrize(("component", "path"), [(component, path) for component, paths in FORBIDDEN.items() for path in paths])
def test_pushes_and_administration_are_not_reachable_from_outside(component: str, path: str) -> None:
    assert not reachable(route_of(DEFAULT, component), path)


@pytest.mark.parametrize(("component", "path"), [(component, path) for component, paths in NEEDED.items() for path in paths])
def test_what_a_browser_or_a_query_needs_is_reachable(component: str, path: str) -> None:
    assert reachable(route_of(DEFAULT, component), path)


def test_the_inventory_can_open_a_path() -> None:
    model = stack(ingress_nginx_open_paths={"mimir": ["/api/v1/push"]})
    assert reachable(route_of(model, "mimir"), "/api/v1/push")
    assert not reachable(route_of(model, "mimir"), "/ingester/flush")


def test_every_host_but_grafana_asks_for_a_password() -> None:
    assert {route["component"]: route["auth"] for route in _wiring.ingress_routes(DEFAULT)} == {
        "grafana": False, "prometheus": True, "mimir": True, "loki": True,
    }  # fmt: skip


# --- what every object carries ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("component", sorted(_wiring.CATALOGUE))
def test_labels_are_valid_and_the_selector_is_part_of_them(component: str) -> None:
    model = stack(observability_cluster_name="n" * 40)
    labels = _wiring.labels(model, component)
    assert all(LABEL_VALUE.fullmatch(value) for value in labels.values())
    assert _wiring.selector(model, component).items() <= labels.items()
    # What selects pods must not change when a site renames its cluster.
    assert _wiring.selector(model, component) == _wiring.selector(DEFAULT, component)


def test_selectors_tell_components_apart() -> None:
    selectors = [tuple(_wiring.selector(DEFAULT, component).items()) for component in _wiring.CATALOGUE]
    assert len(set(selectors)) == len(selectors)


@pytest.mark.parametrize("component", sorted(_wiring.CATALOGUE))
def test_ports_and_probes_name_ports_that_the_container_has(component: str) -> None:
    made = _wiring.ports(DEFAULT, component)
    names = {port["name"] for port in made["container"]}
    assert {port["targetPort"] for port in made["service"]} <= names
    assert {probe["httpGet"]["port"] for probe in _containers.probes(DEFAULT, component).values()} <= names
    assert all(len(name) <= 15 for name in names)
    assert int(_wiring.scrape_annotations(DEFAULT, component)["prometheus.io/port"]) in {
        port["containerPort"] for port in made["container"]
    }


# --- the graph --------------------------------------------------------------------------------------------------------


def test_every_arrow_has_a_name_of_its_own_and_the_picture_shows_it() -> None:
    arrows = _wiring.arrows(DEFAULT)
    names = [arrow["name"] for arrow in arrows]
    assert len(set(names)) == len(names)
    assert {arrow["number"] for arrow in arrows} == set(range(1, 9))
    picture = _wiring.mermaid(DEFAULT)
    for arrow in arrows:
        if arrow["source"] == "user":
            assert f"ingress_nginx --> {arrow['target']}" in picture
        elif arrow["number"] != 8 and not arrow["off"]:
            assert f'{arrow["source"]} -->|"{arrow["number"]}: {arrow["carries"]}"| {arrow["target"]}' in picture


@pytest.mark.parametrize("page", ["README.md", "docs/data-path.md"])
def test_the_picture_of_a_page_is_the_one_that_the_wiring_draws(page: str) -> None:
    pictures = re.findall(r"```mermaid\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)
    assert pictures == [_wiring.mermaid(DEFAULT)]


def test_the_collector_marks_what_it_forwards_and_bounds_its_memory_first() -> None:
    processors = _wiring.otlp_processors(DEFAULT)
    assert next(iter(processors)) == "memory_limiter"
    mark = {item["key"]: item["value"] for item in processors["resource"]["attributes"]}[_wiring.PUSHED_LABEL]
    assert list(written(DEFAULT, {_wiring.PUSHED_LABEL: mark})) == ["mimir-pushed"]
    for pipeline in _wiring.otlp_pipelines(DEFAULT).values():
        assert pipeline["processors"] == list(processors)


def test_alloy_marks_what_it_pushes() -> None:
    settings = _wiring.alloy_settings(DEFAULT)
    assert list(written(DEFAULT, {settings["mark"]: settings["collector"]})) == ["mimir-pushed"]
    assert _stack.seconds(settings["keep"]) >= DEFAULT.outage_horizon
    assert _stack.seconds(settings["keep_at_most"]) > _stack.seconds(settings["keep"])


def test_arrows_and_configuration_tell_the_same_story() -> None:
    for model in STACKS:
        open_arrows = {arrow["name"] for arrow in _wiring.arrows(model) if not arrow["off"]}
        assert ("prometheus-mimir" in open_arrows) == (model.has("prometheus") and bool(_wiring.remote_write(model)))
        if model.has("otel_collector"):
            pipelines = _wiring.otlp_exporters(model)["pipelines"]
            assert ("otel_collector-prometheus" in open_arrows) == ("metrics" in pipelines)
            assert ("otel_collector-loki" in open_arrows) == ("logs" in pipelines)
        if model.has("grafana"):
            sources = {f"grafana-{source['uid']}" for source in _wiring.data_sources(model)}
            assert sources == {name for name in open_arrows if name.startswith("grafana-")}


def test_what_is_computed_is_plain_yaml() -> None:
    for configuration in configurations(DEFAULT):
        assert yaml.safe_load(yaml.safe_dump(configuration)) == configuration
