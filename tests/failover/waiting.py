"""Waiting for something to become true."""

from __future__ import annotations

import time
from collections.abc import Callable

from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError


def wait(seconds: float, condition: Callable[[], bool], message: str | Callable[[], str]) -> None:
    """Wait until the condition holds, or raise ClusterError with the message after so many seconds.

    A cluster that does not answer while it is asked is waited for as well.
    """
    deadline = time.monotonic() + seconds
    while True:
        reason = ""
        try:
            if condition():
                return
        except ClusterError as error:
            reason = f": {error}"
        if time.monotonic() > deadline:
            raise ClusterError(f"{message if isinstance(message, str) else message()}{reason} (waited {seconds:.0f} s)")
        time.sleep(0.5)
