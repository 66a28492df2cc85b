"""Quantities as Kubernetes writes them."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

# Kubernetes API conventions, "Quantity": a decimal number and a suffix, binary, decimal or an exponent.
_QUANTITY = re.compile(r"\+?([0-9]{1,18}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]{1,2})?")
_BINARY = {unit: Fraction(1024 ** (power + 1)) for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))}
_DECIMAL = {unit: Fraction(1000) ** power for unit, power in zip("num kMGTPE", range(-3, 7), strict=True) if unit != " "}


def quantity(value: Any) -> Fraction:
    """Return the number in a quantity of Kubernetes (`500m`, `4Gi`, 2). Raises ValueError for anything else, with what would be right."""
    match = None if isinstance(value, bool) else _QUANTITY.fullmatch(str(value))
    if not match:
        raise ValueError(f"it should be {_guess(str(value)) or 'a quantity like 500m, 2 or 4Gi'}")
    number, unit = Fraction(match[1]), match[2] or ""
    if unit[:1] in ("e", "E") and unit[1:]:
        return number * Fraction(10) ** int(unit[1:])
    return number * (_BINARY.get(unit) or _DECIMAL.get(unit) or 1)


def _guess(text: str) -> str:
    """Return what a quantity with a usual slip should have been: `4GB` -> "4Gi or 4G"; nothing when that is not plain."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kKmMgGtT])(?:i?[bB]|I)?", text.strip())
    if not match:
        return ""
    letter = match[2].upper()
    return f"{match[1]}{letter}i or {match[1]}{'k' if letter == 'K' else letter}"
