"""The images that run: those of versions.yml, as far as an inventory does not replace them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .fields import Fields

_IMAGE = re.compile(r"(?=.*[a-z])[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*")
_TAG = re.compile(r"(?!latest$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}")


def images(fields: Fields, versions: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the reference of each component's image: that of `versions`, with what the inventory replaces."""
    name = "observability_images"
    replaced = fields.values[name]
    if not isinstance(replaced, dict):
        fields.reject(name, "it should map a component to {image: …, tag: …, digest: …}")
        replaced = {}
    registry = fields.values["observability_image_registry"]
    if not isinstance(registry, str) or (registry and not _IMAGE.fullmatch(registry.rstrip("/"))):
        fields.reject("observability_image_registry", "it should be empty or a registry without https://, like registry.example.com/mirror")
        registry = ""
    for component, entry in replaced.items():
        if component not in versions:
            fields.reject(name, f"{component!r} is no component; it should be one of {', '.join(versions)}")
        else:
            _check_image(fields, name, component, entry)
    if name in fields.rejected:
        return {}
    found = {}
    for component, entry in versions.items():
        own = replaced.get(component, {})
        # A digest belongs to one image: with another one it is another image's.
        inherited = {key: value for key, value in entry.items() if key != "digest"} if own else entry
        found[component] = reference({**inherited, **own}, registry)
    return found


def _check_image(fields: Fields, name: str, component: str, entry: Any) -> None:
    patterns = {"image": _IMAGE, "tag": _TAG, "digest": _DIGEST}
    if not isinstance(entry, dict) or not entry or set(entry) - set(patterns):
        fields.reject(name, f"{component} should have the keys image, tag or digest only")
        return
    wrong = [key for key, value in entry.items() if not isinstance(value, str) or not patterns[key].fullmatch(value)]
    if wrong:
        fields.reject(
            name,
            f"{' and '.join(wrong)} of {component}: an image is like quay.io/prometheus/prometheus, a tag is a quoted string, "
            "not `latest`, a digest is like sha256:… with 64 hexadecimal digits",
        )


def reference(entry: Mapping[str, str], registry: str) -> str:
    """Return an image reference: `image:tag@digest`, the registry's host replaced by the prefix `registry` when that is not empty."""
    image = entry["image"]
    if registry:
        host, slash, rest = image.partition("/")
        has_host = slash and (host == "localhost" or "." in host or ":" in host)
        image = f"{registry.rstrip('/')}/{rest if has_host else image}"
    digest = f"@{entry['digest']}" if entry.get("digest") else ""
    return f"{image}:{entry['tag']}{digest}"
