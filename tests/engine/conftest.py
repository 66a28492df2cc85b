"""An API server of these tests' own, and a stack on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.installations import Installation, Run
from tools.lab import control_plane, loopback


@pytest.fixture(scope="session")
def api_server() -> Iterator[loopback.ControlPlane]:
    """Yield a real API server with its etcd, and nothing else: `.kubeconfig`, `.context`, `.kubectl(…)`, `.stop(…)`, `.start(…)`."""
    with loopback.running() as running:
        yield running


@pytest.fixture(scope="session")
def first_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file with the log of the first installation."""
    return tmp_path_factory.mktemp("log") / "ansible.log"


@pytest.fixture(scope="session")
def first_run(api_server: loopback.ControlPlane, first_log: Path) -> Run:
    """Install a stack, with everything printed that Ansible can print, and return the run."""
    run = Installation(api_server, "observability").play("site.yml", "-vvv", "--diff", environment={"ANSIBLE_LOG_PATH": str(first_log)})
    assert run.code == 0, run.output
    return run


@pytest.fixture(scope="session")
def installation(api_server: loopback.ControlPlane, first_run: Run) -> Installation:  # noqa: ARG001 - it is the installation
    """Return a stack that is installed. A test leaves it as it has found it."""
    return Installation(api_server, "observability")


@pytest.fixture(scope="session")
def garbage_collector(api_server: loopback.ControlPlane) -> None:
    """Start the controller that ends a removal in the foreground: without it what is removed stays."""
    command = control_plane.commands(api_server.place)["kube-controller-manager"]
    api_server.start("garbage-collector", [*command, "--controllers=garbage-collector-controller"])
