"""The filters as a playbook calls them: through Ansible's templating, with its lazy and tagged values."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.observability.stack.plugins.filter import objects, wiring
from ansible_collections.observability.stack.plugins.plugin_utils import _wiring
from passlib.hash import apr_md5_crypt

from tests.inventories import stack

MODEL = stack()


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


ARGUMENTS = {
    "advertised_address": "('mimir')",
    "go_memory_limit": "({'limits': {'memory': '1Gi'}})",
    "gossip_address": "('mimir')",
    "grafana_environment": "({'smtp': {'password': {'name': 'mail', 'key': 'password'}}})",
    "ingress_certificate": "({'name': 'letsencrypt'})",
    "ingress_objects": "('users')",
    "labels": "('loki')",
    "placed": "('loki', [{'kind': 'ConfigMap'}], {})",
    "node_ports": "('ingress_nginx', {'https': 30443})",
    "port": "('loki', 'http')",
    "ports": "('loki')",
    "probes": "('loki')",
    "push_endpoints": "('alloy')",
    "scrape_annotations": "('loki')",
    "selector": "('loki')",
    "url": "('mimir', path='/x')",
}


@pytest.mark.parametrize("name", sorted(wiring.FilterModule().filters()))
def test_a_filter_of_the_wiring_takes_the_model_of_a_playbook_and_gives_plain_data(name: str) -> None:
    found = render(f"observability_stack | observability.stack.{name}{ARGUMENTS.get(name, '')}")
    assert plain(found)
    assert found or found == 0


def test_a_filter_gives_what_its_function_gives() -> None:
    assert render("observability_stack | observability.stack.remote_write") == _wiring.remote_write(MODEL)
    assert render("observability_stack | observability.stack.url('mimir', path='/x')") == _wiring.url(MODEL, "mimir", path="/x")
    assert render("observability_stack | observability.stack.ha_timeouts")["failover"] == _wiring.ha_timeouts(MODEL).failover


def test_arguments_may_be_templates_too() -> None:
    who = trust_as_template("{{ 'lo' ~ 'ki' }}")
    assert render("observability_stack | observability.stack.labels(who)", who=who)["app.kubernetes.io/name"] == "loki"


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("{} | observability.stack.remote_write", "remote_write: expected the checked model"),
        ("'x' | observability.stack.labels('loki')", "labels: expected the checked model"),
        ("observability_stack | observability.stack.url('grafanna')", "grafanna"),
        ("observability_stack | observability.stack.port('loki', 'htp')", "htp"),
        ("['secret'] | observability.stack.secret_objects(observability_stack, 'grafana')", "mapping"),
        ("[{'name': 'x', 'data': 'secret'}] | observability.stack.secret_objects(observability_stack, 'grafana')", "mapping"),
        ("'x' | observability.stack.checksum", "checksum"),
        ("observability_stack | observability.stack.go_memory_limit({})", "limits.memory is None"),
    ],
)
def test_a_wrong_input_is_an_error_of_a_filter_that_says_what_is_wrong(expression: str, says: str) -> None:
    with pytest.raises(AnsibleError, match=says):
        render(expression)


def test_values_of_a_secret_are_encoded() -> None:
    data = {"user": trust_as_template("{{ 'ad' ~ 'min' }}"), "number": 5, "text": "ü"}
    secrets = [{"name": "one", "data": data}, {"name": "two", "type": "kubernetes.io/tls", "data": {}}]
    one, two = render("secrets | observability.stack.secret_objects(observability_stack, 'grafana')", secrets=secrets)
    assert {key: base64.b64decode(value).decode() for key, value in one["data"].items()} == {"user": "admin", "number": "5", "text": "ü"}
    assert (one["type"], two["type"]) == ("Opaque", "kubernetes.io/tls")
    assert one["metadata"] == {"name": "one", "namespace": MODEL.namespace, "labels": _wiring.labels(MODEL, "grafana")}


def test_a_checksum_sees_data_and_nothing_else() -> None:
    config = {"kind": "ConfigMap", "metadata": {"labels": {"a": "b"}}, "data": {"x": "1", "y": "2"}}
    expression = "config | observability.stack.checksum"
    first = render(expression, config=config)
    assert first == render(expression, config={**config, "metadata": {"labels": {"a": "c"}}, "data": {"y": "2", "x": "1"}})
    assert first != render(expression, config={**config, "data": {"x": "1", "y": "3"}})
    assert first != render(expression, config={**config, "binaryData": {"z": "AA=="}})
    assert render("[config] | observability.stack.checksum", config=config) == first


def test_a_password_and_its_hashes_stand_in_one_secret() -> None:
    made = render("word | observability.stack.basic_auth('viewer')", word="correct horse")
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
    assert made != render("word | observability.stack.basic_auth('viewer')", word="correct horse")


def test_a_certificate_is_planned_from_what_the_cluster_has() -> None:
    secrets = {"resources": [{"metadata": {"name": trust_as_template("{{ 'oth' ~ 'er' }}")}}]}
    expression = "secrets.resources | observability.stack.certificate_plan('tls', ['a.example.com'], 'example.com')"
    found = render(expression, secrets=secrets)
    assert (found["authority"], found["certificate"], found["permitted"]) == ("make", "make", ["DNS:example.com"])


def test_filters_over_objects_take_registered_results() -> None:
    result = {"data": {"name": trust_as_template("{{ 'lo' ~ 'cal' }}")}}
    assert render("result.data | observability.stack.base64_values", result=result) == {"name": "bG9jYWw="}
    assert set(objects.FilterModule().filters()) & set(wiring.FilterModule().filters()) == set()
