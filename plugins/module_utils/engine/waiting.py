"""Waiting for something on a cluster: for how long, with a line for people, and with the Lease of the run held on meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

PAUSE = 0.5


@dataclass(frozen=True)
class Waiting:
    """How long a step may wait, in seconds, what prints a line, and what is called again and again meanwhile."""

    seconds: float = 0.0
    say: Callable[[str], None] = lambda _line: None
    keep: Callable[[], None] = lambda: None

    def until_nothing(self, left: Callable[[], str], introduction: str = "") -> str:
        """Wait until `left` returns an empty line, and return the last one when the time is over.

        Each other line is printed once, with `introduction` before it, but not what is over after a pause.
        """
        start, said = time.monotonic(), ""
        while line := left():
            now = time.monotonic()
            if now > start + self.seconds:
                return line
            if line != said and now > start + PAUSE:
                self.say(f"{introduction}{line}")
                said = line
            self.keep()
            time.sleep(PAUSE)
        return ""
