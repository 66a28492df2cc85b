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

    def until_nothing(self, left: Callable[[], str]) -> str:
        """Wait until `left` returns an empty line, and print each other one once; return the last one, when the time is over."""
        end, said = time.monotonic() + self.seconds, ""
        while line := left():
            if time.monotonic() > end:
                return line
            if line != said:
                self.say(line)
                said = line
            self.keep()
            time.sleep(PAUSE)
        return ""
