"""How a check ends: with evidence, or with a failure that says what was expected, what came, and where to look."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..cluster import ClusterError


class Failed(Exception):  # noqa: N818 - it reads like the status that it becomes
    """A connection does not deliver: what was expected, what came, where to look."""


class NotYet(Failed):
    """The same, but it may still come."""


@dataclass(frozen=True)
class Evidence:
    """What a check found: `sent`, `read_back`, and the `seconds` between them, if any. `notes` are further facts for the detail."""

    sent: str
    read_back: str
    seconds: float | None
    notes: tuple[str, ...] = ()


def all_of(*checks: Callable[[], str]) -> tuple[str, ...]:
    """Return the notes of all checks. Raises one Failed with everything that is wrong."""
    notes, problems = [], []
    for check in checks:
        try:
            notes.append(check())
        except (Failed, ClusterError) as error:
            problems.append(str(error))
    if problems:
        raise Failed("; ".join(dict.fromkeys(problems)))
    return tuple(notes)


T = TypeVar("T")


class SharedResult(Generic[T]):
    """A value that several threads need and the first one makes. Its failure is that of all of them."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[T] = []
        self._failed: Exception | None = None

    def __call__(self) -> T:
        """Return the value. Raises Failed, for each caller, when it could not be made."""
        with self._lock:
            if self._failed is None and not self._made:
                try:
                    self._made.append(self._make())
                except (Failed, ClusterError) as error:
                    self._failed = error
            if self._failed is not None:
                raise Failed(str(self._failed))
            return self._made[0]
