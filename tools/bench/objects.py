"""The objects of a stack as others apply them: a chart for Helm, files for kubectl."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
WORKLOADS = ("StatefulSet", "DaemonSet", "Deployment")
# `kubectl apply` takes them in the order of the file: first what others need.
_FIRST = ("Namespace", "ServiceAccount", "Secret", "ConfigMap", "PersistentVolumeClaim")


def read(directory: Path) -> list[Object]:
    """Return the Kubernetes objects of the YAML files in a directory, without what is for kustomize and without Secrets."""
    documents = [found for path in sorted(directory.rglob("*.yaml")) for found in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    kept = [found for found in documents if found and not str(found["apiVersion"]).startswith("kustomize.") and found["kind"] != "Secret"]
    return ordered(kept)


def ordered(objects: Iterable[Object]) -> list[Object]:
    """Return objects in an order in which they can be applied."""
    return sorted(objects, key=lambda item: _FIRST.index(item["kind"]) if item["kind"] in _FIRST else len(_FIRST))


def moved_secrets(secrets: Iterable[Mapping[str, Any]], namespace: str) -> list[Object]:
    """Return Secrets that a run has made, as objects of another namespace."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret["metadata"]["name"], "namespace": namespace, "labels": secret["metadata"].get("labels") or {}},
            "type": secret["type"],
            "data": secret["data"],
        }
        for secret in secrets
    ]


def escaped(text: str) -> str:
    """Return a Helm template that renders to a text, whatever braces the text contains."""
    return text.replace("{{", '{{ "{{" }}')


def chart(objects: Sequence[Object], name: str) -> dict[str, str]:
    """Return the files of a chart with one template per object."""
    files = {"Chart.yaml": yaml.safe_dump({"apiVersion": "v2", "name": name, "version": "0.1.0"})}
    for number, item in enumerate(objects):
        files[f"templates/{number:03}.yaml"] = escaped(dump([item]))
    return files


def dump(objects: Iterable[Object]) -> str:
    """Return objects as YAML documents."""
    return yaml.dump_all(objects, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False, width=1000)


def write(directory: Path, files: Mapping[str, str]) -> Path:
    """Write files, given by their path, below a directory, and return it. Secrets are among them: others may not read them."""
    directory.mkdir(mode=0o700, parents=True)
    for name, text in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def workloads(objects: Iterable[Object]) -> dict[str, list[str]]:
    """Return kind/name of the workloads of each namespace, which `kubectl rollout status` takes."""
    found: dict[str, list[str]] = {}
    for item in objects:
        if item["kind"] in WORKLOADS:
            found.setdefault(item["metadata"]["namespace"], []).append(f"{item['kind'].lower()}/{item['metadata']['name']}")
    return found


def cluster_scoped(objects: Iterable[Object]) -> list[str]:
    """Return kind/name of the objects outside any namespace, namespaces left out."""
    return [
        f"{item['kind'].lower()}/{item['metadata']['name']}"
        for item in objects
        if "namespace" not in item["metadata"] and item["kind"] != "Namespace"
    ]


def namespaces(objects: Iterable[Object]) -> list[str]:
    """Return the names of the namespaces among the objects."""
    return [str(item["metadata"]["name"]) for item in objects if item["kind"] == "Namespace"]
