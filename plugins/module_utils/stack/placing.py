"""Where the pods of a component run, and what a site adds to them.

`observability_pod` says it for every component, `<role>_pod` for one. `pods` checks and merges them before anything is applied;
`placement` merges the result into the rendered objects, independently of the templates. Each key is documented and typed once:
the option `pod` of plugins/modules/apply.py, with an example in docs/placing.md.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from . import components
from .catalogue import CATALOGUE
from .messages import nearest, wrong
from .model import Stack
from .own import Own
from .pod_keys import ITEMS, KEYS, SHAPES, item_name

STACK_POD = "observability_pod"
SPREADS = ("preferred", "required")


# What makes sense for one component only, and what to use for all of them.
_ONE_COMPONENT = {
    "extra_args": "each component has flags of its own, so it belongs into a <role>_pod",
    "storage_class": "set observability_storage_class",
}

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
        holds, sentence = SHAPES[KEYS[name].shape]
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
        for item in value if name in ITEMS else []:
            holds, sentence = ITEMS[name]
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
        if row.volume and stack.has(component) and stack.claims(component):
            name = stack.pods[component].get("storage_class", "")
            found.setdefault(name, "observability_storage_class" if name == stack.storage_class else f"{component}_pod.storage_class")
    return found
