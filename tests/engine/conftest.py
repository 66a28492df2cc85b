"""An API server of these tests' own, and a stack on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine import faults
from tests.engine.faults import Proxy
from tests.engine.installations import Installation, Run
from tests.engine.small import SMALL, behind, content
from tools.lab import control_plane, loopback
from tools.lab.loopback import ControlPlane


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


@pytest.fixture
def proxy(api_server: ControlPlane, tmp_path: Path) -> Iterator[Proxy]:
    with faults.proxy(api_server, tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def expected(api_server: ControlPlane) -> dict[str, Any]:
    """Return what a run without any fault makes."""
    stack = Installation(api_server, "no-faults", SMALL)
    run = stack.play()
    assert run.code == 0, run.output
    return content(stack)


@pytest.fixture(scope="session")
def stack_with_faults(api_server: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, Installation]]:
    """Yield an installed stack behind a proxy; each test leaves it installed."""
    with faults.proxy(api_server, tmp_path_factory.mktemp("faults")) as made:
        stack = behind(made, "faults")
        run = stack.play()
        assert run.code == 0, run.output
        yield made, stack
