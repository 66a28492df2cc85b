"""The filters as a playbook calls them: through Ansible's templating, with its lazy and tagged values."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.observability.stack.plugins.filter import kubernetes_objects, verify
from ansible_collections.observability.stack.plugins.filter import stack as over_the_model
from ansible_collections.observability.stack.plugins.module_utils.stack import graph, kubernetes
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import labels
from passlib.hash import apr_md5_crypt

from tests.inventories import INPUTS, component_settings, stack

MODEL = stack()
MODULES = (over_the_model, kubernetes_objects, verify)
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "loki"}, "data": {"x": "1"}}
WORKLOAD = {
    "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "loki"},
    "spec": {"selector": {"matchLabels": {}}, "template": {"metadata": {}, "spec": {"containers": [{"name": "loki"}]}}},
}  # fmt: skip
ROWS = [{"connection": "alloy-loki", "status": "ok", "seconds": 1.5, "detail": "", "sent": "10 lines", "read_back": "10 lines"}]


def render(expression: str, **variables: Any) -> Any:
    """Return what an expression gives in a playbook, where the model is a fact that refers to another variable."""
    lazy = {"observability_stack": trust_as_template("{{ the_model }}"), "the_model": MODEL.to_dict(), **variables}
    return Templar(loader=DataLoader(), variables=lazy).template(trust_as_template(f"{{{{ {expression} }}}}"))


def plain(value: Any) -> bool:
    """Whether a value consists of what JSON has, and of nothing of Ansible's that stands for it."""
    if isinstance(value, dict):
        return all(plain(item) for item in value.values())
    if isinstance(value, list):
        return all(plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)


# Each filter once; `objects`, `secrets`, `applied` and `rows` are variables of the playbook.
EXPRESSIONS = {
    "component": "observability_stack | observability.stack.component('loki')",
    "labels": "observability_stack | observability.stack.labels('loki')",
    "objects": "observability_stack | observability.stack.objects('loki', objects)",
    "pod_security": "observability_stack | observability.stack.pod_security",
    "removal_plan": "observability_stack | observability.stack.removal_plan",
    "basic_auth": "'correct horse' | observability.stack.basic_auth('viewer')",
    "certificate_plan": "[] | observability.stack.certificate_plan('tls', ['a.example.com'], 'example.com')",
    "manifest": "objects | observability.stack.manifest",
    "object_changes": "applied | observability.stack.object_changes",
    "secret_objects": "secrets | observability.stack.secret_objects(observability_stack, 'grafana')",
    "verify_graph": "rows | observability.stack.verify_graph(observability_stack)",
}


def test_every_filter_is_tried_here() -> None:
    offered = [name for module in MODULES for name in module.FilterModule().filters()]
    assert sorted(offered) == sorted(EXPRESSIONS)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_a_filter_takes_what_a_playbook_has_and_gives_plain_data(name: str) -> None:
    secrets = [{"name": "one", "data": {"name": trust_as_template("{{ 'lo' ~ 'cal' }}")}}]
    applied = {"changed": True, "method": "create", "result": CONFIG, "diff": {"before": {}, "after": {"data": {"x": "1"}}}}
    found = render(EXPRESSIONS[name], objects=[CONFIG, WORKLOAD], secrets=secrets, applied=applied, rows=ROWS)
    assert plain(found)
    assert found


# --- component --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_component_has_what_its_templates_need(name: str) -> None:
    found = render(f"observability_stack | observability.stack.component('{name}', **inputs)", inputs=INPUTS.get(name, {}))
    assert plain(found)
    assert found["container"] == kubernetes.container(MODEL, name)
    assert found["settings"] == component_settings(MODEL, name)
    assert found["ports"] == dict(CATALOGUE[name].ports)
    assert found["selector"].items() <= found["pod_metadata"]["labels"].items()
    assert (found["replicas"] is None) == (CATALOGUE[name].workload == "DaemonSet")
    assert bool(found["host"]) == (CATALOGUE[name].public is not None)


def test_arguments_may_be_templates_too() -> None:
    name = trust_as_template("{{ 'lo' ~ 'ki' }}")
    assert render("observability_stack | observability.stack.labels(name)", name=name)["app.kubernetes.io/name"] == "loki"
    assert render("(observability_stack | observability.stack.component(name)).ports.http", name=name) == 3100


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("{} | observability.stack.removal_plan", "removal_plan: expected the checked model"),
        ("'x' | observability.stack.labels('loki')", "labels: expected the checked model"),
        (
            "observability_stack | observability.stack.component('lokki')",
            "component: 'lokki' is no component; it should be one of mimir, loki, prometheus, alloy, otel_collector, grafana, ingress, ",
        ),
        (
            "observability_stack | observability.stack.objects('lokki', [])",
            "objects: 'lokki' is no component; it should be one of mimir, loki",
        ),
        ("observability_stack | observability.stack.component('grafana')", "component: .*'secrets'"),
        ("observability_stack | observability.stack.component('loki', secret={})", "component: .*'secret'"),
        ("observability_stack | observability.stack.component('otel_collector', resources={})", "limits.memory is None"),
        ("(observability_stack | observability.stack.component('loki')).ports.htp", "htp"),
        ("['secret'] | observability.stack.secret_objects(observability_stack, 'grafana')", "mapping"),
        ("[{'name': 'x', 'data': 'secret'}] | observability.stack.secret_objects(observability_stack, 'grafana')", "mapping"),
    ],
)
def test_a_wrong_input_is_an_error_of_a_filter_that_says_what_is_wrong(expression: str, says: str) -> None:
    with pytest.raises(AnsibleError, match=says):
        render(expression)


