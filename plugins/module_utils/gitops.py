"""A stack as files for GitOps: where the objects of each role are, and the files around them. Pure: text goes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .engine.kinds import KINDS
from .stack import components
from .stack.labels import instance
from .stack.model import Stack
from .stack.objects import waves
from .stack.secrets import Needed, Secret, needed

# Argo CD documentation 3.3, "Sync Phases and Waves" and "Sync Options"; Flux documentation, "Kustomization", garbage collection.
FORMATS = ("plain", "argocd", "flux")
TABLE = "secrets.md"


def directories(stack: Stack) -> dict[str, str]:
    """Return the directory of each wave: "3-backends". Its number is the same in every stack."""
    return {wave: f"{number}-{wave.replace('_', '-')}" for number, wave in enumerate(waves(stack), 1)}


def file_of(stack: Stack, role: str) -> str:
    """Return the path of the file with the objects of a role: "3-backends/loki.yaml". Raises ValueError for a role that has none."""
    for wave, names in waves(stack).items():
        if role in names:
            return f"{directories(stack)[wave]}/{role}.yaml"
    raise ValueError(f"{role} is no role of the stack {instance(stack)}")


def kustomizations(stack: Stack, files: Iterable[str], style: str) -> dict[str, dict[str, Any]]:
    """Return a kustomization for each wave that has some of these files, and one for all waves, by path. `style` is one of FORMATS."""
    inside: dict[str, list[str]] = {}
    for file in files:
        directory, _slash, name = file.rpartition("/")
        inside.setdefault(directory, []).append(name)
    found = {
        f"{directory}/kustomization.yaml": _kustomization(inside[directory], _patches(style, number))
        for number, directory in enumerate(directories(stack).values(), 1)
        if directory in inside
    }
    return {"kustomization.yaml": _kustomization([path.partition("/")[0] for path in found], []), **found}


def _kustomization(resources: Sequence[str], patches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(resources)}
    return {**found, "patches": list(patches)} if patches else found


def _patches(style: str, number: int) -> list[dict[str, Any]]:
    """Return the annotations for a tool: the order, and that what holds data is never removed, nor everything with its namespace."""
    data = "|".join(kind.kind for kind in KINDS if kind.data)
    if style == "argocd":
        keep = {"argocd.argoproj.io/sync-options": "Prune=false,Delete=false"}
        return [_annotated(".*", {"argocd.argoproj.io/sync-wave": str(number)}), _annotated(data, keep)]
    if style == "flux":
        return [_annotated(data, {"kustomize.toolkit.fluxcd.io/prune": "disabled"})]
    return []


def _annotated(kinds: str, annotations: Mapping[str, str]) -> dict[str, Any]:
    lines = ["apiVersion: v1", "kind: any", "metadata:", "  name: any", "  annotations:"]
    lines += [f'    {name}: "{value}"' for name, value in annotations.items()]
    return {"target": {"kind": kinds}, "patch": "\n".join(lines) + "\n"}


def generated(stack: Stack) -> list[Secret]:
    """Return the Secrets that a run of the playbook creates where they are missing."""
    return [secret for name in stack.enabled for secret in getattr(components.module(name), "secrets", lambda _stack: [])(stack)]


def table(stack: Stack, used: Mapping[str, Iterable[Mapping[str, Any]]]) -> str:
    """Return the page about the Secrets that have to exist. `used` maps roles to the `references` of their objects."""
    head = ["Secret", "Namespace", "Type", "Keys", "For", "Made by"]
    rows = [_row(secret) for secret in needed(stack, generated(stack), used)]
    return "\n".join([
        f"# Secrets of {instance(stack)}",
        "",
        "The objects refer to these Secrets. Their values are in none of these files; a pod starts once those that it needs exist.",
        "",
        *(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)),
        "",
        "`ansible-playbook observability.stack.secrets` with the inventory creates those made by `secrets.yml` on the cluster, where they",
        "are missing, and renews the certificate. Or create them yourself, with these names, types and keys.",
        "",
    ])  # fmt: skip


def _row(secret: Needed) -> list[str]:
    keys = ", ".join(f"`{key}`" for key in secret.keys) or "all that it has"
    maker = f"`{secret.maker}`" if secret.maker.endswith(".yml") else secret.maker
    return [f"`{secret.name}`", f"`{secret.namespace}`", f"`{secret.type}`", keys, secret.purpose, maker]
