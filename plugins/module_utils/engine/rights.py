"""The rights that a run needs, as a table, and which of them the credentials lack (Kubernetes documentation 1.36, "Authorization")."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..stack import catalogue, components, graph, kubernetes
from ..stack.model import Stack
from .kinds import KINDS, Kind

RBAC = "rbac.authorization.k8s.io"
Rule = dict[str, Any]
Rules = Mapping[str, Sequence[Rule]]
# What a run does with the objects of a kind: a snapshot lists, server-side apply reads, patches and creates, and pruning deletes.
_APPLIED, _PRUNED = ("get", "list", "patch", "create"), ("delete",)
_VERBS: dict[str, tuple[str, ...]] = {
    # Made when missing, and replaced when it is a certificate; the content is read of certificates only.
    "Secret": ("get", "list", "create", "patch"),
    # That of the runs is renewed with an update.
    "Lease": ("get", "list", "create", "update"),
}


@dataclass(frozen=True, order=True)
class Right:
    """One verb for one kind of objects (a subresource like "pods/log" as well), or for the one of that name, in a namespace or outside."""

    namespace: str
    group: str
    resource: str
    verb: str
    name: str = ""

    @property
    def title(self) -> str:
        """For people: "deployments.apps"."""
        return f"{self.resource}{'.' + self.group if self.group else ''}{' ' + self.name if self.name else ''}"

    def given_by(self, rules: Iterable[Mapping[str, Any]]) -> bool:
        """Whether one of the rules, as in a Role, gives it."""
        _whole, slash, below = self.resource.partition("/")
        resources = {"*", self.resource, *([f"*/{below}"] if slash else [])}
        return any(
            {"*", self.verb} & set(rule.get("verbs") or ())
            and {"*", self.group} & set(rule.get("apiGroups") or ())
            and resources & set(rule.get("resources") or ())
            and (not rule.get("resourceNames") or self.name in rule["resourceNames"])
            for rule in rules
        )


@dataclass(frozen=True)
class Needed:
    """What a run needs: `must` or it fails, and `may`, without which it only knows less.

    `grants` maps the rights to write any right into a role, for each Role and ClusterRole, to the rights that are enough instead: the
    API server takes a role only from somebody who has all rights in it.
    """

    must: tuple[Right, ...]
    may: tuple[Right, ...] = ()
    grants: Mapping[tuple[Right, ...], tuple[Right, ...]] | None = None


def needed(stack: Stack, purpose: str, *, dry: bool = False, verify: bool = False, found: Collection[str] = ()) -> Needed:
    """Return what a run for a purpose of preflight needs; `dry`: it changes nothing, `verify`: with the verification at its end.

    `found` names kinds of which the stack has objects already: they may have to go. The rights to remove data are not among them.
    """
    spaces, dry = graph.namespaces(stack), dry or purpose == "diff"
    if purpose == "verify":
        return Needed(tuple(sorted(_verified(stack))))
    if purpose == "remove":
        kinds = [(kind, ("list",) if dry or kind.data else ("list", "delete")) for kind in KINDS]
        return Needed(tuple(_each(kinds, spaces)), (*_for(["list"], "", "pods", spaces), *_for(["list"], "", "nodes")))
    made = _made(stack) | set(found)
    must = set(_each([(kind, _verbs(kind, kind.kind in made, dry)) for kind in KINDS], spaces))
    must |= set(_for(["list"], "", "pods", spaces)) | (set(_verified(stack)) if verify else set())
    may = {
        *_for(["get"], "", "pods/log", spaces), *_for(["list"], "", "events", spaces),
        *_for(["list"], "", "nodes"), *_for(["list"], "storage.k8s.io", "storageclasses"),
    }  # fmt: skip
    return Needed(tuple(sorted(must)), tuple(sorted(may - must)), _grants(stack))


def _verbs(kind: Kind, made: bool, dry: bool) -> tuple[str, ...]:
    if not made:
        return ("list",)
    if kind.kind in _VERBS:
        return ("get", "list") if dry else _VERBS[kind.kind]
    return _APPLIED if dry or kind.data else (*_APPLIED, *_PRUNED)


def _made(stack: Stack) -> set[str]:
    """Return the kinds of objects that a stack can have."""
    without = {
        "Ingress": not stack.has("ingress"),
        "IngressClass": not stack.installs("ingress"),
        "Certificate": not (stack.has("ingress") and stack.tls_source == "cert_manager"),
        "NetworkPolicy": not stack.network_policies,
        # An existing namespace is used unchanged.
        "Namespace": stack.namespace_state == "foreign" and not stack.adopt_namespace and not stack.namespaces,
    }
    roles = {kind for name in stack.installed() for kind in _rules(stack, name)}
    workloads = {catalogue.component(name).workload for name in stack.installed()}
    special = {kind.kind for kind in KINDS if kind.workload or kind.group == RBAC}
    return {kind.kind for kind in KINDS if kind.kind not in special and not without.get(kind.kind)} | workloads | {
        name for kind in roles for name in (kind, f"{kind}Binding")
    }  # fmt: skip


def _rules(stack: Stack, component: str) -> Rules:
    found: Rules = getattr(components.module(component), "rules", lambda _stack: {})(stack)
    return found


def _grants(stack: Stack) -> dict[tuple[Right, ...], tuple[Right, ...]]:
    found = {}
    for component in stack.installed():
        for kind, rules in _rules(stack, component).items():
            scoped = kubernetes.metadata if kind == "Role" else kubernetes.cluster_metadata
            metadata = scoped(stack, component)
            space, resource = metadata.get("namespace", ""), f"{kind.lower()}s"
            instead = tuple(Right(space, RBAC, resource, verb, metadata["name"]) for verb in ("bind", "escalate"))
            found[instead] = tuple(sorted(set(rights_in(rules, space))))
    return found


def rights_in(rules: Iterable[Mapping[str, Any]], namespace: str) -> Iterator[Right]:
    """Return the rights that rules give."""
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    for name in rule.get("resourceNames") or [""]:
                        yield Right(namespace, group, resource, verb, name)


def _verified(stack: Stack) -> Iterator[Right]:
    """Yield what the verification needs: pods that write and measure, port-forwards to the components, and the credentials of users."""
    spaces = [stack.namespace]
    yield from _for(["list", "create", "delete"], "", "pods", spaces)
    yield from _for(["get"], "", "pods/log", spaces)
    # A port-forward over a WebSocket is a GET, and counts as a creation since Kubernetes 1.35.
    yield from _for(["get", "create"], "", "pods/portforward", spaces)
    yield from _for(["get"], "", "secrets", spaces)
    yield from _for(["list"], "discovery.k8s.io", "endpointslices", spaces)
    yield from _for(["list"], "networking.k8s.io", "ingresses", spaces)
    yield from _for(["list"], "", "nodes")


def _each(kinds: Iterable[tuple[Kind, tuple[str, ...]]], spaces: Sequence[str]) -> Iterator[Right]:
    for kind, verbs in kinds:
        yield from _for(verbs, kind.group, kind.resource, spaces if kind.namespaced else [""])


def _for(verbs: Iterable[str], group: str, resource: str, spaces: Iterable[str] = ("",)) -> Iterator[Right]:
    return (Right(space, group, resource, verb) for verb in verbs for space in spaces)


def rules_of(rights: Iterable[Right]) -> list[Rule]:
    """Return the rules of a Role that give these rights, whatever their namespace, as few as it takes."""
    verbs: dict[tuple[str, str, str], set[str]] = {}
    for right in rights:
        verbs.setdefault((right.group, right.name, right.resource), set()).add(right.verb)
    resources: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (group, name, resource), among in sorted(verbs.items()):
        resources.setdefault((group, name, tuple(sorted(among))), []).append(resource)
    return [
        {"apiGroups": [group], "resources": listed, **({"resourceNames": [name]} if name else {}), "verbs": list(among)}
        for (group, name, among), listed in resources.items()
    ]


def listed(rights: Iterable[Right]) -> str:
    """Return rights for people: "in the namespace observability: create, get secrets; in no namespace: list nodes"."""
    places: dict[str, dict[str, list[str]]] = {}
    for right in sorted(rights):
        places.setdefault(right.namespace, {}).setdefault(right.title, []).append(right.verb)
    return "; ".join(
        f"{f'in the namespace {place}' if place else 'in the whole cluster'}: "
        + ", ".join(f"{'/'.join(verbs)} {title}" for title, verbs in among.items())
        for place, among in places.items()
    )
