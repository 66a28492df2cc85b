"""Reading the variables of an inventory one by one."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from .units import seconds, size_bytes

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# Words that YAML takes for something else than a string; manifests write names without quotes.
_YAML_WORDS = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
# They belong to the cluster itself, or to everybody.
RESERVED_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


class Fields:
    """Reads the variables of an inventory, and collects their problems, each a sentence with variable, value and what would be right."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self.problems: list[str] = []

    @property
    def rejected(self) -> set[str]:
        """The variables that have been rejected so far."""
        return {text.split(" ", 1)[0] for text in self.problems}

    def reject(self, name: str, right: str) -> None:
        """Note that a variable is wrong, and what would be right."""
        self.problems.append(f"{name} is {self.values.get(name)!r}; {right}")

    def duration(self, name: str, least: int = 1) -> int:
        """Return the seconds of a duration; 0 when it is rejected."""
        try:
            found = seconds(self.values[name])
        except ValueError:
            self.reject(name, "it should be a duration like 15s, 10m, 1h30m or 30d")
            return 0
        if found < least:
            self.reject(name, f"it should be at least {least}s")
            return 0
        return found

    def number(self, name: str, least: int = 1) -> int:
        """Return a whole number; 0 when it is rejected."""
        found: Any = self.values[name]
        if isinstance(found, bool) or not isinstance(found, int) or found < least:
            self.reject(name, f"it should be a whole number, {least} or more")
            return 0
        return int(found)

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        """Return one of some choices."""
        if self.values[name] not in choices:
            self.reject(name, f"it should be one of {', '.join(choices)}")
        return str(self.values[name])

    def size(self, name: str, least: str) -> int:
        """Return the bytes of a size; 0 when it is empty, or rejected."""
        found = self.values[name]
        if found == "":
            return 0
        try:
            size = size_bytes(found)
        except ValueError:
            size = 0
        if size < size_bytes(least):
            self.reject(name, f"it should be empty (computed from the sizing) or a size of {least} or more, like 4Gi")
            return 0
        return size

    def label(self, name: str) -> str:
        """Return a name as Kubernetes takes it."""
        found = self.values[name]
        if not isinstance(found, str) or not LABEL.fullmatch(found):
            self.reject(name, "Kubernetes takes at most 63 lower-case letters, digits and '-', with a letter or digit at both ends")
        elif not is_word(found):
            self.reject(name, "it should start with a letter and be no word that YAML takes for something else, like `on` or `no`")
        return str(found)

    def namespace(self, name: str) -> str:
        """Return the name of a namespace that may be a stack's."""
        found = self.label(name)
        if found in RESERVED_NAMESPACES:
            self.reject(name, "it should be a namespace of the stack's own; this one belongs to the cluster itself")
        return found

    def switch(self, name: str) -> bool:
        """Return whether something is switched on."""
        found = self.values[name]
        if not isinstance(found, bool):
            self.reject(name, "it should be true or false, without quotes")
        return found is True

    def host(self, name: str) -> str:
        """Return a DNS name."""
        found = self.values[name]
        if not is_host(found):
            self.reject(name, "it should be a DNS name in lower case, like grafana.example.com")
        return str(found)


def is_word(text: str) -> bool:
    """Whether a text stays one when a manifest has it without quotes."""
    return text[:1].isalpha() and text not in _YAML_WORDS


def is_network(value: Any) -> bool:
    """Whether a value is a network like 192.0.2.0/24 or 2001:db8::/32."""
    try:
        return isinstance(value, str) and "/" in value and bool(ipaddress.ip_network(value))
    except ValueError:
        return False


def is_host(value: Any) -> bool:
    """Whether a value is a DNS name that an Ingress takes: lower case, at most 253 characters, not an IP address."""
    if not isinstance(value, str) or len(value) > 253 or not all(LABEL.fullmatch(part) for part in value.split(".")):
        return False
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return True
    return False
