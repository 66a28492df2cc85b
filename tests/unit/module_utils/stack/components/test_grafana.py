"""Grafana: data sources of what runs, and settings out of Secrets."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack.components import grafana
from hypothesis import given
from hypothesis import strategies as st

from tests.inventories import combinations, component_settings, stack, values
from tests.junk import JUNK

VALUES, DEFAULT = values(), stack()


def test_data_sources_are_those_that_run_and_one_of_the_metrics_is_the_default() -> None:
    for model in combinations():
        sources = grafana.data_sources(model)
        assert [source["uid"] for source in sources] == [name for name in ("prometheus", "mimir", "loki") if model.has(name)]
        default = [source["uid"] for source in sources if source["isDefault"]]
        assert default == (["mimir"] if model.has("mimir") else ["prometheus"] if model.has("prometheus") else [])


def test_grafana_takes_its_secrets_from_secrets_and_the_inventory_may_name_others() -> None:
    secrets = {
        "auth.generic_oauth": {"client_secret": {"name": "oidc", "key": "secret"}},
        "security": {"secret_key": {"name": "mine", "key": "key"}},
    }
    environment = component_settings(stack(), "grafana", secrets=secrets)["environment"]
    assert {entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in environment} == {
        "GF_SECURITY_ADMIN_USER": {"name": "grafana-admin", "key": "username"},
        "GF_SECURITY_ADMIN_PASSWORD": {"name": "grafana-admin", "key": "password"},
        "GF_SECURITY_SECRET_KEY": {"name": "mine", "key": "key"},
        "GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET": {"name": "oidc", "key": "secret"},
    }


def test_a_dollar_in_the_tenant_is_no_variable() -> None:
    sources = grafana.data_sources(dataclasses.replace(stack(), tenant="5$"))
    assert [source["secureJsonData"]["httpHeaderValue1"] for source in sources if "secureJsonData" in source] == ["5$$", "5$$"]


# --- what an inventory may not say ------------------------------------------------------------------------------------


def rejected(**changes: Any) -> list[str]:
    """Return what is wrong with an inventory that says `changes`."""
    return list(grafana.problems({**VALUES, **changes}, DEFAULT))


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"grafana_config": {"auth": {"generic_oauth": {"enabled": True}}}}, "grafana_config", '"auth.generic_oauth": {…}'),
    ({"grafana_config": {"users": "viewers"}}, "grafana_config", "no mapping for users"),
    ({"grafana_config": {"users": {"viewers_can_edit": None}}}, "grafana_config", "has nothing for users.viewers_can_edit"),
    ({"grafana_config": {"users": {"home_page": ["x"]}}}, "grafana_config", "a string, a number, true or false"),
    ({"grafana_config": {"a\nb": {"c": "d"}}}, "grafana_config", "no section of grafana.ini"),
    ({"grafana_config": {"smtp": {"a = b": "d"}}}, "grafana_config", "no key of grafana.ini"),
    ({"grafana_config": ["users"]}, "grafana_config", "mapping"),
    ({"grafana_secrets": {"smtp": {"password": "hunter2"}}}, "grafana_secrets", "no Secret for smtp.password"),
    ({"grafana_secrets": {"smtp": {"password": {"name": "mail"}}}}, "grafana_secrets", "name and key of one"),
    ({"grafana_secrets": {"smtp": {"password": {"name": "Mail", "key": "x"}}}}, "grafana_secrets", "no Secret for smtp.password"),
    ({"grafana_secrets": {"smtp.password": {"name": "mail", "key": "x"}}}, "grafana_secrets", "no Secret for smtp.password.name"),
    (
        {"grafana_secrets": {"smtp": {"user": {"name": "mail", "key": "x"}}}, "grafana_config": {"smtp": {"user": "me"}}},
        "grafana_secrets",
        "it should be in one of them",
    ),
    (
        {
            "grafana_secrets": {"smtp": {"password": {"name": "mail", "key": "x"}}},
            "grafana_pod": {"extra_env": [{"name": "GF_SMTP_PASSWORD", "value": "hunter2"}]},
        },
        "grafana_secrets",
        "an extra_env has it too",
    ),
    (
        {"grafana_secrets": {"a.b": {"c": {"name": "x", "key": "x"}}, "a": {"b_c": {"name": "x", "key": "x"}}}},
        "grafana_secrets",
        "which are both GF_A_B_C",
    ),
]


@pytest.mark.parametrize(("changes", "variable", "words"), WRONG)
def test_a_mistake_is_rejected_with_variable_and_what_is_right(changes: dict[str, Any], variable: str, words: str) -> None:
    found = rejected(**changes)
    assert found
    assert all(sentence.startswith(f"{variable} ") for sentence in found)
    assert any(words in sentence for sentence in found), found
    assert "hunter2" not in str(found)


SECRETS = [
    ("auth.generic_oauth", "client_secret", "hunter2"),
    ("smtp", "password", "hunter2"),
    ("smtp", "password", 112233),
    ("security", "secret_key", "hunter2"),
    ("security", "admin_password", "hunter2"),
    ("external_image_storage.s3", "access_key", "hunter2"),
    ("external_image_storage.azure_blob", "account_key", "hunter2"),
    ("metrics", "basic_auth_password", "hunter2"),
    ("rendering", "renderer_token", "hunter2"),
    ("remote_cache", "connstr", "addr=redis:6379,password=hunter2"),
    ("database", "url", "postgres://grafana:hunter2@db/grafana"),
]


@pytest.mark.parametrize(("section", "key", "value"), SECRETS)
def test_a_secret_in_the_configuration_is_rejected_unseen_and_the_sentence_says_where_it_goes(section: str, key: str, value: Any) -> None:
    (found,) = rejected(grafana_config={section: {key: value}})
    assert f"grafana_secrets: {{{section}: {{{key}: {{name: …, key: …}}}}}}" in found
    assert str(value) not in found
    assert "hunter2" not in found
    assert rejected(grafana_secrets={section: {key: {"name": "x", "key": "y"}}}) == []


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        # About secrets, but none.
        ("auth.generic_oauth", "token_url", "https://login.example.org/token"),
        ("auth.generic_oauth", "use_refresh_token", True),
        ("auth.generic_oauth", "id_token_attribute_name", "id"),
        ("auth", "token_rotation_interval_minutes", 10),
        ("users", "password_hint", "the usual"),
        ("auth.basic", "password_policy", True),
        ("smtp", "password", ""),
        # Where the secret is.
        ("smtp", "password", "$__file{/etc/secrets/smtp}"),
        ("smtp", "password", "${SMTP_PASSWORD}"),
        ("database", "url", "postgres://db.example.org/grafana?sslmode=require"),
        ("smtp", "host", "mail.example.org:25"),
        ("server", "router_logging", True),
    ],
)
def test_what_only_looks_like_a_secret_is_a_setting(section: str, key: str, value: Any) -> None:
    assert rejected(grafana_config={section: {key: value}}) == []


_NAMES = ("grafana_config", "grafana_secrets", "grafana_admin_user")  # fmt: skip


@given(st.dictionaries(st.sampled_from(_NAMES), JUNK))
def test_junk_is_rejected_by_name_or_harmless(changes: dict[str, Any]) -> None:
    for sentence in rejected(**changes):
        assert sentence.split()[0] in _NAMES
