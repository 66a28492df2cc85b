"""A pod of a rendered workload as a process of this machine, with what Kubernetes would give it and nothing else.

Its root is read-only and holds the files and directories of the image; only the volumes that the workload mounts are writable; it runs as
the workload's user, in a network of its own with one address. So a program that writes elsewhere, or looks for another address, fails here
as there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.observability.stack.plugins.module_utils.cluster import Answer, ClusterError, exchange

from tests.inventories import ROOT
from tools.lab.images import Image

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_HTTP_TIMEOUT = 15.0

Objects = list[dict[str, Any]]


def render(variables: Mapping[str, Any], directory: Path) -> dict[str, Objects]:
    """Return component -> objects, as playbooks/render.yml writes them for an inventory with these variables."""
    inventory = directory / "inventory.yml"
    connection = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = {"test": {"observability_cluster_name": "test", **connection, **variables}}
    inventory.write_text(yaml.safe_dump({"observability": {"hosts": hosts}}))
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "playbooks/render.yml",
            f"--inventory={inventory}",
            f"--extra-vars=render_directory={directory}/rendered",
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "KUBECONFIG": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, "\n".join((done.stdout + done.stderr).splitlines()[-40:])
    return {path.stem: list(yaml.safe_load_all(path.read_text())) for path in (directory / "rendered").rglob("*.yaml")}


def unable() -> str:
    """Return why this machine cannot run a pod this way; nothing when it can."""
    if os.geteuid():
        return "namespaces and mounts need root"
    for program in ("unshare", "mount", "ip", "chroot", "setpriv"):
        if shutil.which(program) is None:
            return f"there is no program {program} here"
    tried = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", "mount -t tmpfs none /mnt && ip link add eth0 type veth"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"this machine does not allow namespaces of its own: {tried.stderr.strip()}" if tried.returncode else ""


@dataclass
class Pod:
    """The pod of a component: what is rendered for it, the image it runs, its one address, and the directory that holds its volumes.

    `arguments` come after the rendered ones; `without` names volumes that it does not get.
    """

    objects: Objects
    image: Image
    directory: Path
    address: str = "10.244.1.5"
    arguments: Sequence[str] = ()
    without: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def workload(self) -> dict[str, Any]:
        """The rendered workload."""
        (found,) = (item for item in self.objects if item["kind"] in ("StatefulSet", "Deployment"))
        return found

    @property
    def spec(self) -> dict[str, Any]:
        """The pod's part of it."""
        found: dict[str, Any] = self.workload["spec"]["template"]["spec"]
        return found

    @property
    def container(self) -> dict[str, Any]:
        """The one container."""
        (found,) = self.spec["containers"]
        return dict(found)

    @property
    def log(self) -> str:
        """Everything that the program has written, over all of its runs."""
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def volume(self, name: str) -> Path:
        """Return where a volume is on this machine."""
        return self.directory / "volumes" / name

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[Pod]:
        """Run the program, with further arguments, until the block ends; then end it as Kubernetes does. Volumes stay."""
        self._start(arguments)
        try:
            yield self
            self._end()
        finally:
            self._kill()

    # --- talking to it ---

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        port: str = "http",
        host: str = "",
    ) -> Answer:
        """Return what the program answers on a named port, at the pod's address or at `host`. Raises ClusterError when nothing does."""
        (number,) = (entry["containerPort"] for entry in self.container["ports"] if entry["name"] == port)
        return exchange(self._connect(host or self.address, number), f"{port}", method, path, headers, body)

    def connects(self, port: str, host: str = "") -> bool:
        """Whether the program listens on a named port, at the pod's address or at `host`."""
        (number,) = (entry["containerPort"] for entry in self.container["ports"] if entry["name"] == port)
        try:
            self._connect(host or self.address, number).close()
        except ClusterError:
            return False
        return True

    def ready(self) -> bool:
        """Whether the readiness probe that the workload has would succeed."""
        probe = self.container["readinessProbe"]["httpGet"]
        try:
            return self.request("GET", probe["path"], port=probe["port"]).status == 200
        except ClusterError:
            return False

    def wait_ready(self, seconds: float = 60) -> None:
        """Wait until it is ready; fails with the end of its log when it ends or does not get ready."""
        wait_for(lambda: self.ready() or self.ended, seconds, f"{self.image.name} is not ready")
        assert not self.ended, f"{self.image.name} has ended:\n{self.tail()}"

    @property
    def ended(self) -> bool:
        """Whether the program is no more."""
        return self.process is None or self.process.poll() is not None

    def tail(self, lines: int = 15) -> str:
        """Return the end of its log, for a message."""
        return "\n".join(self.log.splitlines()[-lines:])

    def _connect(self, host: str, port: int) -> socket.socket:
        """Return a connection made inside the pod's network: a socket stays in the namespace in which it was made."""
        made: list[socket.socket | Exception] = []

        def connect() -> None:
            try:
                with open(f"/proc/{self._program()}/ns/net", "rb") as namespace:  # noqa: PTH123
                    _enter(namespace.fileno())
                made.append(socket.create_connection((host, port), _HTTP_TIMEOUT))
            except OSError as error:
                made.append(error)

        # In a thread that ends with it: it is the thread that changes its namespace.
        thread = threading.Thread(target=connect)
        thread.start()
        thread.join()
        if isinstance(made[0], Exception):
            raise ClusterError(f"nothing listens on {host} port {port}: {made[0]}")
        return made[0]

    # --- as a process ---

    def _start(self, arguments: Sequence[str]) -> None:
        script = self._script([*self.arguments, *arguments])
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "sh", "-euc", script],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _program(self) -> int:
        """Return the process id of the program: the only child of `unshare`."""
        assert self.process
        try:
            return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])
        except (IndexError, FileNotFoundError) as error:
            raise ProcessLookupError("the program has ended") from error

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._program(), signal.SIGTERM)
        assert self.process
        self.process.wait(self.spec["terminationGracePeriodSeconds"])

    def _kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def _script(self, arguments: Sequence[str]) -> str:
        """Return the shell script that turns new namespaces into the pod, and itself into the program."""
        root, security = self.directory / "root", self.spec["securityContext"]
        user, group = security["runAsUser"], security["runAsGroup"]
        assert self.container["securityContext"]["readOnlyRootFilesystem"]
        mounts: list[tuple[Path, str, bool]] = [(source, path, True) for path, source in self.image.files.items()]
        mounts += [
            (self._volume(mount["name"], security["fsGroup"]), mount["mountPath"], mount.get("readOnly", False))
            for mount in self.container["volumeMounts"]
            if mount["name"] not in self.without
        ]
        for name in ("proc", "dev", "etc"):
            (root / name).mkdir(parents=True, exist_ok=True)
        for name, facts in self.image.directories.items():
            owner, mode = facts.split()
            made = root / name.lstrip("/")
            made.mkdir(parents=True, exist_ok=True)
            os.chown(made, *map(int, owner.split(":")))
            made.chmod(int(mode, 8))
        (root / "dev/null").touch()
        (root / "etc/hosts").write_text(self._hosts())
        commands = [f"mount --bind {root} {root}", f"mount --bind /dev/null {root}/dev/null", f"mount -t proc proc {root}/proc"]
        for source, path, read_only in mounts:
            target = root / path.lstrip("/")
            if source.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch()
            commands.append(f"mount --bind {shlex.quote(str(source))} {target}")
            if read_only:
                commands.append(f"mount -o remount,bind,ro {target}")
        commands += [
            f"mount -o remount,bind,ro {root}",
            "ip link set lo up",
            "ip link add eth0 type veth peer name node0",
            "ip link set node0 up",
            "ip link set eth0 up",
            f"ip address add {self.address} dev eth0 {'nodad' if ':' in self.address else ''}",
            f"hostname {self.workload['metadata']['name']}-0",
        ]
        program = [self.image.entrypoint[0], *self.image.entrypoint[1:], *map(self._expanded, self.container.get("args", [])), *arguments]
        environment = [f"{name}={value}" for name, value in self._environment().items()]
        enter = ["setpriv", "--no-new-privs", "chroot", f"--userspec={user}:{group}", f"--groups={security['fsGroup']}", str(root)]
        return "\n".join([*commands, f"exec env -i {shlex.join([*environment, *enter, *program])}"])

    def _volume(self, name: str, group: int) -> Path:
        path = self.volume(name)
        path.mkdir(parents=True, exist_ok=True)
        for volume in self.spec.get("volumes", []):
            if volume["name"] == name and "configMap" in volume:
                for item in self.objects:
                    if item["kind"] == "ConfigMap" and item["metadata"]["name"] == volume["configMap"]["name"]:
                        for file, text in item["data"].items():
                            (path / file).write_text(text)
        os.chown(path, 0, group)
        path.chmod(0o2775)
        return path

    def _environment(self) -> dict[str, str]:
        fields = {"status.podIP": self.address, "metadata.name": f"{self.workload['metadata']['name']}-0"}
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            **{
                entry["name"]: entry["value"] if "value" in entry else fields[entry["valueFrom"]["fieldRef"]["fieldPath"]]
                for entry in self.container.get("env", [])
            },
        }

    def _expanded(self, argument: str) -> str:
        for name, value in self._environment().items():
            argument = argument.replace(f"$({name})", value)
        return argument

    def _hosts(self) -> str:
        """Return what stands for the cluster's DNS: the pod's own Services lead to it."""
        names = [
            f"{item['metadata']['name']}.{item['metadata']['namespace']}.svc.cluster.local"
            for item in self.objects
            if item["kind"] == "Service"
        ]
        return f"127.0.0.1 localhost\n{self.address} {' '.join(names)}\n"


def _enter(namespace: int) -> None:
    """Move this thread into an opened network namespace."""
    if _LIBC.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def wait_for(condition: Any, seconds: float, message: str) -> None:
    """Wait until a condition holds; fails with the message when it does not within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{message} (waited {seconds:.0f} s)"
        time.sleep(0.2)
