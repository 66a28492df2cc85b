"""The client while it runs, and what it and the generator have written down."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError

from tests.failover.environment import REPOSITORY
from tests.failover.generator import Generator
from tests.failover.results import OTLP_LOGS
from tests.upgrade.accounting import OTLP_METRICS
from tests.upgrade.results import Request

# What applications send to the collectors' Service counts as requests. Remote write goes to each replica by name, and waits for one that
# restarts.
_REQUESTS = (*OTLP_METRICS, OTLP_LOGS)
_STOPPED_WITHIN = 20.0


class Client:
    """The client as a process: from when it is entered until it is left. Its requests are in `path`, one line of JSON each."""

    def __init__(self, plan: Mapping[str, Any], path: Path) -> None:
        self._plan, self._path = plan, path

    def __enter__(self) -> Self:
        with self._path.open("w", encoding="utf-8") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.upgrade.client"], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=output, text=True
            )
        if self._process.stdin is not None:
            # Not an argument: it has credentials.
            json.dump(self._plan, self._process.stdin)
            self._process.stdin.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def requests(self) -> list[Request]:
        """Return the requests so far. Raises ClusterError when the client has ended by itself."""
        if self._process.poll() not in (None, 0, -15):
            raise ClusterError(f"the client has ended with {self._process.returncode}; what it has measured is in {self._path}")
        lines = self._path.read_text(encoding="utf-8").split("\n")[:-1]
        return [Request(**json.loads(line)) for line in lines]


class Sent:
    """What the generator sent to the collectors, as requests."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._last = 0

    def requests(self) -> list[Request]:
        """Return the requests since the last call."""
        found = self._generator.deliveries(self._last)
        self._last = found[-1]["sequence"] if found else self._last
        return [
            # All its connections are kept.
            Request(
                "otel_collector",
                True,
                item["start"],
                item["milliseconds"] / 1000,
                f"{item['path']}: {item['error']}" if item["error"] else "",
            )
            for item in found
            if item["path"] in _REQUESTS
        ]
