"""Peers of a network policy, as an inventory gives them."""

from __future__ import annotations

import ipaddress
from typing import Any

from .fields import Fields

_KEYS = ("podSelector", "namespaceSelector", "ipBlock")
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
        if not isinstance(peer, dict) or not peer or not all(key in _KEYS and isinstance(value, dict) for key, value in peer.items()):
            fields.reject(name, f"{peer!r} should have some of the keys {', '.join(_KEYS)}, as a peer of a NetworkPolicy has them")
        elif "ipBlock" in peer and (len(peer) > 1 or not _is_network(peer["ipBlock"].get("cidr"))):
            fields.reject(name, f"{peer!r} should have an ipBlock alone, with a cidr like 192.0.2.0/24")
    return list(listed)


def _is_network(value: Any) -> bool:
    try:
        ipaddress.ip_network(value)
    except (ValueError, TypeError):
        return False
    return isinstance(value, str) and "/" in value
