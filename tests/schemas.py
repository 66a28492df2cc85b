"""Check rendered objects against the Kubernetes schemas: `python -m tests.schemas FOLDER` reads every YAML file below it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

KUBERNETES = "1.36"
_LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
_NAME = {"type": "string", "minLength": 1}
# Kinds that are not Kubernetes' own, whose schema only a cluster that has them knows. Written from their reference (cert-manager 1.18, "API
# Reference"), and only as far as this collection uses it: a field that is not here is refused, right or not.
CUSTOM: dict[tuple[str, str], dict[str, Any]] = {
    ("cert-manager.io/v1", "Certificate"): {
        "type": "object",
        "additionalProperties": False,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": "cert-manager.io/v1"},
            "kind": {"const": "Certificate"},
            "metadata": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "namespace"],
                "properties": {"name": _NAME, "namespace": _NAME, "labels": _LABELS, "annotations": _LABELS},
            },
            "spec": {
                "type": "object",
                "additionalProperties": False,
                "required": ["secretName", "issuerRef", "dnsNames"],
                "properties": {
                    "secretName": _NAME,
                    "secretTemplate": {"type": "object", "additionalProperties": False, "properties": {"labels": _LABELS}},
                    "dnsNames": {"type": "array", "items": _NAME, "minItems": 1, "uniqueItems": True},
                    "usages": {"type": "array", "items": {"enum": ["server auth"]}},
                    "privateKey": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "algorithm": {"enum": ["RSA", "ECDSA", "Ed25519"]},
                            "size": {"type": "integer"},
                            "rotationPolicy": {"enum": ["Never", "Always"]},
                        },
                    },
                    "issuerRef": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["name"],
                        "properties": {"name": _NAME, "kind": _NAME, "group": _NAME},
                    },
                },
            },
        },
    }
}


def validate(item: dict[str, Any]) -> None:
    """Raise a ValidationError for an object that its schema refuses: that of Kubernetes, or our own for a kind that is not Kubernetes'."""
    custom = CUSTOM.get((item["apiVersion"], item["kind"]))
    if custom is None:
        kubernetes_validate.validate(item, KUBERNETES, strict=True)
    else:
        jsonschema.validate(item, custom)


def objects(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every object in the YAML files below a folder, with its file."""
    for path in sorted(folder.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if document:
                yield path, document


def problems(folder: Path) -> tuple[int, list[str]]:
    """Return how many objects there are below a folder, and a line for each that its schema refuses."""
    count, found = 0, []
    for path, document in objects(folder):
        count += 1
        try:
            validate(document)
        except jsonschema.ValidationError as error:
            where = ".".join(str(part) for part in error.path)
            found.append(f"{path.name}: {document['kind']} {document['metadata']['name']}: {where}: {error.message}")
    return count, found


def main() -> int:
    """Say how many objects are valid, or which are not."""
    folder = Path(sys.argv[1])
    count, found = problems(folder)
    print("\n".join([*found, f"{count - len(found)} of {count} objects in {folder} satisfy the schemas of Kubernetes {KUBERNETES}"]))
    return 1 if found or not count else 0


if __name__ == "__main__":
    sys.exit(main())
