"""The files around the rendered objects, and the list of Secrets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils import gitops
from ansible_collections.observability.stack.plugins.module_utils.stack.objects import roles, waves
from ansible_collections.observability.stack.plugins.module_utils.stack.secrets import Secret, needed, references

from tests.inventories import combinations, stack


def test_every_role_is_in_one_wave_and_no_backend_comes_later_than_what_sends_to_it() -> None:
    for model in combinations():
        names = [name for wave in waves(model).values() for name in wave]
        assert names == roles(model)
        assert sorted(names) == sorted(["namespaces", *model.enabled, "network_policies"])
        assert set(waves(model)["storage"]) == {"object_storage", "postgresql"} & set(model.enabled)
        assert set(waves(model)["backends"]) == {"mimir", "loki", "prometheus"} & set(model.enabled)


def test_a_wave_has_the_same_directory_in_every_stack() -> None:
    assert gitops.file_of(stack(), "network_policies") == "5-network-policies/network_policies.yaml"
    without = stack(observability_network_policies=False)
    assert gitops.directories(without) == gitops.directories(stack())
    with pytest.raises(ValueError, match=r"network_policies is no role of the stack observability\.test"):
        gitops.file_of(without, "network_policies")


def test_a_kustomization_has_the_files_of_its_wave_in_the_order_of_the_playbook() -> None:
    files = [gitops.file_of(stack(), role) for role in ("namespaces", "mimir", "loki", "alloy")]
    found = gitops.kustomizations(stack(), files, "plain")
    assert {path: content["resources"] for path, content in found.items()} == {
        "kustomization.yaml": ["1-namespace", "3-backends", "4-agents"],
        "1-namespace/kustomization.yaml": ["namespaces.yaml"],
        "3-backends/kustomization.yaml": ["mimir.yaml", "loki.yaml"],
        "4-agents/kustomization.yaml": ["alloy.yaml"],
    }
    assert all("patches" not in content for content in found.values())


def workload(spec: dict[str, Any], kind: str = "Deployment") -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "it", "namespace": "there"}, "spec": {"template": {"spec": spec}}}


REFERENCES: list[tuple[dict[str, Any], list[tuple[str, str, list[str]]]]] = [
    (workload({"containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}}]}]}), [("a", "Opaque", ["k"])]),
    (workload({"containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "a", "key": "k", "optional": True}}}]}]}), []),
    (workload({"initContainers": [{"envFrom": [{"secretRef": {"name": "a"}}]}]}), [("a", "Opaque", [])]),
    (workload({"volumes": [{"name": "v", "secret": {"secretName": "a", "items": [{"key": "k", "path": "p"}]}}]}), [("a", "Opaque", ["k"])]),
    (workload({"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "a"}}]}}]}), [("a", "Opaque", [])]),
    (workload({"imagePullSecrets": [{"name": "a"}]}), [("a", "kubernetes.io/dockerconfigjson", [".dockerconfigjson"])]),
    (
        workload({"containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "a", "key": key}}} for key in ("k", "l", "k")]}]}),
        [("a", "Opaque", ["k", "l"])],
    ),
    ({"kind": "ConfigMap", "metadata": {"name": "it", "namespace": "there"}, "data": {"secret": {"name": "a"}}}, []),
    (
        {"kind": "Ingress", "metadata": {"name": "it", "namespace": "there"}, "spec": {"tls": [{"hosts": ["h"], "secretName": "a"}]}},
        [("a", "kubernetes.io/tls", ["tls.crt", "tls.key"])],
    ),
    (
        {
            "kind": "Ingress",
            "metadata": {"name": "it", "namespace": "there", "annotations": {"nginx.org/basic-auth-secret": "a"}},
            "spec": {},
        },
        [("a", "Opaque", [])],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("item", "expected"), REFERENCES)
def test_what_an_object_refers_to(item: dict[str, Any], expected: list[tuple[str, str, list[str]]]) -> None:
    found = references([item])
    assert [(row["name"], row["type"], row["keys"]) for row in found] == expected
    assert all(row["namespace"] == "there" for row in found)


def test_a_secret_of_several_is_listed_once_with_all_keys_and_who_makes_it() -> None:
    model = stack()
    one = {"namespace": "observability", "type": "Opaque", "maker": ""}
    generated = [Secret("made", ("k",), "a purpose")]
    used = {
        "grafana": [{**one, "name": "made", "keys": ["k"]}, {**one, "name": "own", "keys": ["a"]}],
        "loki": [{**one, "name": "own", "keys": ["b", "a"]}, {**one, "name": "certificate", "keys": [], "maker": "cert-manager"}],
    }
    rows = [(row.name, row.keys, row.purpose, row.maker) for row in needed(model, generated, used)]
    assert rows == [
        ("certificate", (), "Loki", "cert-manager"),
        ("made", ("k",), "a purpose", "secrets.yml"),
        ("own", ("a", "b"), "Grafana, Loki", "you"),
    ]


def test_the_authority_of_a_certificate_is_needed_only_where_the_stack_signs_it() -> None:
    signed = {secret.name for secret in gitops.generated(stack())}
    assert {"observability-tls", "observability-tls-authority"} <= signed
    other = {secret.name for secret in gitops.generated(stack(ingress_tls_source="existing"))}
    assert signed - other == {"observability-tls", "observability-tls-authority"}
    assert not gitops.generated(stack(ingress_enabled=False, grafana_enabled=False))
