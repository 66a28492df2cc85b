"""An API server of these tests' own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.lab import loopback


@pytest.fixture(scope="session")
def api_server() -> Iterator[loopback.ControlPlane]:
    """Yield a real API server with its etcd, and nothing else: `.kubeconfig`, `.context`, `.kubectl(…)`, `.stop(…)`, `.start(…)`."""
    with loopback.running() as running:
        yield running
