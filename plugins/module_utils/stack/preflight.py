"""What a cluster has to be like, and who owns what on it: pure decisions over what `survey.py` has read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import changes, kubernetes, object_storage, placing
from .addressing import headless
from .catalogue import CATALOGUE, workload_name
from .labels import INSTANCE, OF_ANY_STACK, instance
from .model import Stack

# `preStop.sleep` is on by default since then (Kubernetes feature gate PodLifecycleSleepAction, beta); the API server drops it before.
MINIMUM_VERSION = (1, 30)
_ENFORCED = "pod-security.kubernetes.io/enforce"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
F5_CONTROLLER = "nginx.org/ingress-controller"
# The known controllers, and the annotations that each reads.
_ANNOTATIONS_OF = {F5_CONTROLLER: "f5", "k8s.io/ingress-nginx": "community"}

Facts = Mapping[str, Any]
Check = Callable[[Stack, Facts], Iterator[str]]


def is_ours(stack: Stack, labels: Mapping[str, str]) -> bool:
    """Whether labels are those of an object of this stack."""
    return is_of_a_stack(labels) and labels.get(INSTANCE) == instance(stack)


def is_of_a_stack(labels: Mapping[str, str]) -> bool:
    """Whether labels are those of an object that this collection has made, for this stack or another one."""
    return OF_ANY_STACK.items() <= labels.items()


def namespace_state(stack: Stack, facts: Facts) -> str:
    """Return whether the stack's namespace is `absent`, `ours` (made by this stack, to be removed with it) or `foreign`."""
    found = facts["namespaces"].get(stack.namespace)
    if found is None:
        return "absent"
    return "ours" if is_ours(stack, found["labels"]) else "foreign"


def rejections(stack: Stack, facts: Facts, purpose: str) -> list[str]:
    """Return a sentence for each thing on the cluster with which a run cannot do what it is for: `apply`, `diff`, `verify` or `remove`."""
    return [text for check in _CHECKS[purpose] for text in check(stack, facts)]


def access_problem(kubeconfig: str, context: str, reason: str = "") -> str:
    """Return the sentence about access that does not work, for a reason, or that is not named."""
    if reason:
        return f"observability_kubeconfig is {kubeconfig!r} and observability_context is {context!r}; {reason}"
    return (
        f"observability_context is {context!r}; name the context of the cluster, so that no run ends on another one, "
        "or set observability_current_context to true"
    )


