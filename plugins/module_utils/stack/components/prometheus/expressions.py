"""Expressions in the rule files of an inventory; read with promql-parser where it is installed."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...messages import shown
from .rule_files import RULES, each_rule

# The parser recurses; what is longer is only looked over.
_LONGEST_PARSED = 5000


def _expressions(files: Any) -> Iterator[tuple[str, str]]:
    for path, rule in each_rule(files):
        if isinstance(rule.get("expr"), str) and rule["expr"].strip():
            yield f"{path}, expr", rule["expr"]


def expression_problems(values: Mapping[str, Any]) -> Iterator[str]:
    """Return a sentence for each expression of the rule files that is no PromQL."""
    for path, text in _expressions(values[RULES]):
        try:
            _parse(text)
        except ValueError as error:
            yield f"{RULES} has {path}: {shown(text)}; PromQL: {' '.join(str(error).split())}"


@functools.cache
def parser() -> Callable[[str], Any] | None:
    """Return the function of promql-parser that raises ValueError for what is no PromQL; None where it is not installed."""
    try:
        found: Callable[[str], Any] = importlib.import_module("promql_parser").parse
    except ImportError:
        return None
    return found


def _parse(text: str) -> None:
    """Raise ValueError for a text that is no PromQL; without the parser only for one whose brackets or quotes do not match."""
    parse = parser()
    if parse and len(text) <= _LONGEST_PARSED:
        parse(text)
        return
    closing = {"(": ")", "[": "]", "{": "}"}
    expected: list[str] = []
    # Strings are looked over, with what they escape; a comment ends with its line.
    for token in re.findall(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`|#[^\n]*|[][(){}\"'`]", text):
        if token in closing:
            expected.append(closing[token])
        elif token in ("'", '"', "`"):
            raise ValueError(f"a quote {token} is not closed")
        elif token in closing.values() and (not expected or expected.pop() != token):
            raise ValueError(f"a bracket {token} was not opened")
    if expected:
        raise ValueError(f"a bracket {expected[-1]} is missing")


def unchecked_expressions(values: Mapping[str, Any]) -> Iterator[str]:
    """Return a warning where the inventory has expressions and nothing here can read them."""
    if parser() is None and any(_expressions(values[RULES])):
        yield f"the expressions of {RULES} were only looked over: `pip install promql-parser` to have them checked"
