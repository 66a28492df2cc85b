"""What `<role>_config` may not say: keys that the role sets, and sections that the component does not have.

A role computes its component's configuration and lays `<role>_config` over it. Everything that it computes belongs to the role, because
another component relies on it, except for what its row `CONFIGURATION` lists as free. So a key that a role comes to compute is guarded
from then on.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from .messages import nearest, wrong
from .own import Configuration

SWITCH = "observability_allow_overrides"
_NEAR = 0.9


def section_problems(role: str, config: Any, owned: Configuration) -> Iterator[str]:
    """Return a sentence for each key at the top of a `<role>_config` that its component does not have, or that should be a mapping."""
    sections, others = owned.sections, owned.others
    if sections is None or not isinstance(config, Mapping):
        return
    for key, value in config.items():
        if key not in sections and key not in others:
            yield wrong(f"{role}_config", str(key), value, f"the configuration has no such section{nearest(key, (*sections, *others))}")
        elif key in sections and not isinstance(value, Mapping):
            yield wrong(f"{role}_config", str(key), value, "it should be a mapping; leave the section out where there is nothing to say")


def slip_problems(role: str, config: Any, known: Mapping[str, Mapping[str, list[str]]]) -> Iterator[str]:
    """Return a sentence for each key of a section in `known` (role -> section -> keys) that is nearly one that exists.

    Others may be newer than the list; only what plainly is a slip is rejected, because the component would not start with it.
    """
    for section, keys in known.get(role, {}).items():
        given = config.get(section) if isinstance(config, Mapping) else None
        for key, value in given.items() if isinstance(given, Mapping) else ():
            close = difflib.get_close_matches(str(key), keys, 1, _NEAR)
            if key not in keys and close:
                yield wrong(f"{role}_config", f"{section}.{key}", value, f"the section has no such key, did you mean {close[0]}?")


def override_problems(role: str, config: Any, computed: Any, owned: Configuration) -> Iterator[str]:
    """Return a sentence for each place where a `<role>_config` takes the place of something that the role computes."""
    if isinstance(config, Mapping) and isinstance(computed, Mapping):
        yield from _walk(f"{role}_config", "", config, computed, owned)


def _walk(name: str, above: str, config: Mapping[Any, Any], computed: Mapping[Any, Any], owned: Configuration) -> Iterator[str]:
    for key, value in config.items():
        path = f"{above}.{key}" if above else str(key)
        ours = computed.get(key)
        if _below(path, owned.also) and key not in computed:
            yield _sentence(name, path, value, owned)
        elif isinstance(value, Mapping) and (isinstance(ours, Mapping) or key not in computed):
            yield from _walk(name, path, value, ours or {}, owned)
        elif isinstance(ours, Mapping):
            yield wrong(name, path, value, "it should be a mapping; leave it out where there is nothing to say")
        elif key in computed and not _below(path, owned.free) and not _keeps(value, ours, _below(path, owned.at_least)):
            yield _sentence(name, path, value, owned)


def _below(path: str, listed: tuple[str, ...]) -> bool:
    return any(path == other or path.startswith(f"{other}.") for other in listed)


def _keeps(value: Any, ours: Any, at_least: bool) -> bool:
    """Whether a value leaves what is computed in force: the same, a list with all of it in its order, or more where more is harmless."""
    if isinstance(value, list) and isinstance(ours, list):
        rest = iter(value)
        return all(item in rest for item in ours)
    if at_least and isinstance(value, int | float) and isinstance(ours, int | float):
        return value >= ours
    return bool(value == ours) and isinstance(value, bool) == isinstance(ours, bool)


def _sentence(name: str, path: str, value: Any, owned: Configuration) -> str:
    found = max((other for other in owned.instead if _below(path, (other,))), key=len, default="")
    instead = f"say it with {owned.instead[found]}" if found else "other components rely on it; leave it out"
    return wrong(name, path, value, f"the stack sets it: {instead} ({SWITCH}: true lets it pass)")


def merged(computed: Any, config: Any) -> Any:
    """Return what a role makes of the two: mappings are laid over each other, everything else is replaced (`combine(recursive=true)`)."""
    if isinstance(computed, Mapping) and isinstance(config, Mapping):
        return {**computed, **{key: merged(computed.get(key), value) for key, value in config.items()}}
    return config
