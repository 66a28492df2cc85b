"""Where pods run and what a site adds to them: what is accepted, what it turns into, and what a template never loses by it."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.observability.stack.plugins.module_utils.stack import placement, placing, pod_keys
from ansible_collections.observability.stack.plugins.module_utils.stack.addressing import service_host
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import labels
from hypothesis import given
from hypothesis import strategies as st

from tests.inventories import load, problems, stack, values

VALUES, VERSIONS, MODEL = values(), load("versions.yml"), stack()
OPTIONS = load("roles/common/meta/argument_specs.yml")["argument_specs"]["apply"]["options"]["common_pod"]["options"]


# --- What an inventory may say ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("observability_pod", ["linux"], "a mapping with some of the keys node_selector"),
        ("grafana_pod", {"nodeSelector": {}}, "nodeSelector: {}; the keys are node_selector"),
        ("grafana_pod", {"node_selector": {"gpu": True}}, "quote true, false and numbers"),
        ("grafana_pod", {"node_selector": {"kubernetes.io/os": "windows"}}, "node_selector: 'kubernetes.io/os'; the role sets it itself"),
        ("grafana_pod", {"node_selector": {"pool": "a b"}}, "label names to strings"),
        ("grafana_pod", {"tolerations": {"operator": "Exists"}}, "a list of mappings"),
        ("grafana_pod", {"tolerations": ["Exists"]}, "a list of mappings"),
        ("grafana_pod", {"affinity": []}, "a mapping, as Kubernetes has it"),
        ("grafana_pod", {"priority_class": ["high"]}, "it should be a name, or empty"),
        ("grafana_pod", {"priority_class": "High"}, "it should be a name, or empty"),
        ("grafana_pod", {"image_pull_secrets": [{"name": "registry"}]}, "a list of names of Secrets"),
        ("grafana_pod", {"image_pull_secrets": ["a", "a"]}, "it is there twice"),
        ("grafana_pod", {"pod_annotations": {"prometheus.io/scrape": "false"}}, "'prometheus.io/scrape'; the role sets it itself"),
        ("alloy_pod", {"pod_annotations": {"prometheus.io/port": "1"}}, "'prometheus.io/port'; the role sets it itself"),
        ("grafana_pod", {"pod_annotations": {"observability.stack/configuration": "1"}}, "the role sets it itself"),
        ("grafana_pod", {"pod_annotations": {"replicas": 2}}, "quote true, false and numbers"),
        ("observability_pod", {"pod_labels": {"app.kubernetes.io/name": "x"}}, "'app.kubernetes.io/name'; the role sets it itself"),
        ("prometheus_pod", {"extra_env": [{"name": "POD_NAME", "value": "x"}]}, "extra_env: 'POD_NAME'; the role sets it itself"),
        ("observability_pod", {"extra_env": [{"name": "POD_NAME", "value": "x"}]}, "extra_env: 'POD_NAME'; the role sets it itself"),
        ("grafana_pod", {"extra_env": [{"name": "GF_SERVER_ROOT_URL", "value": "x"}]}, "extra_env: 'GF_SERVER_ROOT_URL'; the role"),
        ("grafana_pod", {"extra_env": [{"name": "A", "value": 1}]}, "quote true, false and numbers"),
        ("grafana_pod", {"extra_env": [{"name": "A"}]}, "a value (a string"),
        ("grafana_pod", {"extra_env": [{"value": "1"}]}, "should have a name"),
        ("grafana_pod", {"extra_env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, "extra_env: 'A'; it is there twice"),
        ("prometheus_pod", {"extra_args": "--log.level=debug"}, "a list of strings"),
        ("prometheus_pod", {"extra_args": ["--web.external-url=https://x"]}, "'web.external-url'; the role sets it itself"),
        ("prometheus_pod", {"extra_args": ["--no-web.enable-otlp-receiver"]}, "'web.enable-otlp-receiver'; the role sets it itself"),
        ("prometheus_pod", {"extra_args": ["--agent"]}, "'agent'; the role sets it itself"),
        ("mimir_pod", {"extra_args": ["-server.http-listen-port=1"]}, "'server.http-listen-port'; the role sets it itself"),
        ("mimir_pod", {"extra_args": ["-distributor.ha-tracker.enable=false"]}, "the role sets it itself"),
        ("otel_collector_pod", {"extra_args": ["--config=/more.yaml"]}, "'config'; the role sets it itself"),
        ("observability_pod", {"extra_args": ["--verbose"]}, "belongs into a <role>_pod"),
        ("observability_pod", {"storage_class": "fast"}, "set observability_storage_class"),
        ("alloy_pod", {"storage_class": "fast"}, "no volume of alloy is claimed"),
        ("sample_application_pod", {"service_account_annotations": {"a": "b"}}, "sample_application has no ServiceAccount"),
        ("loki_pod", {"extra_volumes": [{"name": "data", "emptyDir": {}}]}, "extra_volumes: 'data'; the role sets it itself"),
        ("loki_pod", {"extra_volumes": [{"name": "more"}]}, "a name and one source"),
        (
            "loki_pod",
            {"extra_volumes": [{"name": "x", "emptyDir": {}}], "extra_mounts": [{"name": "x", "mountPath": "/loki/"}]},
            "extra_mounts: '/loki'; the role sets it itself",
        ),
        ("loki_pod", {"extra_mounts": [{"name": "x", "mountPath": "/y"}]}, "its volume 'x' should be one of extra_volumes"),
        ("loki_pod", {"extra_mounts": [{"name": "x", "mountPath": "y"}]}, "a mountPath that begins with /"),
        ("observability_spread", "never", "one of preferred, required"),
    ],
)
def test_a_wrong_placing_is_rejected_by_name(variable: str, value: Any, words: str) -> None:
    found = problems(**{variable: value})
    assert len(found) == 1, found
    assert found[0].startswith(f"{variable} ")
    assert words in found[0]


def test_all_problems_are_told_at_once() -> None:
    found = problems(observability_pod={"x": 1, "priority_class": 2}, loki_pod=None, mimir_pod={"extra_args": ["-target=x"]})
    assert [problem.split()[0] for problem in found] == ["observability_pod", "observability_pod", "mimir_pod", "loki_pod"]


def test_labels_of_the_stack_are_those_of_its_objects() -> None:
    for label in labels(stack(), "loki"):
        assert problems(loki_pod={"pod_labels": {label: "x"}})


def test_what_holds_for_the_stack_is_merged_in_and_the_component_wins() -> None:
    model = stack(
        observability_storage_class="slow",
        observability_pod={
            "node_selector": {"pool": "a", "disk": "ssd"},
            "tolerations": [{"operator": "Exists"}],
            "priority_class": "high",
            "image_pull_secrets": ["one"],
            "extra_env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}],
            "extra_volumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        },
        loki_pod={
            "node_selector": {"pool": "b"},
            "tolerations": [{"operator": "Exists"}, {"key": "x", "operator": "Exists"}],
            "priority_class": "",
            "storage_class": "fast",
            "image_pull_secrets": ["two"],
            "extra_env": [{"name": "B", "value": "2"}],
            "extra_mounts": [{"name": "ca", "mountPath": "/ca"}],
        },
    )
    assert model.pods["loki"] == {
        "node_selector": {"pool": "b", "disk": "ssd"},
        "tolerations": [{"operator": "Exists"}, {"key": "x", "operator": "Exists"}],
        "priority_class": "",
        "storage_class": "fast",
        "image_pull_secrets": ["one", "two"],
        "extra_env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "extra_volumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extra_mounts": [{"name": "ca", "mountPath": "/ca"}],
    }
    assert model.pods["mimir"]["storage_class"] == "slow"
    assert "storage_class" not in model.pods["alloy"]
    assert placing.storage_classes(model) == {"slow": "observability_storage_class", "fast": "loki_pod.storage_class"}


def test_without_a_name_the_volumes_are_of_the_default_class() -> None:
    assert placing.storage_classes(stack()) == {"": "observability_storage_class"}


def test_the_keys_are_those_that_are_documented_and_typed() -> None:
    types = {"labels": "dict", "annotations": "dict", "object": "dict", "name": "str"}
    elements = {"objects": "dict", "names": "str", "flags": "str"}
    assert {name: (option["type"], option.get("elements")) for name, option in OPTIONS.items()} == {
        name: (types.get(key.shape, "list"), elements.get(key.shape)) for name, key in pod_keys.KEYS.items()
    }


# --- What becomes of it -------------------------------------------------------------------------------------------------

LABELS = {"app.kubernetes.io/name": "x"}


def workload(kind: str, **spec: Any) -> dict[str, Any]:
    """Return a workload as a template renders it."""
    container = {
        "name": "x",
        "args": ["--config=/x"],
        "env": [{"name": "POD_NAME", "value": "x"}],
        "volumeMounts": [{"name": "config", "mountPath": "/x"}],
    }
    return {
        "kind": kind,
        "metadata": {"name": "x"},
        "spec": {
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": dict(LABELS), "annotations": {"prometheus.io/scrape": "true"}},
                "spec": {
                    "securityContext": {"runAsUser": 1},
                    "containers": [container],
                    "volumes": [{"name": "config", "configMap": {"name": "x"}}],
                },
            },
            **spec,
        },
    }


OBJECTS: list[dict[str, Any]] = [
    {"kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}},
    {"kind": "ServiceAccount", "metadata": {"name": "x"}},
    {"kind": "PersistentVolumeClaim", "metadata": {"name": "x"}, "spec": {"resources": {}}},
    workload("StatefulSet", replicas=2, volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": {"resources": {}}}]),
    workload("Deployment", replicas=2),
    workload("Deployment", replicas=1),
    workload("DaemonSet"),
]
CLAIM, STATEFUL_SET, DEPLOYMENT, SINGLE, DAEMON_SET = 2, 3, 4, 5, 6


def placed(pod: dict[str, Any], objects: list[dict[str, Any]] | None = None, **changes: Any) -> list[dict[str, Any]]:
    model = dataclasses.replace(MODEL, **changes)
    return placement.placed(model, "loki", OBJECTS if objects is None else objects, pod)


def pod_spec(item: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = item["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize(
    ("name", "value", "path", "expected"),
    [
        ("node_selector", {"pool": "a"}, ("nodeSelector",), {"kubernetes.io/os": "linux", "pool": "a"}),
        ("tolerations", [{"operator": "Exists"}], ("tolerations",), [{"operator": "Exists"}]),
        ("affinity", {"podAntiAffinity": {}}, ("affinity",), {"podAntiAffinity": {}}),
        ("topology_spread", [{"maxSkew": 2}], ("topologySpreadConstraints",), [{"maxSkew": 2}]),
        ("priority_class", "high", ("priorityClassName",), "high"),
        ("image_pull_secrets", ["registry"], ("imagePullSecrets",), [{"name": "registry"}]),
        ("host_aliases", [{"ip": "192.0.2.1"}], ("hostAliases",), [{"ip": "192.0.2.1"}]),
        ("dns_config", {"searches": ["x"]}, ("dnsConfig",), {"searches": ["x"]}),
        ("selinux_options", {"type": "spc_t"}, ("securityContext",), {"runAsUser": 1, "seLinuxOptions": {"type": "spc_t"}}),
        (
            "extra_env",
            [{"name": "A", "value": "1"}],
            ("containers", 0, "env"),
            [{"name": "POD_NAME", "value": "x"}, {"name": "A", "value": "1"}],
        ),
        ("extra_args", ["--debug"], ("containers", 0, "args"), ["--config=/x", "--debug"]),
        (
            "extra_volumes",
            [{"name": "ca", "emptyDir": {}}],
            ("volumes",),
            [{"name": "config", "configMap": {"name": "x"}}, {"name": "ca", "emptyDir": {}}],
        ),
        (
            "extra_mounts",
            [{"name": "ca", "mountPath": "/ca"}],
            ("containers", 0, "volumeMounts"),
            [{"name": "config", "mountPath": "/x"}, {"name": "ca", "mountPath": "/ca"}],
        ),
    ],
)
def test_a_key_reaches_the_pods_of_every_kind_of_workload(name: str, value: Any, path: tuple[str | int, ...], expected: Any) -> None:
    for item in placed({name: value})[STATEFUL_SET:]:
        found: Any = pod_spec(item)
        for step in path:
            found = found[step]
        assert found == expected


def test_a_name_of_the_cluster_is_looked_up_once_unless_the_site_says_otherwise() -> None:
    for item in placed({})[STATEFUL_SET:]:
        options = {option["name"]: int(option["value"]) for option in pod_spec(item)["dnsConfig"]["options"]}
        # Fewer dots than the names have, more than a Service in another namespace has by its short name.
        assert "a.b".count(".") < options["ndots"] <= service_host(MODEL, "mimir").count(".")
        # More attempts than usual, in no more than the usual time.
        assert options["attempts"] > 2
        assert options["timeout"] * options["attempts"] <= 10
    for item in placed({"dns_config": {"options": []}})[STATEFUL_SET:]:
        assert pod_spec(item)["dnsConfig"] == {"options": []}


def test_what_does_not_belong_to_the_pods_reaches_its_object() -> None:
    found = placed(
        {"pod_labels": {"team": "a"}, "pod_annotations": {"b": "c"}, "service_account_annotations": {"d": "e"}, "storage_class": "fast"}
    )
    for item in found[STATEFUL_SET:]:
        assert item["spec"]["template"]["metadata"] == {
            "labels": {**LABELS, "team": "a"},
            "annotations": {"prometheus.io/scrape": "true", "b": "c"},
        }
        # By these a workload finds its pods: they never change.
        assert item["spec"]["selector"]["matchLabels"] == LABELS
    assert found[1]["metadata"]["annotations"] == {"d": "e"}
    assert found[CLAIM]["spec"]["storageClassName"] == "fast"
    assert found[STATEFUL_SET]["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"] == "fast"
    assert found[0] == OBJECTS[0]


@pytest.mark.parametrize(("spread", "unsatisfiable"), [("preferred", "ScheduleAnyway"), ("required", "DoNotSchedule")])
def test_replicas_are_spread_over_the_nodes_and_a_surge_has_a_place(spread: str, unsatisfiable: str) -> None:
    found = placed({}, spread=spread)
    (stateful,) = pod_spec(found[STATEFUL_SET])["topologySpreadConstraints"]
    (deployment,) = pod_spec(found[DEPLOYMENT])["topologySpreadConstraints"]
    assert stateful["whenUnsatisfiable"] == deployment["whenUnsatisfiable"] == unsatisfiable
    assert stateful["labelSelector"] == {"matchLabels": LABELS}
    # The pods of the old version do not count for those of the new one.
    assert deployment == {**stateful, "matchLabelKeys": ["pod-template-hash"]}
    for single in (SINGLE, DAEMON_SET):
        assert "topologySpreadConstraints" not in pod_spec(found[single])


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        ({"extra_env": [{"name": "POD_NAME", "value": "y"}]}, "extra_env: 'POD_NAME'; StatefulSet x has it already"),
        ({"extra_args": ["-config=/y"]}, "extra_args: 'config'"),
        ({"extra_volumes": [{"name": "config", "emptyDir": {}}]}, "extra_volumes: 'config'"),
        ({"extra_mounts": [{"name": "z", "mountPath": "/x"}]}, "extra_mounts: '/x'"),
        ({"pod_labels": {"app.kubernetes.io/name": "y"}}, "pod_labels: 'app.kubernetes.io/name'"),
        ({"node_selector": {"kubernetes.io/os": "windows"}}, "node_selector: 'kubernetes.io/os'"),
        (
            {"selinux_options": {"type": "x"}, "pod_annotations": {"prometheus.io/scrape": "false"}},
            "pod_annotations: 'prometheus.io/scrape'",
        ),
    ],
)
def test_what_a_template_sets_is_never_replaced(pod: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match="loki_pod has") as raised:
        placed(pod)
    assert words in str(raised.value)


# --- Laws ---------------------------------------------------------------------------------------------------------------

_words = st.text("abcxyz", min_size=1, max_size=3).map(lambda word: f"site-{word}")
_maps = st.dictionaries(_words, _words, max_size=2)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "labels": _maps,
    "annotations": _maps,
    "object": st.dictionaries(_words, _maps, max_size=2),
    "name": st.one_of(st.just(""), _words),
    "names": st.lists(_words, unique=True, max_size=2),
    "flags": st.lists(_words.map(lambda word: f"--{word}"), unique=True, max_size=2),
}


def _values(key: pod_keys.Key) -> st.SearchStrategy[Any]:
    if key.shape != "objects":
        return _VALUES[key.shape]
    return st.lists(_words, unique=True, max_size=2).map(lambda names: [{key.identity or "key": name} for name in names])


_PODS = st.fixed_dictionaries({}, optional={name: _values(key) for name, key in pod_keys.KEYS.items()})


def keeps(before: Any, after: Any) -> bool:
    """Whether everything that was there is there still, in its order."""
    if isinstance(before, dict):
        return isinstance(after, dict) and all(name in after and keeps(value, after[name]) for name, value in before.items())
    if isinstance(before, list):
        return isinstance(after, list) and all(keeps(old, new) for old, new in zip(before, after[: len(before)], strict=True))
    return bool(before == after)


@given(_PODS)
def test_a_template_loses_nothing_and_a_second_time_changes_nothing(pod: dict[str, Any]) -> None:
    before = copy.deepcopy(OBJECTS)
    once = placed(pod)
    assert before == OBJECTS
    assert keeps(OBJECTS, once)
    assert placed(pod, once) == once


@pytest.mark.parametrize("component", CATALOGUE)
def test_without_a_word_from_the_site_only_linux_the_spread_and_the_lookup_of_names_are_added(component: str) -> None:
    found = placement.placed(MODEL, component, OBJECTS, {})
    for item in found[STATEFUL_SET:]:
        assert pod_spec(item).pop("nodeSelector") == {"kubernetes.io/os": "linux"}
        pod_spec(item).pop("topologySpreadConstraints", None)
        pod_spec(item).pop("dnsConfig")
    assert found == OBJECTS


_JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from([*pod_keys.KEYS, "name", "key", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(_JUNK, _JUNK)
def test_junk_is_rejected_with_a_sentence_or_can_be_applied(everywhere: Any, own: Any) -> None:
    found = problems(observability_pod=everywhere, loki_pod=own)
    assert all(text.split()[0] in ("observability_pod", "loki_pod") for text in found)
    if not found:
        merged, _ = placing.pods({**VALUES, "observability_pod": everywhere, "loki_pod": own})
        placed(merged["loki"])


@given(_PODS)
def test_what_is_accepted_has_the_types_that_are_documented(pod: dict[str, Any]) -> None:
    # What Kubernetes itself asks for inside is not this law's.
    outer = {name: {key: value for key, value in option.items() if key != "options"} for name, option in OPTIONS.items()}
    assert not ArgumentSpecValidator(outer).validate(pod).error_messages
