"""Where the pods of a component run, and what a site adds to them. Pure Python: nothing here imports Ansible.

`observability_pod` says it for every component, `<role>_pod` for one. `pods` checks and merges them before anything is applied; `placed`
lays the result over the rendered objects, so that no template knows of it. Each key is documented and typed once: `common_pod` in
roles/common/meta/argument_specs.yml, with an example in docs/placing.md.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ._sentences import nearest, wrong

if TYPE_CHECKING:
    from ._stack import Stack

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
# Components with volumes that are claimed; components without a ServiceAccount of their own.
VOLUMES = ("prometheus", "mimir", "loki", "otel_collector", "grafana")
NO_ACCOUNT = ("sample_application",)

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


@dataclass(frozen=True)
class Own:
    """Names in a component's pod that are the role's own, as shell patterns: what its template sets, and what would undo the wiring."""

    env: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()


_TEMPORARY = "/tmp"  # noqa: S108 (a path of the pod)
# A test holds this table to what the templates render to. Mimir and Loki let a flag win over their configuration files.
OWN: dict[str, Own] = {
    "prometheus": Own(
        args=(
            "config.file", "storage.tsdb.path", "storage.tsdb.retention.time", "web.listen-address", "web.external-url", "web.route-prefix",
            "web.config.file", "web.enable-remote-write-receiver", "web.enable-otlp-receiver", "agent", "storage.agent.*",
        ),
        mounts=("/etc/prometheus", "/prometheus"),
    ),
    "mimir": Own(
        args=(
            "config.*", "target", "modules", "auth.multitenancy-enabled", "server.*-listen-*", "server.path-prefix", "memberlist.*",
            "distributor.ha-tracker.*", "ingest-storage.*", "*.ring.*", "*.instance-*", "blocks-storage.*.dir", "blocks-storage.backend",
        ),
        mounts=("/etc/mimir", "/data", _TEMPORARY),
    ),
    "loki": Own(
        args=(
            "config.*", "target", "auth.enabled", "server.*-listen-*", "server.path-prefix", "memberlist.*", "*.ring.*", "*.instance-*",
            "verify-config",
        ),
        mounts=("/etc/loki", "/loki", _TEMPORARY),
    ),
    "alloy": Own(
        env=("GOMEMLIMIT",),
        args=("server.http.*", "storage.path", "disable-reporting", "stability.level", "cluster.*", "config.*"),
        volumes=("logs", "proc", "sys", "root"),
        mounts=("/etc/alloy", "/var/lib/alloy/data", "/host/*", "/var/log/*"),
    ),
    "otel_collector": Own(env=("GOMEMLIMIT",), args=("config", "set"), mounts=("/etc/otel-collector", "/var/lib/otel-collector")),
    "grafana": Own(
        env=("GF_SECURITY_ADMIN_*", "GF_SECURITY_SECRET_KEY*", "GF_SERVER_*", "GF_PATHS_*"),
        args=("config", "homepath"),
        mounts=("/etc/grafana", "/etc/grafana/grafana.ini", "/etc/grafana/provisioning/*", "/var/lib/grafana", _TEMPORARY),
    ),
    "ingress_nginx": Own(
        args=(
            "nginx-configmaps", "ingress-class", "watch-namespace*", "enable-custom-resources", "enable-telemetry-reporting",
            "report-ingress-status", "external-service", "leader-election-lock-name", "ready-status*", "enable-prometheus-metrics",
            "prometheus-metrics-listen-port",
        ),
        volumes=("nginx", "cache", "library", "log"),
        mounts=("/etc/nginx", "/var/cache/nginx", "/var/lib/nginx", "/var/log/nginx"),
    ),
    "sample_application": Own(args=("run-id", "interval", "metrics-address", "otlp-*")),
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


def _name(key: Key, item: Any) -> str:
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


def pods(values: Mapping[str, Any], components: Sequence[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return what the inventory says about the pods of each component, and a sentence for each problem.

    What holds for the whole stack is merged in: mappings key by key, lists are added up; where both name the same (a label, an environment
    variable, a volume), the component's wins.
    """
    stack = values[STACK_POD]
    problems = list(_problems(STACK_POD, stack, ""))
    volumes = [] if problems else stack.get("extra_volumes", [])
    problems = problems or _mount_problems(STACK_POD, stack, [])
    for component in components:
        variable, pod = f"{component}_pod", values[f"{component}_pod"]
        problems += list(_problems(variable, pod, component)) or _mount_problems(variable, pod, volumes)
    if problems:
        return {}, problems
    stack_class = values["observability_storage_class"]
    everywhere = {component: {"storage_class": stack_class} if component in VOLUMES and stack_class else {} for component in components}
    return {component: _merged({**everywhere[component], **stack}, values[f"{component}_pod"]) for component in components}, []


