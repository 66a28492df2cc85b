"""The keys of a `<role>_pod`: where each goes, and what it takes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Key:
    """One key of a `<role>_pod`.

    `shape` names its type in `SHAPES`. `on` is what it is laid over (`pod`: a pod template; `account`: a ServiceAccount; `claim`: that of
    a volume), `path` the place in there, a number being an index. A list has one item for each value of the field `identity`.
    """

    shape: str
    on: str
    path: tuple[str | int, ...]
    identity: str = ""


_CONTAINER = ("spec", "containers", 0)
KEYS: dict[str, Key] = {
    "node_selector": Key("labels", "pod", ("spec", "nodeSelector")),
    "tolerations": Key("objects", "pod", ("spec", "tolerations")),
    "affinity": Key("object", "pod", ("spec", "affinity")),
    "topology_spread": Key("objects", "pod", ("spec", "topologySpreadConstraints")),
    "priority_class": Key("name", "pod", ("spec", "priorityClassName")),
    "image_pull_secrets": Key("names", "pod", ("spec", "imagePullSecrets"), "name"),
    "host_aliases": Key("objects", "pod", ("spec", "hostAliases"), "ip"),
    "dns_config": Key("object", "pod", ("spec", "dnsConfig")),
    "selinux_options": Key("object", "pod", ("spec", "securityContext", "seLinuxOptions")),
    "pod_annotations": Key("annotations", "pod", ("metadata", "annotations")),
    "pod_labels": Key("labels", "pod", ("metadata", "labels")),
    "service_account_annotations": Key("annotations", "account", ("metadata", "annotations")),
    "storage_class": Key("name", "claim", ("spec", "storageClassName")),
    "extra_env": Key("objects", "pod", (*_CONTAINER, "env"), "name"),
    "extra_args": Key("flags", "pod", (*_CONTAINER, "args")),
    "extra_volumes": Key("objects", "pod", ("spec", "volumes"), "name"),
    "extra_mounts": Key("objects", "pod", (*_CONTAINER, "volumeMounts"), "mountPath"),
}

_DNS_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KEY = re.compile(r"((?=[^/]{1,253}/)[a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?(?=[^/]{1,63}$)[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"(?=.{0,63}$)([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")


def _is_map(value: Any, pattern: str) -> bool:
    return isinstance(value, dict) and all(
        isinstance(key, str) and _KEY.fullmatch(key) and isinstance(text, str) and re.fullmatch(pattern, text, re.DOTALL)
        for key, text in value.items()
    )


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) and item for item in value)


# Each shape: what holds of a value of it, and how to say that.
SHAPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "labels": (lambda value: _is_map(value, _LABEL_VALUE.pattern), "it should map label names to strings (quote true, false and numbers)"),
    "annotations": (lambda value: _is_map(value, ".*"), "it should map names to strings (quote true, false and numbers)"),
    "object": (lambda value: isinstance(value, dict), "it should be a mapping, as Kubernetes has it"),
    "objects": (lambda value: _is_list(value, dict), "it should be a list of mappings, as Kubernetes has them"),
    "flags": (lambda value: _is_list(value, str), "it should be a list of strings, like [--log.level=debug]"),
    "names": (
        lambda value: _is_list(value, str) and all(_DNS_NAME.fullmatch(name) for name in value),
        "it should be a list of names of Secrets, like [registry]",
    ),
    "name": (lambda value: isinstance(value, str) and (value == "" or bool(_DNS_NAME.fullmatch(value))), "it should be a name, or empty"),
}


# What holds of each item of a list beyond its shape.
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ITEMS: dict[str, tuple[Callable[[dict[str, Any]], bool], str]] = {
    "extra_env": (
        lambda item: bool(_ENV_NAME.fullmatch(str(item.get("name")))) and len(item) == 2 and isinstance(item.get("value", ""), str)
        and isinstance(item.get("valueFrom", {}), dict) and item.keys() <= {"name", "value", "valueFrom"},
        "it should have a name, and a value (a string: quote true, false and numbers) or a valueFrom",
    ),
    "extra_volumes": (
        lambda item: bool(_DNS_NAME.fullmatch(str(item.get("name")))) and len(item) == 2,
        "it should have a name and one source, like {name: authority, configMap: {name: authority}}",
    ),
    "extra_mounts": (
        lambda item: isinstance(item.get("name"), str) and str(item.get("mountPath")).startswith("/"),
        "it should have the name of a volume and a mountPath that begins with /",
    ),
}  # fmt: skip


# A flag that may be given several times, each adding to the others.
_REPEATABLE = ("enable-feature",)


def item_name(key: Key, item: Any) -> str:
    """Return what an item of a list is there once for: the name of a flag or a Secret, the field `identity`, or else the whole item."""
    if key.shape == "flags":
        # Without its dashes, its value, and the `no-` that switches it off.
        flag = str(item).lstrip("-").partition("=")[0].removeprefix("no-")
        return str(item) if flag in _REPEATABLE else flag
    if not isinstance(item, dict):
        return str(item)
    if not key.identity:
        return json.dumps(item, sort_keys=True)
    name = str(item.get(key.identity, ""))
    return name if key.identity != "mountPath" else name.rstrip("/") or "/"
