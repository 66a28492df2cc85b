"""What an inventory may say, and how a mistake is rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible_collections.observability.stack.plugins.module_utils.stack import validation
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.images import reference
from ansible_collections.observability.stack.plugins.module_utils.stack.model import InventoryError, Stack
from ansible_collections.observability.stack.plugins.module_utils.stack.units import seconds, size_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.inventories import combinations, component_settings, load, problems, stack, values

VERSIONS = load("versions.yml")


def test_the_defaults_and_a_name_for_the_cluster_are_an_inventory() -> None:
    model = stack(observability_cluster_name="north")
    assert model.cluster_name == "north"
    assert set(model.enabled) == {name for name in CATALOGUE if values()[f"{name}_enabled"]}
    assert model.replicas["prometheus"] == 2
    assert model.replicas["otel_collector"] == 2
    assert model.hosts["grafana"] == "grafana.example.com"


@pytest.mark.parametrize(
    ("variable", "value", "right"),
    [
        ("observability_cluster_name", "", "a name of its own"),
        ("observability_cluster_name", "North", "lower-case"),
        ("observability_cluster_name", "n" * 60, "at most"),
        ("observability_namespace", "Observability", "lower-case"),
        ("observability_namespace", "-x", "lower-case"),
        ("observability_namespace", "on", "YAML"),
        ("observability_namespace", "12345", "YAML"),
        ("observability_domain", "example.com.", "DNS name"),
        ("observability_domain", "192.0.2.1", "DNS name"),
        ("observability_domain", "under_score.org", "DNS name"),
        ("observability_profile", "large", "single"),
        ("observability_tenant", "a/b", "letters"),
        ("observability_tenant", "..", "letters"),
        ("observability_tenant", None, "letters"),
        ("observability_storage_class", ["fast"], "StorageClass"),
        ("observability_storage_class", [], "StorageClass"),
        ("observability_outage_horizon", "10 minutes", "duration"),
        ("observability_outage_horizon", "30s", "at least 60s"),
        ("observability_outage_horizon", "2h", ""),
        ("observability_samples_per_second", 0, "1 or more"),
        ("observability_samples_per_second", "many", "whole number"),
        ("observability_images", {"prometeus": {"tag": "v1"}}, "prometheus"),
        ("observability_images", {"mimir": {"version": "3"}}, "image, tag or digest"),
        ("observability_images", {"mimir": {"tag": 3.1}}, "string"),
        ("observability_images", {"mimir": {"tag": "latest"}}, "latest"),
        ("observability_images", {"mimir": {"digest": "abc"}}, "sha256"),
        ("observability_images", ["mimir"], "map"),
        ("observability_image_registry", "https://registry.example.com", "without https://"),
        ("observability_image_registry", 5, "without https://"),
        ("prometheus_enabled", "yes", "true or false"),
        ("prometheus_replicas", 1, "2 or more"),
        ("prometheus_replicas", True, "whole number"),
        ("prometheus_replicas", "2", "whole number"),
        ("otel_collector_replicas", 1, "2 or more"),
        ("mimir_replicas", 2, "should be 1"),
        ("mimir_replicas", 3, "should be 1: three or more are the profile `ha`"),
        ("mimir_replicas", -1, "whole number"),
        ("prometheus_replicas", 0, "whole number"),
        ("loki_replicas", 2, "should be 1"),
        ("grafana_host", "Grafana.example.com", "lower case"),
        ("loki_host", "grafana.example.com", "host of its own"),
        ("prometheus_scrape_interval", "15", "duration"),
        ("prometheus_scrape_interval", 15, "duration"),
        ("prometheus_scrape_interval", "0s", "at least"),
        ("prometheus_scrape_interval", "٣s", "duration"),
        ("prometheus_out_of_order_window", "1m", "observability_outage_horizon"),
        ("prometheus_pushed_dedup", "none", "idempotent, ha_tracker"),
        ("prometheus_external_labels", {"cluster": "x"}, "leave it out"),
        ("prometheus_external_labels", {"collector": "x"}, "leave it out"),
        ("prometheus_external_labels", {"a-b": "x"}, "label name"),
        ("prometheus_external_labels", {"a": 1}, "string"),
        ("prometheus_external_labels", {True: "x"}, "label name"),
        ("prometheus_external_labels", {"__tmp": "x"}, "label name"),
        ("prometheus_external_labels", ["a"], "mapping"),
        ("prometheus_storage_size", "20GB", "10Gi"),
        ("prometheus_storage_size", 20, "10Gi"),
        ("prometheus_storage_size", "0Gi", "10Gi"),
        ("prometheus_retention", "one week", "duration"),
        ("alloy_log_source", "journal", "files, api"),
        ("alloy_log_queue_size", "4GB", "like 4Gi"),
        ("alloy_log_queue_size", 4, "like 4Gi"),
        ("alloy_log_queue_size", "63Mi", "64Mi or more"),
        ("ingress_controller", "traefik", "f5, community"),
        ("ingress_class", "a b", "lower-case"),
        ("ingress_open_paths", {"alloy": ["/x"]}, "mimir, loki, prometheus, grafana"),
        ("ingress_open_paths", {"mimir": "/api"}, "list of paths"),
        ("ingress_open_paths", {"mimir": ["api"]}, "start with '/'"),
        ("ingress_open_paths", {"mimir": ["/api/../x"]}, "path"),
        ("ingress_open_paths", {"mimir": ["/a b"]}, "path"),
    ],
)
def test_a_mistake_is_rejected_once_with_variable_value_and_what_is_right(variable: str, value: Any, right: str) -> None:
    found = problems(**{variable: value})
    assert len(found) == 1
    assert right in found[0]
    # The window depends on the horizon: then both are named, and the message is about the window.
    if variable != "observability_outage_horizon" or value != "2h":
        assert found[0].startswith(variable)
        assert repr(value) in found[0]
    else:
        assert "prometheus_out_of_order_window" in found[0]
        assert variable in found[0]


@pytest.mark.parametrize(
    ("switched_off", "component"),
    [
        (["prometheus"], "mimir"),
        (["prometheus"], "sample_application"),
        (["otel_collector"], "sample_application"),
        (["alloy", "otel_collector"], "loki"),
        (["prometheus", "loki"], "alloy"),
        (["prometheus", "loki"], "otel_collector"),
        (["prometheus", "mimir", "loki"], "grafana"),
    ],
)
def test_a_component_without_what_it_needs_is_rejected(switched_off: list[str], component: str) -> None:
    switches = {f"{name}_enabled": False for name in switched_off}
    found = problems(**switches, **{f"{component}_enabled": True})
    assert any(text.startswith(f"{component}_enabled is True") for text in found)


def test_all_mistakes_are_told_at_once() -> None:
    wrong = {"observability_cluster_name": "", "prometheus_replicas": 1, "loki_host": "x..y", "mimir_storage_size": "big"}
    with pytest.raises(InventoryError) as raised:
        stack(**wrong)
    assert {text.split()[0] for text in raised.value.problems} == set(wrong)
    assert "4 problems" in str(raised.value)
    assert "nothing has been touched" in str(raised.value)


@pytest.mark.parametrize(
    ("duration", "expected"), [("15s", 15), ("10m", 600), ("1h30m", 5400), ("2d", 172800), ("1d1h1m1s", 90061), ("0s", 0)]
)
def test_a_duration_is_read_as_prometheus_reads_it(duration: str, expected: int) -> None:
    assert seconds(duration) == expected


@pytest.mark.parametrize(("size", "expected"), [("1Ki", 1024), ("3Mi", 3 * 2**20), ("10Gi", 10 * 2**30), ("2Ti", 2 * 2**40)])
def test_a_size_is_read_as_kubernetes_reads_it(size: str, expected: int) -> None:
    assert size_bytes(size) == expected


@pytest.mark.parametrize("text", ["", "Gi", "0Gi", "10", "10GB", "1.5Gi", "-1Gi"])
def test_what_is_no_size_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="no size"):
        size_bytes(text)


@pytest.mark.parametrize("text", ["", "5", "s", "1m1h", "-5s", "1.5h", "5 s", "5S", "1w2"])
def test_what_is_no_duration_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("entry", "registry", "expected"),
    [
        ({"image": "quay.io/a/b", "tag": "v1"}, "", "quay.io/a/b:v1"),
        ({"image": "quay.io/a/b", "tag": "v1"}, "mirror.example.com:5000/x/", "mirror.example.com:5000/x/a/b:v1"),
        ({"image": "quay.io/a/b", "tag": "v1", "digest": "sha256:ab"}, "", "quay.io/a/b:v1@sha256:ab"),
        ({"image": "localhost/a", "tag": "1"}, "mirror.example.com", "mirror.example.com/a:1"),
        ({"image": "library/postgres", "tag": "17"}, "mirror.example.com", "mirror.example.com/library/postgres:17"),
        ({"image": "postgres", "tag": "17"}, "mirror.example.com", "mirror.example.com/postgres:17"),
    ],
)
def test_an_image_reference(entry: dict[str, str], registry: str, expected: str) -> None:
    assert reference(entry, registry) == expected


def test_the_model_survives_its_way_through_ansible() -> None:
    for model in combinations():
        assert Stack.from_dict(json.loads(json.dumps(model.to_dict()))) == model


@pytest.mark.parametrize("model", [{}, None, [], {"namespace": "x"}, {**stack().to_dict(), "more": 1}])
def test_something_else_than_the_model_is_rejected(model: Any) -> None:
    with pytest.raises(ValueError, match="checked model"):
        Stack.from_dict(model)


# Whatever people write: nearly right words, and structures that YAML makes of a slip.
_WORDS = st.sampled_from(
    ["", " ", "a", "A", "-", "on", "~", "15s", "0s", "9" * 30 + "d", "9" * 5000 + "d", "10Gi", "single", "ha", "files", "1.2.3.4", "::1",
     "a.b", "a..b", "/x", "//", "/a/../b", "$x", "{{ x }}", "mimir", "latest", "sha256:" + "a" * 64, "localhost/x", "ü", "\n", "a\n"]
)  # fmt: skip
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | _WORDS
_KEYS = st.text(max_size=5) | st.integers() | st.booleans() | st.none() | st.sampled_from([*CATALOGUE, "image", "tag", "digest"])
_JUNK = st.recursive(_SCALARS, lambda children: st.lists(children, max_size=3) | st.dictionaries(_KEYS, children, max_size=3), max_leaves=6)
_IMAGES = st.dictionaries(
    st.sampled_from(sorted(VERSIONS)), st.dictionaries(st.sampled_from(["image", "tag", "digest"]), _SCALARS), max_size=3
)
_VARIABLES = sorted(name for name in values() if not name.startswith("__") and not name.endswith("_stack"))
_CHANGES = st.dictionaries(st.sampled_from(_VARIABLES), _JUNK, min_size=1, max_size=4) | st.fixed_dictionaries(
    {"observability_images": _IMAGES, "observability_image_registry": _SCALARS}
)
_DEFAULTS = values()


@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
@given(_CHANGES)
def test_junk_is_rejected_by_name_or_harmless(changes: dict[str, Any]) -> None:
    rejected: list[str] = []
    try:
        model = validation.parse({**_DEFAULTS, **changes}, VERSIONS)
    except InventoryError as error:
        rejected = error.problems
    if rejected:
        assert all(text.split()[0] in _DEFAULTS for text in rejected)
        return
    assert Stack.from_dict(json.loads(json.dumps(model.to_dict()))) == model
    # What the manifests print without quotes is read back as it was.
    for name in (model.namespace, model.storage_class, model.tls_secret, *model.images.values()):
        assert yaml.safe_load(f"x: {name}")["x"] == (name or None)
    for component in model.installed():
        component_settings(model, component)
