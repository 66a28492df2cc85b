"""Parts of a page of the documentation that a program writes, between two markers."""

from __future__ import annotations


def filled(page: str, begin: str, end: str, text: str) -> str:
    """Return a page with a text between the two markers. Raises ValueError for a page without them."""
    before, found, rest = page.partition(begin)
    _old, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the markers are missing: {begin.strip()} … {end}")
    return before + begin + text + end + after
