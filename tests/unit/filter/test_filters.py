"""The filters as a playbook calls them: through Ansible's templating, with its lazy and tagged values."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.observability.stack.plugins.filter import passwords, verify
from ansible_collections.observability.stack.plugins.filter import stack as over_the_model
from ansible_collections.observability.stack.plugins.module_utils.stack import graph, kubernetes
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from passlib.hash import apr_md5_crypt

from tests.inventories import INPUTS, component_settings, stack

MODEL = stack()
MODULES = (over_the_model, passwords, verify)
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


# Each filter once; `rows` is a variable of the playbook.
EXPRESSIONS = {
    "component": "observability_stack | observability.stack.component('loki')",
    "labels": "observability_stack | observability.stack.labels('loki')",
    "pod_security": "observability_stack | observability.stack.pod_security",
    "removal_plan": "observability_stack | observability.stack.removal_plan",
    "basic_auth": "'correct horse' | observability.stack.basic_auth('viewer')",
    "verify_graph": "rows | observability.stack.verify_graph(observability_stack)",
}


def test_every_filter_is_tried_here() -> None:
    offered = [name for module in MODULES for name in module.FilterModule().filters()]
    assert sorted(offered) == sorted(EXPRESSIONS)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_a_filter_takes_what_a_playbook_has_and_gives_plain_data(name: str) -> None:
    found = render(EXPRESSIONS[name], rows=ROWS)
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
            "component: 'lokki' is no component; it should be one of object_storage, postgresql, mimir, loki, prometheus",
        ),
        ("observability_stack | observability.stack.component('grafana')", "component: .*'secrets'"),
        ("observability_stack | observability.stack.component('loki', secret={})", "component: .*'secret'"),
        ("observability_stack | observability.stack.component('otel_collector', resources={})", "limits.memory is None"),
        ("(observability_stack | observability.stack.component('loki')).ports.htp", "htp"),
    ],
)
def test_a_wrong_input_is_an_error_of_a_filter_that_says_what_is_wrong(expression: str, says: str) -> None:
    with pytest.raises(AnsibleError, match=says):
        render(expression)


# --- removal -----------------------------------------------------------------------------------------------------------


def test_the_plan_of_a_removal_knows_what_is_on_the_nodes() -> None:
    found = render("observability_stack | observability.stack.removal_plan")
    assert found["waves"] == [[name.replace("_", "-") for name in wave] for wave in graph.removal_waves()]
    assert found["host"]["name"] == found["instance"]
    assert found["host"]["root"] == "/var/lib/observability-stack"


# --- passwords -----------------------------------------------------------------------------------------


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
