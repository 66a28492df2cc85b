"""Peers of a network policy, as an inventory gives them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from .fields import Fields, is_network
from .maps import is_label_key, is_label_value

_EXAMPLE = "[{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]"
NEEDED = (
    f"with ingress_install: false it should say from where the controller reaches the stack, like {_EXAMPLE}, "
    "or observability_network_policies should be false"
)


def read(fields: Fields, name: str) -> list[dict[str, Any]]:
    """Return the list of peers in a variable, as a NetworkPolicy has them; what is wrong is rejected."""
    listed = fields.values[name]
    if not isinstance(listed, list):
        fields.reject(name, f"it should be a list of peers of a NetworkPolicy, like {_EXAMPLE}")
        return []
    for peer in listed:
        if not isinstance(peer, dict) or not peer or not all(_IS_PART.get(key, _is_nothing)(value) for key, value in peer.items()):
            fields.reject(name, f"{peer!r} should have some of the keys {', '.join(_IS_PART)}, as a peer of a NetworkPolicy has them")
        elif "ipBlock" in peer and len(peer) > 1:
            fields.reject(name, f"{peer!r} should have ipBlock alone, or selectors")
    return list(listed)


def _is_nothing(_value: Any) -> bool:
    return False


def _is_block(value: Any) -> bool:
    """Whether Kubernetes takes a value as an `ipBlock`: a network, and smaller ones in it that are left out."""
    if not isinstance(value, dict) or not value.keys() <= {"cidr", "except"} or not isinstance(value.get("except", []), list):
        return False
    left_out = value.get("except", [])
    if not all(is_network(one) for one in (value.get("cidr"), *left_out)):
        return False
    whole: Any = ipaddress.ip_network(value["cidr"])
    parts: list[Any] = [ipaddress.ip_network(one) for one in left_out]
    return all(part.version == whole.version and part != whole and part.subnet_of(whole) for part in parts)


def _is_selector(value: Any) -> bool:
    """Whether Kubernetes takes a value as a label selector; an empty one selects all."""
    if not isinstance(value, dict) or not value.keys() <= {"matchLabels", "matchExpressions"}:
        return False
    labels, expressions = value.get("matchLabels", {}), value.get("matchExpressions", [])
    if not isinstance(labels, dict) or not all(is_label_key(key) and is_label_value(text) for key, text in labels.items()):
        return False
    return isinstance(expressions, list) and all(isinstance(one, dict) and is_label_key(one.get("key")) for one in expressions)


_IS_PART: dict[Any, Callable[[Any], bool]] = {"podSelector": _is_selector, "namespaceSelector": _is_selector, "ipBlock": _is_block}
