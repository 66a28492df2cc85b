"""Check rendered objects against the Kubernetes schemas: `python -m tools.schemas DIRECTORY…` reads every YAML file of objects below them.

The schemas are those of the version that the nodes of the chosen provider run; for a cluster of your own, of all versions that are tested.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from tools.lab import build, kind
from tools.lab.providers import BUILD

_LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
_NAME = {"type": "string", "minLength": 1}
# Kinds that are not Kubernetes' own, whose schema only a cluster that has them knows. Written from their reference (cert-manager 1.18, "API
# Reference"), and only as far as this collection uses it: a field that is not here is rejected, right or not.
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


def minor(text: str) -> str:
    """Return the Kubernetes minor version, such as "1.36", in `v1.36.3` or in the reference of a node image; empty when there is none."""
    found = re.search(r"(?:^|:)v(\d+\.\d+)\.\d+", text)
    return found[1] if found else ""


def versions(provider: str = "") -> list[str]:
    """Return the minor versions to check for: that of a provider's nodes, or of all nodes that this repository starts."""
    lab = next(component.recipe["version"] for component in build.components() if component.name == "kubernetes")
    tested = {"lab": minor(lab), "kind": minor(kind.NODE_IMAGE)}
    given = {**tested, "kind": minor(kind.Settings.read().node_image)}
    return [given[provider]] if given.get(provider) else sorted(set(tested.values()))


def validate(item: dict[str, Any], version: str) -> None:
    """Raise a ValidationError for an object that its schema rejects: that of Kubernetes, or our own for a kind that is not Kubernetes'."""
    custom = CUSTOM.get((item["apiVersion"], item["kind"]))
    if custom is None:
        kubernetes_validate.validate(item, version, strict=True)
    else:
        jsonschema.validate(item, custom)


def objects(directory: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every object in the YAML files below a directory, with its file; a kustomization is none."""
    for path in sorted(directory.rglob("*.yaml")):
        if path.name == "kustomization.yaml":
            continue
        for document in yaml.safe_load_all(path.read_text()):
            if document:
                yield path, document


def problems(directory: Path, checked: Sequence[str]) -> tuple[int, list[str]]:
    """Return how many objects there are below a directory, and a line for each that the schema of a version rejects."""
    count, found = 0, []
    for path, document in objects(directory):
        count += 1
        for version in checked:
            try:
                validate(document, version)
            except jsonschema.ValidationError as error:
                where = ".".join(str(part) for part in error.path)
                name = f"{document['kind']} {document['metadata']['name']}"
                found.append(f"{path.name}: {name}: {where}: {error.message} (Kubernetes {version})")
                break
    return count, found


def main() -> int:
    """Say how many objects are valid, or which are not."""
    provider, wrong = BUILD / "provider.yml", False
    checked = versions(yaml.safe_load(provider.read_text()).get("cluster_provider", "") if provider.exists() else "")
    for directory in map(Path, sys.argv[1:]):
        count, found = problems(directory, checked)
        valid = f"{count - len(found)} of {count} objects in {directory} satisfy the schemas of Kubernetes {' and '.join(checked)}"
        print("\n".join([*found, valid]))
        wrong = wrong or bool(found) or not count
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
