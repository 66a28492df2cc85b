"""Mappings of the inventory whose keys and values Kubernetes, or a component, takes as they are. Pure Python."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import _stack, _wiring
from ._sentences import nearest, wrong

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_GO_DURATION = re.compile(r"([0-9]{1,9}(\.[0-9]{0,9})?(ns|us|µs|ms|s|m|h))+")


def is_label_key(key: Any) -> bool:
    """Whether Kubernetes takes a text as the key of a label: a name, or a DNS name, a slash and a name."""
    if not isinstance(key, str):
        return False
    prefix, slash, name = key.rpartition("/")
    return bool(_NAME.fullmatch(name)) and (not slash or _stack.is_host(prefix))


def is_label_value(value: Any) -> bool:
    """Whether Kubernetes takes a value as that of a label: a string, empty or like a name."""
    return isinstance(value, str) and (value == "" or bool(_NAME.fullmatch(value)))


def label_problems(values: Mapping[str, Any], stack: _stack.Stack) -> Iterator[str]:
    """Return a sentence for each label of the namespace that Kubernetes does not take, or that the role sets itself."""
    name = "namespaces_labels"
    own = {*_wiring.labels(stack, "namespaces"), *(f"pod-security.kubernetes.io/{mode}" for mode in ("enforce", "warn", "audit"))}
    for key, value in values[name].items() if isinstance(values[name], Mapping) else ():
        if key in own or key == "kubernetes.io/metadata.name":
            yield wrong(name, str(key), value, "that label is set here already; leave it out")
        elif not is_label_key(key):
            yield wrong(name, str(key), value, "the key of a label is like team or example.com/team, at most 63 characters after the slash")
        elif not is_label_value(value):
            yield wrong(name, key, value, "the value of a label is a string (quote it) of at most 63 letters, digits and - _ .")


def text_problems(values: Mapping[str, Any], _model: _stack.Stack) -> Iterator[str]:
    """Return a sentence for each value that is no string where only strings are taken."""
    name = "ingress_nginx_config"
    for key, value in values[name].items() if isinstance(values[name], Mapping) else ():
        if not isinstance(key, str) or not _CONFIG_KEY.fullmatch(key):
            yield wrong(name, str(key), value, "a key of a ConfigMap has letters, digits and - _ .")
        elif not isinstance(value, str):
            yield wrong(name, key, value, "a ConfigMap holds strings; quote it")
    for name in ("observability_kubeconfig", "observability_context"):
        if not isinstance(values[name], str):
            yield wrong(name, "", values[name], "it should be a string; empty means the client's default")
    name = "verify_absent"
    for component, reason in values[name].items() if isinstance(values[name], Mapping) else ():
        if component not in _stack.NEEDS:
            yield wrong(name, str(component), reason, f"that is no component{nearest(component, _stack.NEEDS)}")
        elif not isinstance(reason, str) or not reason:
            yield wrong(name, component, reason, "it should say the reason, in a few words")


def small_problems(values: Mapping[str, Any], _model: _stack.Stack) -> Iterator[str]:
    """Return a sentence for each number or duration of a role that its program would not take."""
    name = "sample_application_interval"
    found = values[name]
    if not isinstance(found, str) or not _GO_DURATION.fullmatch(found) or not re.search("[1-9]", found):
        yield wrong(name, "", found, "it should be a duration as Go writes it, like 500ms or 1s")
    for name in ("verify_timeout", "verify_max_nodes"):
        if not isinstance(values[name], int) or values[name] < 1:
            yield wrong(name, "", values[name], "it should be a whole number, 1 or more")
    name = "grafana_admin_user"
    if not isinstance(values[name], str) or not values[name].strip():
        yield wrong(name, "", values[name], "it should be the name of a user")
