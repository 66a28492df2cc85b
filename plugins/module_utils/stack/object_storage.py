"""Object storage: what the inventory says about it, and what of that its users (`shared` is `storage` in the catalogue) need.

Every user has a bucket of its own, and in there a prefix for each of its stores. Credentials never enter a configuration: they are in the
environment, or in a file, where the libraries of the providers look by themselves, or they are the identity that a cloud gives a pod.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import catalogue
from .addressing import service_host
from .catalogue import CATALOGUE
from .fields import LABEL, Fields, is_host
from .messages import nearest, wrong
from .model import Stack

NAME = "observability_object_storage"
USERS = tuple(name for name, row in CATALOGUE.items() if row.shared == "storage")
# The component that is the store where the inventory names none: the one that its users write to.
BUNDLED = next(name for name, row in CATALOGUE.items() if row.evaluation and set(USERS) <= set(row.serves))
SECRET = catalogue.workload_name(BUNDLED)

# Of each type: its keys beside `type`, `buckets` and `secret`, and those of them that have to be there.
_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "s3": (("endpoint", "region", "insecure"), ("endpoint",)),
    "gcs": ((), ()),
    "azure": (("account", "endpoint_suffix"), ("account",)),
}
_FILE = "/etc/object-storage"
_KEY_FILE = "service_account.json"
# Where the library of a provider looks for credentials: environment variable -> key of the Secret.
_VARIABLES = {
    "s3": {"AWS_ACCESS_KEY_ID": "access_key_id", "AWS_SECRET_ACCESS_KEY": "secret_access_key"},
    "gcs": {},
    "azure": {"AZURE_TENANT_ID": "tenant_id", "AZURE_CLIENT_ID": "client_id", "AZURE_CLIENT_SECRET": "client_secret"},
}
# What of a user's pod is set here, for its `OWN`.
ENVIRONMENT = (*(name for names in _VARIABLES.values() for name in names), "GOOGLE_APPLICATION_CREDENTIALS")
VOLUME = "object-storage"
MOUNT = _FILE

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_EXAMPLE = (
    "like {type: s3, endpoint: s3.eu-central-1.amazonaws.com, region: eu-central-1, secret: object-storage-credentials, "
    "buckets: {mimir: acme-mimir, loki: acme-loki}}"
)


def read(fields: Fields, switched_on: tuple[str, ...]) -> dict[str, Any]:
    """Return the object storage of an inventory, empty where it has none; what is wrong is rejected, but no secret is shown."""
    given = fields.values[NAME]
    if not isinstance(given, dict):
        fields.problems.append(f"{NAME} is no mapping; it should be {_EXAMPLE}, or empty")
        return {}
    if not given:
        return _bundled() if BUNDLED in switched_on else {}
    if BUNDLED in switched_on:
        fields.problems.append(f"{NAME} is there, and {BUNDLED}_enabled is true; it should be one of them")
    kind = given.get("type")
    if kind not in _KEYS:
        fields.problems.append(wrong(NAME, "type", kind, f"it should be one of {', '.join(_KEYS)}, {_EXAMPLE}"))
        return {}
    own, needed = _KEYS[kind]
    allowed = ("type", "buckets", "secret", *own)
    for key in given:
        if key not in allowed:
            fields.problems.append(f"{NAME} has {key!r}; with the type {kind} the keys are {', '.join(allowed)}{nearest(key, allowed)}")
    found = {
        "type": kind,
        "bundled": False,
        "insecure": False,
        "region": "",
        "account": "",
        "secret": "",
        "endpoint_suffix": "",
        "endpoint": "",
    }
    found |= {key: value for key, value in given.items() if key in allowed}
    host, port = _address(found["endpoint"], 80 if found["insecure"] is True else 443)
    right = {
        "endpoint": (
            (isinstance(found["endpoint"], str) and is_host(host) and port > 0) or ("endpoint" not in needed and found["endpoint"] == ""),
            "a host, or a host and a port, without https:// and without the bucket, like s3.eu-central-1.amazonaws.com",
        ),
        "insecure": (isinstance(found["insecure"], bool), "true (plain HTTP) or false, without quotes"),
        "region": (_is(found["region"], _REGION), "the name of a region, like eu-central-1"),
        "account": (
            _is(found["account"], _ACCOUNT) and (found["account"] != "" or "account" not in needed),
            "the name of a storage account, 3 to 24 lower-case letters and digits",
        ),
        "endpoint_suffix": (found["endpoint_suffix"] == "" or is_host(found["endpoint_suffix"]), "a DNS name, like blob.core.windows.net"),
        "secret": (_is(found["secret"], LABEL), "the name of a Secret in the namespace of the stack, not what is in it"),
    }
    fields.problems += [wrong(NAME, key, found[key], f"it should be {sentence}") for key, (holds, sentence) in right.items() if not holds]
    return {**found, "buckets": _buckets(fields, given, switched_on), "port": port}


def _is(value: Any, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and (value == "" or bool(pattern.fullmatch(value)))


def _bundled() -> dict[str, Any]:
    return {
        "type": "s3", "bundled": True, "insecure": True, "buckets": {user: user for user in USERS}, "region": "us-east-1", "account": "",
        "secret": SECRET, "endpoint_suffix": "", "endpoint": "", "port": catalogue.port(BUNDLED, "http"),
    }  # fmt: skip


def _buckets(fields: Fields, given: Mapping[str, Any], switched_on: tuple[str, ...]) -> dict[str, str]:
    buckets = given.get("buckets")
    users = [name for name in USERS if name in switched_on]
    if not isinstance(buckets, dict) or not buckets.keys() <= set(USERS) or not set(users) <= buckets.keys():
        right = f"it should name one for each of {', '.join(users or USERS)}, like {{mimir: acme-mimir, loki: acme-loki}}"
        fields.problems.append(wrong(NAME, "buckets", buckets, right))
        return {}
    for user, name in buckets.items():
        if not isinstance(name, str) or not _BUCKET.fullmatch(name):
            right = "it should be the name of a bucket: 3 to 63 lower-case letters, digits and '-'"
            fields.problems.append(wrong(NAME, f"buckets.{user}", name, right))
    if len({str(name) for name in buckets.values()}) < len(buckets):
        fields.problems.append(wrong(NAME, "buckets", buckets, "they should differ: two stores in one bucket delete what they do not know"))
    return dict(buckets)


def _address(endpoint: Any, usual: int) -> tuple[str, int]:
    """Return host and port of an endpoint; 0 for a port that is none."""
    host, colon, port = str(endpoint).partition(":")
    if not colon:
        return host, usual
    return host, int(port) if port.isdecimal() and len(port) < 6 and 0 < int(port) < 65536 else 0


def outside(storage: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return the parties outside of the stack that the users connect to, with their ports."""
    if not storage or storage["bundled"]:
        return {}
    # An identity of a cloud is traded for credentials at another host of that cloud, by HTTPS.
    identity = {} if storage["secret"] else {"metadata_server": dict(catalogue.ports("metadata_server"))}
    return {"object_store": {"api": storage["port"]}, **identity}


