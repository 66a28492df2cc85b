"""Object storage: what an inventory may say about it, and what its users get of that."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import object_storage
from ansible_collections.observability.stack.plugins.module_utils.stack.components import loki, mimir
from ansible_collections.observability.stack.plugins.module_utils.stack.components import object_storage as component
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack

from tests.inventories import problems, stack

BUCKETS = {"mimir": "acme-mimir", "loki": "acme-loki"}
S3 = {"type": "s3", "endpoint": "s3.eu-central-1.amazonaws.com", "region": "eu-central-1", "secret": "credentials", "buckets": BUCKETS}
GCS = {"type": "gcs", "secret": "credentials", "buckets": BUCKETS}
AZURE = {"type": "azure", "account": "acmestorage", "secret": "credentials", "buckets": BUCKETS}
NAME = object_storage.NAME


def model(storage: dict[str, Any], **changes: Any) -> Stack:
    return stack(observability_object_storage=storage, **changes)


def without(storage: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in storage.items() if key not in keys}


# What the inventory has, and words of the one sentence about it.
REJECTED: list[tuple[Any, str]] = [
    ("s3://acme", "no mapping; it should be like {type: s3"),
    ({"type": "minio"}, "has type: 'minio'; it should be one of s3, gcs, azure"),
    ({"buckets": BUCKETS}, "has type: None"),
    (without(S3, "endpoint"), "has endpoint: ''; it should be a host"),
    ({**S3, "endpoint": "https://s3.example.com"}, "without https://"),
    ({**S3, "endpoint": "s3.example.com:port"}, "a host, or a host and a port"),
    ({**S3, "endpoint": "s3.example.com:0"}, "a host, or a host and a port"),
    ({**S3, "endpoint": 5}, "a host, or a host and a port"),
    ({**S3, "insecure": "no"}, "has insecure: 'no'; it should be true (plain HTTP) or false"),
    ({**S3, "region": "Frankfurt am Main"}, "the name of a region"),
    (
        {**S3, "regoin": "x"},
        "has 'regoin'; with the type s3 the keys are type, buckets, secret, endpoint, region, insecure, did you mean region?",
    ),
    ({**GCS, "region": "europe-west3"}, "with the type gcs the keys are type, buckets, secret"),
    (without(AZURE, "account"), "has account: ''; it should be the name of a storage account"),
    ({**AZURE, "account": "Acme"}, "3 to 24 lower-case letters and digits"),
    ({**AZURE, "endpoint_suffix": "https://x"}, "a DNS name, like blob.core.windows.net"),
    (without(S3, "buckets"), "it should name one for each of mimir, loki"),
    ({**S3, "buckets": {"mimir": "acme-mimir"}}, "it should name one for each of mimir, loki"),
    ({**S3, "buckets": {**BUCKETS, "grafana": "x"}}, "it should name one for each of mimir, loki"),
    ({**S3, "buckets": "acme"}, "it should name one for each of mimir, loki"),
    ({**S3, "buckets": {**BUCKETS, "loki": "acme-mimir"}}, "they should differ: two stores in one bucket delete what they do not know"),
    ({**S3, "buckets": {**BUCKETS, "loki": "Acme_Loki"}}, "has buckets.loki: 'Acme_Loki'; it should be the name of a bucket"),
    ({**S3, "buckets": {**BUCKETS, "loki": 7}}, "has buckets.loki: 7"),
]


@pytest.mark.parametrize(("storage", "words"), REJECTED)
def test_a_mistake_is_rejected_once_with_what_is_right(storage: Any, words: str) -> None:
    (problem,) = problems(**{NAME: storage})
    assert problem.startswith(NAME)
    assert words in problem


@pytest.mark.parametrize(
    "storage", [{**S3, "secret": "AKIA/key"}, {**S3, "access_key_id": "AKIA/key"}, {**S3, "secret_access_key": "AKIA/key"}]
)
def test_a_secret_that_is_given_in_place_of_its_name_is_rejected_and_not_shown(storage: dict[str, Any]) -> None:
    (problem,) = problems(**{NAME: storage})
    assert "AKIA" not in problem


@pytest.mark.parametrize("storage", [S3, without(S3, "secret", "region"), {**S3, "endpoint": "minio:9000", "insecure": True}, GCS, AZURE])
def test_every_type_is_taken_with_and_without_a_secret(storage: dict[str, Any]) -> None:
    assert problems(**{NAME: storage}) == []


def test_only_the_stores_that_are_there_need_a_bucket() -> None:
    assert problems(**{NAME: {**S3, "buckets": {"mimir": "acme-mimir"}}, "loki_enabled": False}) == []


# --- what its users get -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("storage", "backend"),
    [
        (S3, {"s3": {"bucket_name": "acme-loki", "endpoint": S3["endpoint"], "region": "eu-central-1", "insecure": False}}),
        (GCS, {"gcs": {"bucket_name": "acme-loki"}}),
        (AZURE, {"azure": {"account_name": "acmestorage", "container_name": "acme-loki"}}),
    ],
)
def test_a_store_is_configured_with_its_bucket(storage: dict[str, Any], backend: dict[str, Any]) -> None:
    found = loki.storage(model(storage))
    (name,) = backend
    assert found["storage"] == {"use_thanos_objstore": True, "object_store": {**backend, "storage_prefix": "chunks"}}
    assert found["ruler_storage"] == {"backend": name, **backend, "storage_prefix": "ruler"}
    assert found["object_store"] == name
    assert mimir.settings(model(storage))["storage"]["backend"] == name


def test_no_two_stores_share_a_bucket_and_a_prefix() -> None:
    for storage in (S3, GCS, AZURE):
        prefixes = mimir.settings(model(storage))["prefixes"]
        assert len(set(prefixes.values())) == len(prefixes)
        assert all(prefixes.values())
        found = loki.storage(model(storage))
        assert found["storage"]["object_store"]["storage_prefix"] != found["ruler_storage"]["storage_prefix"]
    # Files of earlier releases stay where they are.
    assert set(mimir.settings(stack())["prefixes"].values()) == {""}
    assert mimir.settings(stack())["storage"] == {"backend": "filesystem", "filesystem": {"dir": "/data/common"}}


@pytest.mark.parametrize(
    ("storage", "variables"),
    [
        (S3, {"AWS_ACCESS_KEY_ID": "access_key_id", "AWS_SECRET_ACCESS_KEY": "secret_access_key"}),
        (AZURE, {"AZURE_TENANT_ID": "tenant_id", "AZURE_CLIENT_ID": "client_id", "AZURE_CLIENT_SECRET": "client_secret"}),
    ],
)
def test_credentials_are_in_the_environment_and_come_from_the_secret(storage: dict[str, Any], variables: dict[str, str]) -> None:
    for user in ("mimir", "loki"):
        found = object_storage.credentials(model(storage), user)
        references = {item["name"]: item["valueFrom"]["secretKeyRef"] for item in found["extra_env"]}
        assert references == {name: {"name": "credentials", "key": key} for name, key in variables.items()}
        assert found.keys() == {"extra_env"}


def test_googles_key_is_a_file_that_the_library_is_told_of() -> None:
    found = object_storage.credentials(model(GCS), "loki")
    (variable,), (mount,), (volume,) = found["extra_env"], found["extra_mounts"], found["extra_volumes"]
    assert variable["name"] == "GOOGLE_APPLICATION_CREDENTIALS"
    assert variable["value"] == f"{mount['mountPath']}/{volume['secret']['items'][0]['path']}"
    assert volume["secret"]["secretName"] == "credentials"


def test_nobody_else_gets_credentials_and_nobody_does_where_the_cloud_gives_an_identity() -> None:
    for storage in (S3, GCS, AZURE):
        assert object_storage.credentials(model(storage), "grafana") == {}
        assert object_storage.credentials(model(without(storage, "secret")), "loki") == {}
    assert object_storage.credentials(stack(), "loki") == {}


def test_an_identity_of_the_cloud_is_asked_for_at_the_metadata_server() -> None:
    assert model(S3).outside == {"object_store": {"api": 443}}
    assert model({**S3, "endpoint": "minio.example.com:9000"}).outside == {"object_store": {"api": 9000}}
    assert model({**S3, "insecure": True}).outside == {"object_store": {"api": 80}}
    assert model(without(GCS, "secret")).outside == {"object_store": {"api": 443}, "metadata_server": {"http": 80, "gke": 988}}
    assert stack(object_storage_enabled=True).outside == stack().outside == {}


def test_that_of_the_stack_has_a_bucket_for_each_store_and_generated_credentials() -> None:
    bundled = stack(object_storage_enabled=True)
    backend = object_storage.backend(bundled, "mimir")["s3"]
    assert (backend["endpoint"], backend["insecure"]) == ("object-storage.observability.svc.cluster.local:7070", True)
    settings = component.settings(bundled)
    mounts = {mount["mountPath"]: mount["subPath"] for mount in settings["mounts"]}
    # Each bucket is a directory of the root, on the same volume.
    assert mounts == {"/buckets": "buckets", "/buckets/mimir": "buckets/mimir", "/buckets/loki": "buckets/loki"}
    assert {item["valueFrom"]["secretKeyRef"]["name"] for item in object_storage.credentials(bundled, "loki")["extra_env"]} == {
        settings["secret"]
    }
    (warning,) = component.warnings({"object_storage_enabled": True})
    assert "for evaluation" in warning
    assert list(component.warnings({"object_storage_enabled": False})) == []