# --- objects ----------------------------------------------------------------------------------------------------------


def test_the_objects_of_a_component_are_those_of_its_templates_and_what_follows_from_the_tables() -> None:
    found = render("observability_stack | observability.stack.objects('loki', objects)", objects=[CONFIG, WORKLOAD])
    assert [(item["kind"], item["metadata"]["name"]) for item in found] == [
        ("ServiceAccount", "loki"),
        ("ConfigMap", "loki"),
        ("StatefulSet", "loki"),
        ("Service", "loki"),
        ("Service", "loki-headless"),
        ("NetworkPolicy", "loki"),
    ]
    assert kubernetes.CHECKSUM in found[2]["spec"]["template"]["metadata"]["annotations"]
    names = {item["kind"] for item in render("observability_stack | observability.stack.objects('prometheus', [])")}
    assert "PodDisruptionBudget" in names


def test_pod_and_service_are_laid_over_the_objects() -> None:
    found = render(
        "observability_stack | observability.stack.objects('loki', objects, pod, service)",
        objects=[CONFIG, WORKLOAD],
        pod={"priority_class": trust_as_template("{{ 'hi' ~ 'gh' }}")},
        service={"spec": {"type": "NodePort", "ports": {"http": {"nodePort": 30100}}}},
    )
    (workload,) = [item for item in found if item["kind"] == "StatefulSet"]
    assert workload["spec"]["template"]["spec"]["priorityClassName"] == "high"
    service = next(item for item in found if item["kind"] == "Service")
    assert {port["name"]: port.get("nodePort") for port in service["spec"]["ports"]} == {"http": 30100, "grpc": None, "memberlist": None}


@pytest.mark.parametrize(("policies", "names"), [(True, ["default-deny", "verify"]), (False, [])])
def test_the_policies_of_the_namespace_come_from_a_role_of_their_own(policies: bool, names: list[str]) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "observability"}}
    model = stack(observability_network_policies=policies).to_dict()
    found = render("model | observability.stack.objects('network_policies', [])", model=model)
    assert [item["metadata"]["name"] for item in found] == names
    assert render("model | observability.stack.objects('namespaces', objects)", model=model, objects=[namespace]) == [namespace]


def test_the_plan_of_a_removal_knows_what_is_on_the_nodes() -> None:
    found = render("observability_stack | observability.stack.removal_plan")
    assert found["waves"] == [[name.replace("_", "-") for name in wave] for wave in graph.removal_waves()]
    assert found["host"]["name"] == found["instance"]
    assert found["host"]["root"] == "/var/lib/observability-stack"


# --- secrets and certificates -----------------------------------------------------------------------------------------


def test_values_of_a_secret_are_encoded() -> None:
    data = {"user": trust_as_template("{{ 'ad' ~ 'min' }}"), "number": 5, "text": "ü"}
    secrets = [{"name": "one", "data": data}, {"name": "two", "type": "kubernetes.io/tls", "data": {}}]
    one, two = render("secrets | observability.stack.secret_objects(observability_stack, 'grafana')", secrets=secrets)
    assert {key: base64.b64decode(value).decode() for key, value in one["data"].items()} == {"user": "admin", "number": "5", "text": "ü"}
    assert (one["type"], two["type"]) == ("Opaque", "kubernetes.io/tls")
    assert one["metadata"] == {"name": "one", "namespace": MODEL.namespace, "labels": labels(MODEL, "grafana")}


def test_a_password_and_its_hashes_are_in_one_secret() -> None:
    made = render("password | observability.stack.basic_auth('viewer')", password="correct horse")  # noqa: S106 - no credential
    assert (made["username"], made["password"]) == ("viewer", "correct horse")
    user, hashed = made["htpasswd"].split(":")
    raw = base64.b64decode(hashed.removeprefix("{SSHA}"))
    assert user == "viewer"
    assert raw[:20] == hashlib.sha1(b"correct horse" + raw[20:]).digest()  # noqa: S324 - the format
    assert len(raw[20:]) == 16
    user, hashed = made["auth"].split(":")
    assert user == "viewer"
    assert apr_md5_crypt.verify("correct horse", hashed)
    assert not apr_md5_crypt.verify("wrong horse", hashed)
    assert made != render("password | observability.stack.basic_auth('viewer')", password="correct horse")  # noqa: S106 - no credential


def test_a_certificate_is_planned_from_what_the_cluster_has() -> None:
    secrets = {"resources": [{"metadata": {"name": trust_as_template("{{ 'oth' ~ 'er' }}")}}]}
    expression = "secrets.resources | observability.stack.certificate_plan('tls', ['a.example.com'], 'example.com')"
    found = render(expression, secrets=secrets)
    assert (found["authority"], found["certificate"], found["permitted"]) == ("make", "make", ["DNS:example.com"])


def test_filters_over_objects_take_registered_results() -> None:
    secrets = [{"name": "one", "data": {"name": trust_as_template("{{ 'lo' ~ 'cal' }}")}}]
    (made,) = render("secrets | observability.stack.secret_objects(observability_stack, 'grafana')", secrets=secrets)
    assert made["data"] == {"name": "bG9jYWw="}


def test_a_manifest_reads_back_as_it_was_and_shows_texts_line_by_line() -> None:
    text = render("objects | observability.stack.manifest", objects=[{**CONFIG, "data": {"a": "one\ntwo\n"}}, WORKLOAD])
    assert list(yaml.safe_load_all(text)) == [{**CONFIG, "data": {"a": "one\ntwo\n"}}, WORKLOAD]
    assert "  a: |\n    one\n    two\n" in text