def conflicts(host: str, hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each other host of the inventory that claims what `host` claims.

    `hosts` maps every host to its `cluster_name`, `kubeconfig`, `context`, `namespace` and `object_storage`, as far as they could be
    evaluated.
    """
    own = hosts[host]
    found = []
    for other, claimed in hosts.items():
        if other == host:
            continue
        if own.get("cluster_name") and claimed.get("cluster_name") == own["cluster_name"]:
            found.append(
                f"observability_cluster_name is {own['cluster_name']!r} for the hosts {host} and {other}; "
                "it is a label of every sample and log line, and each stack needs its own"
            )
        place = ("kubeconfig", "context", "namespace")
        if [own.get(key) for key in place] == [claimed.get(key) for key in place]:
            found.append(
                f"observability_context is {own.get('context')!r} and observability_namespace is {own.get('namespace')!r} for the hosts "
                f"{host} and {other}; a second stack in one cluster needs a namespace of its own"
            )
        both = object_storage.places(own.get("object_storage")) & object_storage.places(claimed.get("object_storage"))
        found += [
            f"observability_object_storage has the bucket {bucket} for the hosts {host} and {other}; the stores of one stack delete "
            "what they do not know, so each stack needs buckets of its own"
            for bucket in sorted(both)
        ]
    return found


# --- checks -----------------------------------------------------------------------------------------------------------


def _version(_stack: Stack, facts: Facts) -> Iterator[str]:
    found = re.match(r"v?(\d+)\.(\d+)", facts["version"])
    if found and (int(found[1]), int(found[2])) < MINIMUM_VERSION:
        yield f"the cluster runs Kubernetes {facts['version']}; this collection needs {'.'.join(map(str, MINIMUM_VERSION))} or newer"


def _other_stack(stack: Stack, facts: Facts) -> Iterator[str]:
    found = facts["namespaces"].get(stack.namespace)
    if found is None:
        return
    every = [found["labels"], *(item["labels"] for item in found["objects"])]
    others = sorted({str(labels.get(INSTANCE)) for labels in every if is_of_a_stack(labels) and not is_ours(stack, labels)})
    if others:
        yield (
            f"observability_cluster_name is {stack.cluster_name!r}; the namespace {stack.namespace!r} holds the stack {', '.join(others)}: "
            "give its name, or another observability_namespace, or remove that stack with its data first (a volume keeps the name for good)"
        )


def _strangers(stack: Stack, facts: Facts) -> Iterator[str]:
    """Objects under names that this stack uses: they would be overwritten."""
    found = facts["namespaces"].get(stack.namespace)
    if found is None:
        return
    taken = [
        f"{item['kind']} {item['name']}"
        for item in found["objects"]
        if not is_of_a_stack(item["labels"]) and _uses(stack, item["kind"], item["name"])
    ]
    if taken:
        yield (
            f"observability_namespace is {stack.namespace!r}; others have there what this stack would overwrite ({', '.join(taken)}): "
            "take another namespace"
        )


def _uses(stack: Stack, kind: str, name: str) -> bool:
    """Whether the stack has an object of that kind and name. An existing Secret is used unchanged."""
    components = [name for name in stack.installed() if not CATALOGUE[name].own_namespace]
    services = [workload_name(name) for name in components]
    if kind == "Secret":
        return False
    if kind == "PersistentVolumeClaim":
        return any(name == service or re.fullmatch(rf"data-{service}-\d+", name) for service in services)
    return name in (*services, *(headless(component) for component in components))


def _pod_security(stack: Stack, facts: Facts) -> Iterator[str]:
    found = facts["namespaces"].get(stack.namespace)
    if found is None or stack.adopt_namespace or is_ours(stack, found["labels"]):
        return
    level = found["labels"].get(_ENFORCED, "privileged")
    if kubernetes.pod_security(stack) == "privileged" and level != "privileged":
        yield (
            f"observability_namespace is {stack.namespace!r}, which was there before and enforces Pod Security {level!r}, "
            "but Alloy needs 'privileged': label the namespace, or set namespaces_adopt to true, or alloy_enabled to false"
        )


def _own_namespaces(stack: Stack, facts: Facts) -> Iterator[str]:
    for component, namespace in stack.namespaces.items():
        found = facts["namespaces"].get(namespace)
        if stack.installs(component) and found is not None and not is_ours(stack, found["labels"]):
            yield f"{component}_namespace is {namespace!r}, which was there before and is not this stack's; name another"


def _storage_class(stack: Stack, facts: Facts) -> Iterator[str]:
    classes = facts["storage_classes"]
    if not stack.storage_check or classes is None:
        return
    there = [item["name"] for item in classes]
    has_default = any(item["annotations"].get(_DEFAULT_CLASS) == "true" for item in classes)
    for name, variable in placing.storage_classes(stack).items():
        if name not in there if name else not has_default:
            wrong = "the cluster has no such StorageClass" if name else "the cluster has no default StorageClass, name one"
            yield f"{variable} is {name!r}; {wrong}. It has: {', '.join(there) or 'none'}"


def _ingress_class(stack: Stack, facts: Facts) -> Iterator[str]:
    classes = facts["ingress_classes"]
    if not stack.has("ingress") or classes is None:
        return
    name = f"ingress_class is {stack.ingress_class!r}"
    found = next((item for item in classes if item["name"] == stack.ingress_class), None)
    if stack.installs("ingress"):
        if found and not is_ours(stack, found["labels"]):
            owner = f"the stack {found['labels'].get(INSTANCE)}" if is_of_a_stack(found["labels"]) else "another owner"
            yield (
                f"{name}, an IngressClass of {owner} (controller {found['controller']}): choose another name for this stack's controller, "
                "or set ingress_install to false to use the existing one"
            )
        return
    if found is None:
        there = ", ".join(item["name"] for item in classes) or "none"
        yield f"{name}; the cluster has no such IngressClass, and ingress_install is false. It has: {there}"
        return
    # Annotations that a controller does not read leave the hosts without authentication.
    read = _ANNOTATIONS_OF.get(found["controller"], stack.ingress_controller)
    if read != stack.ingress_controller:
        yield f"ingress_controller is {stack.ingress_controller!r}; the controller of the class, {found['controller']}, needs {read!r}"


def _cert_manager(stack: Stack, facts: Facts) -> Iterator[str]:
    if stack.has("ingress") and stack.tls_source == "cert_manager" and facts["groups"] and "cert-manager.io" not in facts["groups"]:
        yield "ingress_tls_source is 'cert_manager'; the cluster has no cert-manager (no API group cert-manager.io)"


def _nothing_there(stack: Stack, facts: Facts) -> Iterator[str]:
    if facts["namespaces"].get(stack.namespace) is None:
        yield f"observability_namespace is {stack.namespace!r}; the cluster has no such namespace, so there is no stack to verify"


_CHECKS: dict[str, tuple[Check, ...]] = {
    "apply": (
        _version, _other_stack, _strangers, _pod_security, _own_namespaces, _storage_class, _ingress_class, _cert_manager,
        changes.rejections,
    ),
    # What others have under this stack's names is a difference, to be reported.
    "diff": (_version, _other_stack, _own_namespaces, _cert_manager),
    "verify": (_version, _nothing_there, _other_stack),
    "remove": (_other_stack,),
}  # fmt: skip