def backend(stack: Stack, component: str) -> dict[str, Any]:
    """Return the section of one user's configuration for its bucket, by type: {"s3": {…}}; Mimir and Loki have the same keys."""
    storage = stack.storage
    bucket = storage["buckets"][component]
    if storage["type"] == "gcs":
        return {"gcs": {"bucket_name": bucket}}
    if storage["type"] == "azure":
        suffix = {"endpoint_suffix": storage["endpoint_suffix"]} if storage["endpoint_suffix"] else {}
        return {"azure": {"account_name": storage["account"], "container_name": bucket, **suffix}}
    endpoint = storage["endpoint"] or f"{service_host(stack, catalogue.workload_name(BUNDLED))}:{storage['port']}"
    # Without a region the client asks the store for that of the bucket.
    region = {"region": storage["region"]} if storage["region"] else {}
    return {"s3": {"bucket_name": bucket, "endpoint": endpoint, **region, "insecure": storage["insecure"]}}


def credentials(stack: Stack, component: str) -> dict[str, Any]:
    """Return what a user's pods need for its bucket, with the keys of a `<role>_pod`; nothing where the cloud gives them an identity."""
    storage = stack.storage
    if component not in USERS or not storage or not storage["secret"]:
        return {}
    if storage["type"] == "gcs":
        file = {"secretName": storage["secret"], "items": [{"key": "service_account", "path": _KEY_FILE}]}
        return {
            "extra_env": [{"name": "GOOGLE_APPLICATION_CREDENTIALS", "value": f"{_FILE}/{_KEY_FILE}"}],
            "extra_volumes": [{"name": VOLUME, "secret": file}],
            "extra_mounts": [{"name": VOLUME, "mountPath": MOUNT, "readOnly": True}],
        }
    return {
        "extra_env": [
            {"name": name, "valueFrom": {"secretKeyRef": {"name": storage["secret"], "key": key}}}
            for name, key in _VARIABLES[storage["type"]].items()
        ]
    }


def place(stack: Stack, component: str) -> str:
    """Return where a user's data is, as a text that changes when it is somewhere else."""
    storage = stack.storage
    if not storage:
        return "volume"
    host = storage["endpoint"] or storage["account"] or ("" if storage["type"] == "gcs" else "this stack")
    return f"{storage['type']} {storage['buckets'][component]}" + (f" at {host}" if host else "")


def places(given: Any) -> set[str]:
    """Return the buckets in an `observability_object_storage` that is not checked yet, each with where it is."""
    if not isinstance(given, Mapping) or not isinstance(given.get("buckets"), Mapping):
        return set()
    where = given.get("endpoint") or given.get("account") or given.get("type")
    return {f"{bucket} at {where}" for bucket in given["buckets"].values()}
