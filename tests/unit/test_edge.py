"""The Ingresses of both dialects, the request for a certificate, and what reaches Grafana from Secrets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.plugin_utils import _edge, _edge_inventory, _stack, _wiring
from hypothesis import given
from hypothesis import strategies as st

from tests.inventories import load, stack

COMPONENTS = ("grafana", "prometheus", "mimir", "loki")
# The annotations that say who may pass, and what names the Secret in them.
AUTH = {"community": "nginx.ingress.kubernetes.io/auth-secret", "f5": "nginx.org/basic-auth-secret"}
KIND = "nginx.org/mergeable-ingress-type"


def objects(dialect: str, **changes: Any) -> list[dict[str, Any]]:
    return _edge.ingress_objects(stack(ingress_nginx_dialect=dialect, **changes), "users")


def backends(item: dict[str, Any]) -> list[tuple[str, str]]:
    """Return path and Service of each path of an Ingress."""
    (rule,) = item["spec"]["rules"]
    return [(path["path"], path["backend"]["service"]["name"]) for path in rule.get("http", {"paths": []})["paths"]]


@pytest.mark.parametrize("dialect", sorted(AUTH))
def test_every_dialect_protects_the_same_paths_and_points_at_ports_of_the_catalogue(dialect: str) -> None:
    model = stack(ingress_nginx_dialect=dialect)
    protected: set[tuple[str, str]] = set()
    free: set[tuple[str, str]] = set()
    for item in objects(dialect):
        assert all(isinstance(value, str) for value in item["metadata"]["annotations"].values())
        (rule,) = item["spec"]["rules"]
        for path, service in backends(item):
            (protected if item["metadata"]["annotations"].get(AUTH[dialect]) == "users" else free).add((rule["host"], path))
            assert rule["host"] == model.hosts[service]
            ports = {entry["backend"]["service"]["port"]["name"] for entry in rule["http"]["paths"]}
            assert ports <= set(_wiring.CATALOGUE[service].ports)
    # Grafana's own login does not protect its metrics.
    assert free == {("grafana.example.com", "/")}
    assert ("grafana.example.com", "/metrics") in protected
    assert {host for host, _ in protected} == set(model.hosts.values())


@pytest.mark.parametrize("dialect", sorted(AUTH))
def test_every_host_has_a_certificate(dialect: str) -> None:
    hosts = {rule["host"] for item in objects(dialect) for rule in item["spec"]["rules"]}
    encrypted = {host for item in objects(dialect) for tls in item["spec"].get("tls", []) for host in tls["hosts"]}
    assert encrypted == hosts
    assert {tls["secretName"] for item in objects(dialect) for tls in item["spec"].get("tls", [])} == {"observability-tls"}


def test_for_the_f5_controller_one_ingress_owns_a_host_and_all_others_join_it() -> None:
    """Of two Ingresses that own a host it ignores one; annotations that a master or a minion must not have make it ignore that one."""
    owners: list[dict[str, Any]] = []
    joining: list[dict[str, Any]] = []
    for item in objects("f5"):
        (owners if item["metadata"]["annotations"][KIND] == "master" else joining).append(item)
    hosts = [item["spec"]["rules"][0]["host"] for item in owners]
    assert sorted(hosts) == sorted(set(hosts))
    assert {item["spec"]["rules"][0]["host"] for item in joining} == set(hosts)
    assert all("tls" in item["spec"] and not backends(item) and set(item["metadata"]["annotations"]) == {KIND} for item in owners)
    assert all("tls" not in item["spec"] and backends(item) and item["metadata"]["annotations"][KIND] == "minion" for item in joining)


def test_the_certificate_is_one_for_all_hosts_in_the_secret_of_the_ingresses() -> None:
    model = stack(grafana_host="look.example.net", loki_enabled=False, ingress_nginx_tls_secret="tls", ingress_nginx_class="internal")  # noqa: S106
    certificate = _edge.ingress_certificate(model, {"name": "letsencrypt"})
    assert certificate["spec"]["dnsNames"] == ["look.example.net", "prometheus.example.com", "mimir.example.com"]
    assert certificate["spec"]["secretName"] == "tls"
    assert certificate["spec"]["issuerRef"] == {"kind": "ClusterIssuer", "group": "cert-manager.io", "name": "letsencrypt"}
    override = "acme.cert-manager.io/http01-override-ingress-ingressclassname"
    assert certificate["metadata"]["annotations"][override] == "internal"
    own = {"name": "x", "kind": "Issuer", "group": "example.org"}
    assert _edge.ingress_certificate(model, own)["spec"]["issuerRef"] == own


def test_grafana_takes_its_secrets_from_secrets_and_the_inventory_may_name_others() -> None:
    secrets = {
        "auth.generic_oauth": {"client_secret": {"name": "oidc", "key": "secret"}},
        "security": {"secret_key": {"name": "mine", "key": "key"}},
    }
    found = {entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in _edge.grafana_environment(stack(), secrets)}
    assert found == {
        "GF_SECURITY_ADMIN_USER": {"name": "grafana-admin", "key": "username"},
        "GF_SECURITY_ADMIN_PASSWORD": {"name": "grafana-admin", "key": "password"},
        "GF_SECURITY_SECRET_KEY": {"name": "mine", "key": "key"},
        "GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET": {"name": "oidc", "key": "secret"},
    }


# --- what an inventory may not say ------------------------------------------------------------------------------------


def problems(**changes: Any) -> list[str]:
    try:
        stack(**changes)
    except _stack.InventoryError as error:
        return error.problems
    return []


ACME = {"ingress_nginx_tls_source": "cert_manager"}
WRONG: list[tuple[dict[str, Any], str, str]] = [
    (ACME, "ingress_nginx_issuer", "it should name the issuer"),
    ({"ingress_nginx_issuer": {"name": "x"}}, "ingress_nginx_issuer", "ingress_nginx_tls_source: cert_manager, but that is 'self_signed'"),
    ({**ACME, "ingress_nginx_issuer": "x"}, "ingress_nginx_issuer", "mapping"),
    ({**ACME, "ingress_nginx_issuer": {"kind": "Issuer"}}, "ingress_nginx_issuer", "has name None"),
    (
        {**ACME, "ingress_nginx_issuer": {"name": "x", "type": "acme"}},
        "ingress_nginx_issuer",
        "the key 'type'; it has name, kind and group",
    ),
    ({**ACME, "ingress_nginx_issuer": {"name": "x", "kind": "issuer"}}, "ingress_nginx_issuer", "has kind 'issuer'"),
    ({**ACME, "ingress_nginx_issuer": {"name": "x", "kind": "Isuer"}}, "ingress_nginx_issuer", "Issuer and ClusterIssuer"),
    ({"ingress_nginx_node_ports": {"web": 30080}}, "ingress_nginx_node_ports", "has 'web'; the ports are http and https"),
    ({"ingress_nginx_node_ports": {"http": "30080"}}, "ingress_nginx_node_ports", "has '30080' for http"),
    ({"ingress_nginx_node_ports": {"http": 0}}, "ingress_nginx_node_ports", "30000 to 32767"),
    ({"ingress_nginx_node_ports": {"http": 30080, "https": 30080}}, "ingress_nginx_node_ports", "a number of its own"),
    ({"ingress_nginx_node_ports": [30080]}, "ingress_nginx_node_ports", "mapping"),
    (
        {"ingress_nginx_node_ports": {"http": 30080}, "ingress_nginx_service_type": "ClusterIP"},
        "ingress_nginx_node_ports",
        "needs ingress_nginx_service_type NodePort or LoadBalancer, and that is ClusterIP",
    ),
    ({"ingress_nginx_service_annotations": {"example.com/internal": True}}, "ingress_nginx_service_annotations", "quoted string"),
    ({"ingress_nginx_service_annotations": {"a b": "x"}}, "ingress_nginx_service_annotations", "a name is like"),
    ({"ingress_nginx_service_annotations": ["x"]}, "ingress_nginx_service_annotations", "mapping"),
    ({"ingress_nginx_load_balancer_class": "an nlb"}, "ingress_nginx_load_balancer_class", "like service.k8s.aws/nlb"),
    (
        {"ingress_nginx_load_balancer_class": "x", "ingress_nginx_service_type": "NodePort"},
        "ingress_nginx_load_balancer_class",
        "needs ingress_nginx_service_type LoadBalancer",
    ),
    ({"ingress_nginx_load_balancer_source_ranges": ["192.0.2.1/24"]}, "ingress_nginx_load_balancer_source_ranges", "a network"),
    ({"ingress_nginx_load_balancer_source_ranges": ["192.0.2.1"]}, "ingress_nginx_load_balancer_source_ranges", "a network"),
    ({"ingress_nginx_load_balancer_source_ranges": "192.0.2.0/24"}, "ingress_nginx_load_balancer_source_ranges", "a list"),
    (
        {"ingress_nginx_load_balancer_source_ranges": ["192.0.2.0/24"], "ingress_nginx_service_type": "NodePort"},
        "ingress_nginx_load_balancer_source_ranges",
        "needs ingress_nginx_service_type LoadBalancer",
    ),
    ({"ingress_nginx_external_traffic_policy": "local"}, "ingress_nginx_external_traffic_policy", "Cluster or Local"),
    (
        {"ingress_nginx_external_traffic_policy": "Local", "ingress_nginx_service_type": "ClusterIP"},
        "ingress_nginx_external_traffic_policy",
        "needs ingress_nginx_service_type NodePort or LoadBalancer",
    ),
    ({"grafana_config": {"auth": {"generic_oauth": {"enabled": True}}}}, "grafana_config", '"auth.generic_oauth": {…}'),
    ({"grafana_config": {"users": "viewers"}}, "grafana_config", "no mapping for users"),
    ({"grafana_config": {"users": {"viewers_can_edit": None}}}, "grafana_config", "has None for users.viewers_can_edit"),
    ({"grafana_config": {"users": {"home_page": ["x"]}}}, "grafana_config", "a string, a number, true or false"),
    ({"grafana_config": {"a\nb": {"c": "d"}}}, "grafana_config", "no section of grafana.ini"),
    ({"grafana_config": {"smtp": {"a = b": "d"}}}, "grafana_config", "no key of grafana.ini"),
    ({"grafana_config": ["users"]}, "grafana_config", "mapping"),
    ({"grafana_config": {"server": {"root_url": "https://x/grafana"}}}, "grafana_config", "set grafana_host"),
    ({"grafana_config": {"server": {"http_port": 80}}}, "grafana_config", "which is set already"),
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
        {"grafana_secrets": {"a.b": {"c": {"name": "x", "key": "x"}}, "a": {"b_c": {"name": "x", "key": "x"}}}},
        "grafana_secrets",
        "which are both GF_A_B_C",
    ),
]


@pytest.mark.parametrize(("changes", "variable", "words"), WRONG)
def test_a_mistake_is_rejected_with_variable_and_what_is_right(changes: dict[str, Any], variable: str, words: str) -> None:
    found = problems(**changes)
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
    (found,) = problems(grafana_config={section: {key: value}})
    assert f"grafana_secrets: {{{section}: {{{key}: {{name: …, key: …}}}}}}" in found
    assert str(value) not in found
    assert "hunter2" not in found
    assert problems(grafana_secrets={section: {key: {"name": "x", "key": "y"}}}) == []


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
    assert problems(grafana_config={section: {key: value}}) == []


def test_what_clouds_ask_for_is_accepted() -> None:
    assert (
        problems(
            ingress_nginx_service_annotations={"service.beta.kubernetes.io/azure-load-balancer-internal": "true"},
            ingress_nginx_load_balancer_class="service.k8s.aws/nlb",
            ingress_nginx_load_balancer_source_ranges=["192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0"],
            ingress_nginx_external_traffic_policy="Local",
            ingress_nginx_node_ports={"https": 30443},
        )
        == []
    )
    for issuer in ({"name": "x"}, {"name": "x", "kind": "Issuer"}, {"name": "x", "kind": "StepIssuer", "group": "certmanager.step.sm"}):
        assert problems(**ACME, ingress_nginx_issuer=issuer) == []


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["password", "name", "http", "smtp"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers() | st.none(), inner, max_size=3),
    max_leaves=8,
)
_NAMES = (
    "ingress_nginx_issuer", "ingress_nginx_node_ports", "ingress_nginx_service_annotations", "ingress_nginx_load_balancer_class",
    "ingress_nginx_load_balancer_source_ranges", "ingress_nginx_external_traffic_policy", "ingress_nginx_service_type", "grafana_config",
    "grafana_secrets",
)  # fmt: skip
_VALUES = {name: value for role in ("ingress_nginx", "grafana") for name, value in load(f"roles/{role}/defaults/main.yml").items()}


@given(st.dictionaries(st.sampled_from(_NAMES), _JUNK))
def test_junk_is_rejected_by_name_or_harmless(changes: dict[str, Any]) -> None:
    for sentence in _edge_inventory.problems({**_VALUES, **changes}):
        assert sentence.split()[0] in _NAMES
