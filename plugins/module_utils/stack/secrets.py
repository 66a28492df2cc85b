"""The Secrets of a stack, without their values: what a run creates, and what its objects refer to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import catalogue
from .model import Stack

TLS = "kubernetes.io/tls"
REGISTRY = "kubernetes.io/dockerconfigjson"
# Annotations of an Ingress that name a Secret with users, of both controllers.
_USERS = ("nginx.org/basic-auth-secret", "nginx.ingress.kubernetes.io/auth-secret")

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Secret:
    """A Secret that a run of the playbook creates where it is missing: its keys, and what it is for."""

    name: str
    keys: tuple[str, ...]
    purpose: str
    type: str = "Opaque"


@dataclass(frozen=True)
class Needed:
    """A Secret that has to exist before the pods of a stack start. `maker`: who creates it."""

    namespace: str
    name: str
    type: str
    keys: tuple[str, ...]
    purpose: str
    maker: str


def authority_name(name: str) -> str:
    """Return the name of the Secret with the authority of the certificate in the Secret `name`."""
    return f"{name}-authority"


def references(items: Iterable[Item]) -> list[dict[str, Any]]:
    """Return the Secrets that objects refer to: `namespace`, `name`, `type`, `keys` as far as the objects name them, and `maker`.

    Optional references are left out.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for item in items:
        namespace = item["metadata"].get("namespace", "")
        for name, kind, keys, maker in _in_object(item):
            row = found.setdefault((namespace, name), {"namespace": namespace, "name": name, "type": kind, "keys": [], "maker": maker})
            row["keys"] += [key for key in keys if key not in row["keys"]]
            row["maker"] = row["maker"] or maker
    return list(found.values())


def needed(stack: Stack, generated: Iterable[Secret], used: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[Needed]:
    """Return the Secrets that have to exist, by namespace and name.

    `generated` are those that a run of the playbook makes, `used` maps roles to the `references` of their objects.
    """
    found = {
        (stack.namespace, secret.name): Needed(stack.namespace, secret.name, secret.type, secret.keys, secret.purpose, "secrets.yml")
        for secret in generated
    }
    for role, rows in used.items():
        for row in rows:
            before = found.get((row["namespace"], row["name"]))
            if before and before.maker == "secrets.yml":
                continue
            keys = tuple(dict.fromkeys([*(before.keys if before else ()), *row["keys"]]))
            title = catalogue.title(role)
            purpose = f"{before.purpose}, {title}" if before and title not in before.purpose.split(", ") else title
            maker = row["maker"] or (before.maker if before else "") or "you"
            found[row["namespace"], row["name"]] = Needed(row["namespace"], row["name"], row["type"], keys, purpose, maker)
    return [found[key] for key in sorted(found)]


_Reference = tuple[str, str, tuple[str, ...], str]


def _in_object(item: Item) -> Iterator[_Reference]:
    """Yield name, type, keys and maker of each Secret that an object refers to."""
    annotations = item["metadata"].get("annotations") or {}
    yield from ((annotations[name], "Opaque", (), "") for name in _USERS if name in annotations)
    spec = item.get("spec") or {}
    if item["kind"] == "Ingress":
        yield from ((tls["secretName"], TLS, ("tls.crt", "tls.key"), "") for tls in spec.get("tls") or [] if "secretName" in tls)
    elif item["kind"] == "Certificate":
        yield spec["secretName"], TLS, ("tls.crt", "tls.key"), "cert-manager"
    else:
        yield from _in_fields({key: value for key, value in item.items() if key not in ("metadata", "data", "binaryData")})


def _in_fields(value: Any) -> Iterator[_Reference]:
    """Yield the references in the fields of an object, at any depth."""
    if isinstance(value, list):
        for below in value:
            yield from _in_fields(below)
    if not isinstance(value, Mapping):
        return
    for field, below in value.items():
        if field in ("secretKeyRef", "secretRef", "secret") and isinstance(below, Mapping):
            name = below.get("name") or below.get("secretName")
            keys = (below["key"],) if "key" in below else tuple(entry["key"] for entry in below.get("items") or [])
            if name and not below.get("optional"):
                yield name, "Opaque", keys, ""
        elif field == "imagePullSecrets":
            yield from ((entry["name"], REGISTRY, (".dockerconfigjson",), "") for entry in below or [])
        else:
            yield from _in_fields(below)
