"""Mappings and texts of an inventory that Kubernetes, or the verification, takes as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .catalogue import CATALOGUE
from .fields import is_host
from .labels import labels
from .messages import nearest, wrong
from .model import Stack

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def is_label_key(key: Any) -> bool:
    """Whether Kubernetes takes a text as the key of a label: a name, or a DNS name, a slash and a name."""
    if not isinstance(key, str):
        return False
    prefix, slash, name = key.rpartition("/")
    return bool(_NAME.fullmatch(name)) and (not slash or is_host(prefix))


def is_label_value(value: Any) -> bool:
    """Whether Kubernetes takes a value as that of a label: a string, empty or like a name."""
    return isinstance(value, str) and (value == "" or bool(_NAME.fullmatch(value)))


def label_problems(values: Mapping[str, Any], stack: Stack) -> Iterator[str]:
    """Return a sentence for each label of the namespace that Kubernetes does not take, or that the role sets itself."""
    name = "namespaces_labels"
    own = {*labels(stack, "namespaces"), *(f"pod-security.kubernetes.io/{mode}" for mode in ("enforce", "warn", "audit"))}
    for key, value in values[name].items() if isinstance(values[name], Mapping) else ():
        if key in own or key == "kubernetes.io/metadata.name":
            yield wrong(name, str(key), value, "that label is set here already; leave it out")
        elif not is_label_key(key):
            yield wrong(name, str(key), value, "the key of a label is like team or example.com/team, at most 63 characters after the slash")
        elif not is_label_value(value):
            yield wrong(name, key, value, "the value of a label is a string (quote it) of at most 63 letters, digits and - _ .")


def text_problems(values: Mapping[str, Any], _model: Stack) -> Iterator[str]:
    """Return a sentence for each text of the access to the cluster that is none."""
    for name in ("observability_kubeconfig", "observability_context"):
        if not isinstance(values[name], str):
            yield wrong(name, "", values[name], "it should be a string; empty means the client's default")


def verify_problems(values: Mapping[str, Any], _model: Stack) -> Iterator[str]:
    """Return a sentence for each thing that is wrong with the variables of the verification."""
    name = "verify_absent"
    for component, reason in values[name].items() if isinstance(values[name], Mapping) else ():
        if component not in CATALOGUE:
            yield wrong(name, str(component), reason, f"that is no component{nearest(component, CATALOGUE)}")
        elif not isinstance(reason, str) or not reason:
            yield wrong(name, component, reason, "it should say the reason, in a few words")
    for name in ("verify_timeout", "verify_max_nodes"):
        if not isinstance(values[name], int) or values[name] < 1:
            yield wrong(name, "", values[name], "it should be a whole number, 1 or more")
