"""How a rule says what is wrong: variable, place in it, value, and what would be right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

_LENGTH = 60
_SECRET = re.compile(r"password|secret|token|credential|authorization|api_?key", re.IGNORECASE)


def shown(value: Any, path: str = "") -> str:
    """Return a value as a sentence has it: on one line, shortened, and not at all where `path` or the value looks like a secret."""
    text = repr(value)
    if _SECRET.search(path) or (not isinstance(value, str | int | float | bool | None) and _SECRET.search(text)):
        return "(not shown)"
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…"


def wrong(name: str, path: str, value: Any, right: str) -> str:
    """Return the sentence about a place in a variable; an empty `path` is the variable itself."""
    return f"{name} has {path}: {shown(value, path)}; {right}" if path else f"{name} is {shown(value)}; {right}"


def together(finder: str, problems: Sequence[str]) -> str:
    """Return all problems as one message: "the inventory has 2 problems; nothing has been touched:", and a line for each."""
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n".join([f"{finder} {count}; nothing has been touched:", *(f"  - {text}" for text in problems)])


def nearest(name: Any, known: Iterable[str]) -> str:
    """Return ", did you mean …?" with the known name that is nearest to a wrong one; nothing when none is near."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""