def _merged(stack: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    found = {**stack, **own}
    for name in stack.keys() & own.keys():
        if isinstance(own[name], dict):
            found[name] = {**stack[name], **own[name]}
        elif isinstance(own[name], list):
            taken = {_name(KEYS[name], item) for item in own[name]}
            found[name] = [*(item for item in stack[name] if _name(KEYS[name], item) not in taken), *own[name]]
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
        if component and name == "storage_class" and component not in VOLUMES:
            yield wrong(variable, name, value, f"leave it out, no volume of {component} is claimed")
        if component in NO_ACCOUNT and name == "service_account_annotations":
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
    return [_name(KEYS[name], item) for item in value] if isinstance(value, list) else []


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
    owners = [OWN[component]] if component else list(OWN.values())
    return [pattern for own in (_EVERYWHERE, *owners) for pattern in getattr(own, field)]


def _mount_problems(variable: str, pod: Mapping[str, Any], stack_volumes: Sequence[Mapping[str, Any]]) -> list[str]:
    there = {volume["name"] for volume in (*stack_volumes, *pod.get("extra_volumes", []))}
    return [
        wrong(variable, "extra_mounts", mount["mountPath"], f"its volume {mount['name']!r} should be one of extra_volumes")
        for mount in pod.get("extra_mounts", [])
        if mount["name"] not in there
    ]


def max_unavailable_problem(name: str, value: Any) -> str:
    """Return what is wrong with a DaemonSet's `maxUnavailable`, if anything."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return ""
    if isinstance(value, str) and re.fullmatch(r"([1-9][0-9]?|100)%", value):
        return ""
    return wrong(name, "", value, "it should be a share of the nodes like 10%, or a number of them without quotes, 1 or more")


def storage_classes(stack: Stack) -> dict[str, str]:
    """Return the StorageClasses of the volumes, each with a variable that names it; an empty one is the cluster's default."""
    found: dict[str, str] = {}
    for component in VOLUMES:
        if stack.has(component):
            name = stack.pods[component].get("storage_class", "")
            found.setdefault(name, "observability_storage_class" if name == stack.storage_class else f"{component}_pod.storage_class")
    return found


# --- Laid over the objects ----------------------------------------------------------------------------------------------


def placed(stack: Stack, component: str, objects: Sequence[dict[str, Any]], pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rendered objects of a component with `pod`, its checked and merged `<role>_pod`, laid over them.

    Every pod runs on a Linux node, and replicas are spread over the nodes as `observability_spread` says, unless the site says how itself.
    What a template sets stays. Raises ValueError with every clash between the two.
    """
    found = copy.deepcopy(list(objects))
    clashing: list[str] = []
    for item in found:
        targets = _targets(item)
        for wanted in ({"node_selector": {"kubernetes.io/os": "linux"}}, pod):
            for name, value in wanted.items():
                for target in targets.get(KEYS[name].on, []):
                    clashing += [
                        wrong(f"{component}_pod", name, clash, f"{item['kind']} {item['metadata']['name']} has it already")
                        for clash in _lay(target, name, value)
                    ]
        for template in targets.get("pod", []):
            _spread(stack.spread, item, template["spec"])
    if clashing:
        raise ValueError("; ".join(clashing))
    return found


def _targets(item: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return what can be laid over in an object, by the `on` of the keys."""
    if item["kind"] in ("StatefulSet", "DaemonSet", "Deployment"):
        return {"pod": [item["spec"]["template"]], "claim": item["spec"].get("volumeClaimTemplates", [])}
    return {"ServiceAccount": {"account": [item]}, "PersistentVolumeClaim": {"claim": [item]}}.get(item["kind"], {})


def _lay(target: dict[str, Any], name: str, value: Any) -> list[str]:
    """Lay the value of a key over its place in `target`, in place; return what is there with another value, which stays."""
    if not value:
        return []
    key = KEYS[name]
    place: Any = target
    for step in key.path[:-1]:
        place = place[step] if isinstance(step, int) else place.setdefault(step, {})
    last = key.path[-1]
    if isinstance(value, dict):
        there = place.setdefault(last, {})
        clashes = [item for item in value if item in there and there[item] != value[item]]
        there.update({item: text for item, text in value.items() if item not in there})
        return clashes
    if isinstance(value, list):
        there = place.setdefault(last, [])
        known = {_name(key, item): item for item in there}
        clashes = []
        for item in ({"name": secret} for secret in value) if key.shape == "names" else value:
            if _name(key, item) not in known:
                there.append(copy.deepcopy(item))
            elif known[_name(key, item)] != item:
                clashes.append(_name(key, item))
        return clashes
    if place.setdefault(last, value) != value:
        return [value]
    return []


def _spread(spread: str, workload: Mapping[str, Any], spec: dict[str, Any]) -> None:
    """Spread the replicas of a workload over the nodes, unless its pods have constraints already.

    A surge must not count the pods that it replaces: with as many nodes as replicas there would be no place for it.
    """
    if workload["kind"] == "DaemonSet" or workload["spec"].get("replicas", 1) < 2 or "topologySpreadConstraints" in spec:
        return
    spec["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule" if spread == "required" else "ScheduleAnyway",
            # Nodes whose taints keep the pods out are no place to spread to.
            "nodeTaintsPolicy": "Honor",
            "labelSelector": {"matchLabels": dict(workload["spec"]["selector"]["matchLabels"])},
            **({"matchLabelKeys": ["pod-template-hash"]} if workload["kind"] == "Deployment" else {}),
        }
    ]
