"""Plain data out of Ansible's containers."""

from __future__ import annotations

from typing import Any

from ansible.utils.vars import transform_to_native_types


def plain(value: Any) -> Any:
    """Return a value of Ansible (lazy and tagged containers, 2.19) as plain dicts, lists and scalars. Vaulted strings are decrypted."""
    return transform_to_native_types(value, redact=False)
