"""Objects of the Kubernetes API out of YAML, and as YAML that people read."""

from __future__ import annotations

from typing import Any

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str) -> list[dict[str, Any]]:
    """Return the documents of a text that have content. Raises ValueError when it is no YAML."""
    try:
        return [item for item in yaml.load_all(text, Loader=_Loader) if item]
    except yaml.YAMLError as error:
        raise ValueError(f"it does not render to YAML: {error}") from error


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines line by line, where YAML allows it."""

    def ignore_aliases(self, *_unused: Any) -> bool:
        return True


_Dumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)
)


def dump(objects: Any) -> str:
    """Return objects as one document each. A configuration file in an object stands there line by line, where YAML allows it."""
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000, explicit_start=True)
