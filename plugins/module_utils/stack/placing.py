"""Where the pods of a component run, and what a site adds to them.

`observability_pod` says it for every component, `<role>_pod` for one. `pods` checks and merges them before anything is applied;
`placement` lays the result over the rendered objects, so that no template knows of it. Each key is documented and typed once:
`common_pod` in roles/common/meta/argument_specs.yml, with an example in docs/placing.md.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from . import components
from .catalogue import CATALOGUE
from .messages import nearest, wrong
from .model import Stack
from .own import Own

STACK_POD = "observability_pod"
SPREADS = ("preferred", "required")


@dataclass(frozen=True)
class Key:
    """One key of a `<role>_pod`.

    `shape` names its type in `_SHAPES`. `on` is what it is laid over (`pod`: a pod template; `account`: a ServiceAccount; `claim`: that of
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
# What makes sense for one component only, and what to use for all of them.
_ONE_COMPONENT = {
    "extra_args": "each component has flags of its own, so it belongs into a <role>_pod",
    "storage_class": "set observability_storage_class",
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
_SHAPES: dict[str, tuple[Callable[[Any], bool], str]] = {
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
_ITEMS: dict[str, tuple[Callable[[dict[str, Any]], bool], str]] = {
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


# The same everywhere.
_EVERYWHERE = Own(env=("POD_*", "NODE_*", "KUBERNETES_*"), volumes=("config", "data", "temporary"), mounts=("/",))
_OWN_KEYS = {
    "node_selector": ("kubernetes.io/os",),
    "pod_annotations": ("prometheus.io/*", "observability.stack/configuration"),
    "pod_labels": (
        *(f"app.kubernetes.io/{name}" for name in ("name", "instance", "component", "part-of", "managed-by")),
        "pod-template-hash", "controller-revision-hash", "pod-template-generation", "statefulset.kubernetes.io/*", "apps.kubernetes.io/*",
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


# --- Checked ------------------------------------------------------------------------------------------------------------


def pods(values: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return what the inventory says about the pods of each component, and a sentence for each problem.

    What holds for the whole stack is merged in: mappings key by key, lists are added up; where both name the same (a label, an environment
    variable, a volume), the component's wins.
    """
    stack = values[STACK_POD]
    problems = list(_problems(STACK_POD, stack, ""))
    volumes = [] if problems else stack.get("extra_volumes", [])
    problems = problems or _mount_problems(STACK_POD, stack, [])
    for component in CATALOGUE:
        variable, pod = f"{component}_pod", values[f"{component}_pod"]
        problems += list(_problems(variable, pod, component)) or _mount_problems(variable, pod, volumes)
    if problems:
        return {}, problems
    stack_class = values["observability_storage_class"]
    everywhere = {
        component: {"storage_class": stack_class} if CATALOGUE[component].volume and stack_class else {} for component in CATALOGUE
    }
    return {component: _merged({**everywhere[component], **stack}, values[f"{component}_pod"]) for component in CATALOGUE}, []


def _merged(stack: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    found = {**stack, **own}
    for name in stack.keys() & own.keys():
        if isinstance(own[name], dict):
            found[name] = {**stack[name], **own[name]}
        elif isinstance(own[name], list):
            taken = {item_name(KEYS[name], item) for item in own[name]}
            found[name] = [*(item for item in stack[name] if item_name(KEYS[name], item) not in taken), *own[name]]
    return copy.deepcopy(found)


def _problems(variable: str, pod: Any, component: str) -> Iterator[str]:
    """Yield a sentence for each thing that is wrong with one variable; `component` is empty for the stack's."""
    if not isinstance(pod, dict):
        yield wrong(variable, "", pod, f"it should be a mapping with some of the keys {', '.join(KEYS)}")
        return
    for name, value in pod.items():
        if name not in KEYS:
            yield wrong(variable, str(name), value, f"the keys are {', '.join(KEYS)}{nearest(name, KEYS)}")
            continue
        holds, sentence = _SHAPES[KEYS[name].shape]
        if not holds(value):
            yield wrong(variable, name, value, sentence)
            continue
        if not component and name in _ONE_COMPONENT:
            yield wrong(variable, name, value, _ONE_COMPONENT[name])
        if component and name == "storage_class" and not CATALOGUE[component].volume:
            yield wrong(variable, name, value, f"leave it out, no volume of {component} is claimed")
        if component and not CATALOGUE[component].account and name == "service_account_annotations":
            yield wrong(variable, name, value, f"leave it out, {component} has no ServiceAccount")
        names = _names(name, value)
        if KEYS[name].identity:
            yield from (wrong(variable, name, item, "it is there twice") for item in dict.fromkeys(names) if names.count(item) > 1)
        yield from clashes(variable, {name: value}, component)
        for item in value if name in _ITEMS else []:
            holds, sentence = _ITEMS[name]
            if not holds(item):
                yield wrong(variable, name, item, sentence)


def _names(name: str, value: Any) -> list[str]:
    """Return the names in the value of a key: those of a mapping, or of the items of a list."""
    if isinstance(value, dict):
        return list(value)
    return [item_name(KEYS[name], item) for item in value] if isinstance(value, list) else []


def clashes(variable: str, pod: Mapping[str, Any], component: str) -> Iterator[str]:
    """Yield a sentence for each name in a `<role>_pod` that is the role's own; for the stack's (`component` is empty), that of any role."""
    for name, value in pod.items():
        patterns = _own_names(name, component)
        for item in dict.fromkeys(_names(name, value)):
            if any(fnmatchcase(item, pattern) for pattern in patterns):
                yield wrong(variable, name, item, "the role sets it itself, leave it out")


def _own_names(name: str, component: str) -> list[str]:
    """Return the patterns of what a site must not set under a key: of one component, or of any."""
    field = name.removeprefix("extra_")
    if name in _OWN_KEYS or field not in Own.__dataclass_fields__:
        return list(_OWN_KEYS.get(name, ()))
    owners = [components.module(name).OWN for name in ([component] if component else CATALOGUE)]
    return [pattern for own in (_EVERYWHERE, *owners) for pattern in getattr(own, field)]


def _mount_problems(variable: str, pod: Mapping[str, Any], stack_volumes: Sequence[Mapping[str, Any]]) -> list[str]:
    there = {volume["name"] for volume in (*stack_volumes, *pod.get("extra_volumes", []))}
    return [
        wrong(variable, "extra_mounts", mount["mountPath"], f"its volume {mount['name']!r} should be one of extra_volumes")
        for mount in pod.get("extra_mounts", [])
        if mount["name"] not in there
    ]


def storage_classes(stack: Stack) -> dict[str, str]:
    """Return the StorageClasses of the volumes, each with a variable that names it; an empty one is the cluster's default."""
    found: dict[str, str] = {}
    for component, row in CATALOGUE.items():
        if row.volume and stack.has(component):
            name = stack.pods[component].get("storage_class", "")
            found.setdefault(name, "observability_storage_class" if name == stack.storage_class else f"{component}_pod.storage_class")
    return found
