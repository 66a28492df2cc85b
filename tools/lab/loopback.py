"""A control plane without nodes, as processes on the loopback address: a real API server for tests and for measurements.

It needs no root and takes free ports. Everything is in a temporary directory, and every process ends with the one that has started it,
also when that is killed.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.lab import build, control_plane
from tools.lab.certificates import Authority, Pair

IP = "127.0.0.1"
# What an API server needs. Without a controller manager nothing is made or removed because of another object: no pods, no default
# ServiceAccount, and a namespace that is deleted stays in the state Terminating.
API_SERVER = ("etcd", "kube-apiserver")
# With these pods are made, get volumes and are assigned to nodes, where there are any.
ALL = (*API_SERVER, "kube-controller-manager", "kube-scheduler", "volume-provisioner")
COMPONENTS = ("etcd", "kubernetes")
# A loopback address cannot be an endpoint of the Service `kubernetes`, and without nodes nothing needs one.
FLAGS = (f"--bind-address={IP}", "--endpoint-reconciler-type=none")


class LoopbackError(Exception):
    """The control plane does not start; the message says which part, and why."""


@dataclass
class ControlPlane:
    """A running control plane. `kubeconfig` is the administrator's, with `context` in it; `directory` has the logs.

    `start` and `stop` end and restart a service by its name; etcd keeps its data, and every service its address.
    """

    place: control_plane.Place
    admin: Pair
    kubeconfig: Path
    context: str = "loopback"
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """Return the directory with everything that belongs to it."""
        return self.place.directory

    def start(self, name: str, command: Sequence[str] | None = None) -> None:
        """Start one of its services, or another program by its command; when it is the API server, wait until that is ready.

        It has to be called by a thread that lives as long as the program: the kernel ends the program with its parent.
        """
        command = command or control_plane.commands(self.place)[name]
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
                start_new_session=True,  # Ctrl-C at the terminal reaches only the parent, which ends them in order
            )  # fmt: skip
        if name == "kube-apiserver":
            self.wait(self.ready, "the API server is ready")

    def stop(self, name: str) -> None:
        """Kill a program, at once, as a power cut does."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def stop_all(self) -> None:
        """Kill every program, the last one first."""
        for name in reversed(list(self._processes)):
            self.stop(name)

    def ready(self) -> bool:
        """Whether the API server says that it is ready."""
        context = ssl.create_default_context(cafile=str(self.place.pki / "ca.crt"))
        context.load_cert_chain(self.admin.certificate, self.admin.key)
        connection = http.client.HTTPSConnection(IP, self.place.ports["kube-apiserver"], timeout=5, context=context)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
        """Wait until a condition holds. Raises LoopbackError when one of the programs has ended, or after that time."""
        deadline = time.monotonic() + seconds
        while not condition():
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise LoopbackError(f"{name} has ended with {process.returncode}; its last lines:\n{self._tail(name)}")
            if time.monotonic() > deadline:
                logs = "\n".join(f"{name}:\n{self._tail(name)}" for name in self._processes)
                raise LoopbackError(f"after {seconds:.0f} s it is not the case that {what}; the last lines of the logs:\n{logs}")
            time.sleep(0.1)

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl as administrator and return what it printed; raises LoopbackError with what it complained about."""
        command = [str(build.binary("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LoopbackError(f"`kubectl {' '.join(arguments)}`: {done.stderr.strip()}")
        return done.stdout

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def _tail(self, name: str) -> str:
        return "\n".join(self._log(name).read_text(errors="replace").splitlines()[-10:])


@contextlib.contextmanager
def running(services: Sequence[str] = API_SERVER, report: Callable[[str], None] = print) -> Iterator[ControlPlane]:
    """Yield a control plane with these services, built before where they are missing, and leave nothing of it behind."""
    build.build_all([component for component in build.components() if component.name in COMPONENTS], report)
    with tempfile.TemporaryDirectory(prefix="observability-stack-") as name:
        directory = Path(name)
        authority = Authority(directory / "pki")
        admin = authority.issue("admin", "kubernetes-admin", ["system:masters"])
        place = control_plane.Place(directory, directory / "pki", directory, IP, free_ports(control_plane.PORTS), FLAGS)
        control_plane.prepare(place, authority)
        made = ControlPlane(place, admin, directory / "admin.kubeconfig")
        authority.kubeconfig(made.kubeconfig, place.server, admin, made.context)
        try:
            for service in services:
                made.start(service)
            yield made
        finally:
            made.stop_all()


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """Return a port of the loopback address for each name; at the moment nothing listens on any of them."""
    with contextlib.ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.socket()) for name in names}
        for each in sockets.values():
            each.bind((IP, 0))
        return {name: each.getsockname()[1] for name, each in sockets.items()}
