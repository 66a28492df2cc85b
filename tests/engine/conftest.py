"""An API server of these tests' own, and a stack on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.installations import Installation
from tools.lab import control_plane, loopback


@pytest.fixture(scope="session")
def api_server() -> Iterator[loopback.ControlPlane]:
    """Yield a real API server with its etcd, and nothing else: `.kubeconfig`, `.context`, `.kubectl(…)`, `.stop(…)`, `.start(…)`."""
    with loopback.running() as running:
        yield running


@pytest.fixture(scope="session")
def installation(api_server: loopback.ControlPlane) -> Installation:
    """Return a stack that is installed, and to be left as it was found; a test that changes a lot makes one of its own."""
    made = Installation(api_server, "observability")
    run = made.play()
    assert run.code == 0, run.output
    return made


@pytest.fixture(scope="session")
def garbage_collector(api_server: loopback.ControlPlane) -> None:
    """Start the controller that ends a removal in the foreground: without it what is removed stays."""
    command = control_plane.commands(api_server.place)["kube-controller-manager"]
    api_server.start("garbage-collector", [*command, "--controllers=garbage-collector-controller"])
