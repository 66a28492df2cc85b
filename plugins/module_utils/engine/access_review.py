"""Asks the API server which of some rights the credentials have (Kubernetes API 1.36, authorization.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from ..cluster import Cluster, ClusterError
from .rights import Needed, Right
from .snapshot import THREADS

_ROOT = "/apis/authorization.k8s.io/v1"
_EVERYTHING = Right("", "*", "*", "*")


def missing(cluster: Cluster, needed: Needed) -> tuple[list[Right], list[Right]]:
    """Return the rights without which a run fails, and those without which it knows less, that these credentials do not have.

    An administrator is known by one request. Raises ClusterError when the API server does not say.
    """
    if _has(cluster, _EVERYTHING):
        return [], []
    grants = needed.grants or {}
    held = _Held(cluster, {*needed.must, *needed.may, *(right for instead in grants for right in instead)})
    lacking = {right for right in needed.must if not held.has(right)}
    escalating = [rights for instead, rights in grants.items() if not all(held.has(right) for right in instead)]
    given = _Held(cluster, {right for rights in escalating for right in rights})
    lacking |= {right for rights in escalating for right in rights if not given.has(right)}
    # That for one object says nothing beside that for all.
    lacking = {right for right in lacking if not right.name or replace(right, name="") not in lacking}
    return sorted(lacking), [right for right in needed.may if not held.has(right) and right not in lacking]


class _Held:
    """Which of some rights the credentials have: for each namespace its rules are read, and what they do not give is asked one by one."""

    def __init__(self, cluster: Cluster, rights: Iterable[Right]) -> None:
        every = sorted(set(rights))
        rules = {space: _rules(cluster, space) for space in sorted({right.namespace for right in every} - {""})}
        # Rules are not all: other authorizers, such as webhooks, list none. What a RoleBinding gives is good in its namespace only.
        unknown = [right for right in every if not right.given_by(rules.get(right.namespace, ()))]
        with ThreadPoolExecutor(THREADS) as pool:
            answers = dict(zip(unknown, pool.map(lambda right: _has(cluster, right), unknown), strict=True))
        self._lacking = {right for right, has in answers.items() if not has}

    def has(self, right: Right) -> bool:
        return right not in self._lacking


def _rules(cluster: Cluster, namespace: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = _asked(cluster, "SelfSubjectRulesReview", {"namespace": namespace}).get("resourceRules") or []
    return found


def _has(cluster: Cluster, right: Right) -> bool:
    resource, _slash, below = right.resource.partition("/")
    attributes = {"verb": right.verb, "group": right.group, "resource": resource, "subresource": below}
    attributes |= {"namespace": right.namespace, "name": right.name}
    return bool(_asked(cluster, "SelfSubjectAccessReview", {"resourceAttributes": attributes}).get("allowed"))


def _asked(cluster: Cluster, kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    answer = cluster.send("POST", f"{_ROOT}/{kind.lower()}s", review)
    if answer.status not in (200, 201):
        raise ClusterError(f"the rights of these credentials are not known: {answer.reason()}")
    found = answer.object().get("status")
    return found if isinstance(found, dict) else {}
