"""The lab: a Kubernetes cluster of our own binaries in namespaces of this machine, without Docker and without a registry.

Every step of `up` first looks whether it is needed. So `up` on a running lab changes nothing, and after a crash at any
point it goes on from what is there.
"""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import shutil
import string
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.lab import build, cgroups, control_plane, images, network, node, packages
from tools.lab.certificates import Authority
from tools.lab.machine import Machine
from tools.lab.provider_protocol import Say

MANIFESTS = Path(__file__).with_name("manifests")
# What the cluster cannot start without; everything else may still be compiling.
FIRST = ("etcd", "kubernetes", "programs", "coredns")
STATE = "lab.json"


class LabError(Exception):
    """The lab cannot do what it was asked; the message says why and what to do."""


@dataclass(frozen=True)
class AddOn:
    """Something that runs in every lab: its manifest, the image it needs and the workload to wait for."""

    manifest: str
    image: str | None = None
    namespace: str = "kube-system"
    workload: str | None = None


ADD_ONS = (
    AddOn("base.yaml"),
    AddOn("coredns.yaml", "coredns", "kube-system", "deployment/coredns"),
    AddOn("ingress.yaml", "traefik", "ingress-controller", "daemonset/traefik"),
)


def default_directory() -> Path:
    """Return the directory of the lab: LAB_DIR, or one below /var/lib."""
    return Path(os.environ.get("LAB_DIR", "/var/lib/observability-stack-lab")).resolve()


class Cluster:
    """The lab in one directory of this machine; `say` is given a line about each thing that is done."""

    def __init__(self, say: Say, directory: Path | None = None, nodes: int | None = None) -> None:
        self.directory = directory or default_directory()
        self._say = say
        state = self._state()
        if state and state["name"] != network.NAME:
            raise LabError(f"{self.directory} belongs to the lab {state['name']}, not to {network.NAME}: choose another one with LAB_DIR")
        self._wanted = nodes or int(os.environ.get("LAB_NODES") or (state["nodes"] if state else 3))
        self.plan = network.plan(state["nodes"] if state else self._wanted, state["subnet"] if state else None)

    def _same_family(self) -> None:
        """Raise LabError when the lab was made with other IP versions than LAB_FAMILY names now; only taking it down needs no addresses."""
        state = self._state()
        made = state.get("family", "ipv4") if state else network.FAMILY
        if made != network.FAMILY:
            raise LabError(f"the lab has LAB_FAMILY={made}, not {network.FAMILY}: name it, or take the lab down first")

    @property
    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig."""
        return self.directory / "admin.kubeconfig"

    def up(self) -> bool:
        """Bring the lab to the state "running and healthy"; return whether anything had to be done."""
        _require_root()
        self._same_family()
        if len(self.plan.nodes) != self._wanted:
            raise LabError(f"the lab has {len(self.plan.nodes)} nodes and LAB_NODES asks for {self._wanted}: take it down first")
        packages.install(self._say)
        if not self.directory.exists():
            self.directory.mkdir(parents=True)
        elif not self._state() and any(self.directory.iterdir()):
            raise LabError(f"{self.directory} is not a directory of the lab and not empty: choose another one with LAB_DIR")
        changed = False
        with futures.ThreadPoolExecutor(1) as pool, self._locked():
            state = {"name": network.NAME, "nodes": len(self.plan.nodes), "subnet": str(self.plan.subnet), "family": network.FAMILY}
            (self.directory / STATE).write_text(json.dumps(state))
            components = build.components()
            first = [component for component in components if component.name in FIRST]
            building = pool.submit(build.build_all, components, self._say)
            while futures.wait([building], timeout=10).not_done:
                # The cluster runs while the rest is compiled, and takes each image as it gets ready.
                if all(component.built for component in first):
                    try:
                        changed |= self._start()
                    except LabError as error:
                        self._say(f"trying again while the rest is compiled: {error}")
            building.result()
            return self._start() or changed

    def down(self) -> None:
        """Remove everything that the lab has made on this machine but its cache."""
        _require_root()
        if self.directory.exists() and not self._state() and any(self.directory.iterdir()):
            raise LabError(f"{self.directory} is not a directory of the lab: left alone")
        if not self.directory.exists():
            cgroups.kill()
            network.remove_all()
            return
        with self._locked():
            cgroups.kill()
            network.remove_all()
            # The lab's state file goes last, so that an interrupted removal can be repeated.
            for path in self.directory.iterdir():
                if path.name != STATE:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            shutil.rmtree(self.directory)

    def load_ready_images(self) -> list[str]:
        """Put every image that can be made by now on all nodes and start the add-ons that waited for one.

        Returns the names of the images that were new to some node.
        """
        with self._locked():
            return self._take_new_images()

    def load(self, image: images.Image) -> None:
        """Put one image on all nodes."""
        with self._locked():
            self._load(self._nodes(), [image])

    def tag_again(self, suffix: str) -> list[str]:
        """Give every image that can be made a second reference on all nodes, the first one with `-suffix`; return those references."""
        with self._locked():
            made = images.catalogue()
            self._load(self._nodes(), made)
            second = {image.reference: f"{image.reference}-{suffix}" for image in made}
            for machine in self._nodes():
                for reference, other in second.items():
                    images.tag(reference, other, node.socket(machine))
            return list(second.values())

    def stop_node(self, name: str) -> None:
        """Kill everything on a node at once and cut its network: the node is lost."""
        machine = self._machine(name)
        machine.stop()
        network.disconnect(machine.address)

    def start_node(self, name: str) -> None:
        """Start a lost node again, with its disk as it was, and wait until it is Ready."""
        self._same_family()
        with self._locked():
            since = self._start_node(self._machine(name))
            self._wait_for_nodes({name}, since)

    def status(self) -> list[str]:
        """Return lines for people: what runs, what is Ready, what is absent or a substitute."""
        if not self._state():
            return ["the lab is down"]
        self._same_family()
        lines = []
        ready = self._ready_nodes()
        for machine in [control_plane.control_plane(self.directory, self.plan), *self._nodes()]:
            state = "running" if machine.running else "stopped"
            if machine.address.pods and machine.running:
                state += ", Ready" if machine.name in ready else ", not Ready"
            lines.append(f"{machine.name:<14} {','.join(machine.address.ips):<13} {state}; logs: {machine.logs}")
        lines.append(f"kubeconfig: {self.kubeconfig}")
        lines += [f"absent: {name} ({reason})" for name, reason in images.absent().items() if name not in images.substitutes()]
        lines += [f"substitute: {name} is {what}" for name, what in images.substitutes().items()]
        lines += [f"other version: {name} is {what}" for name, what in images.other_versions().items()]
        return lines

    def kubectl(self, *arguments: str, given: str | None = None, seconds: float = 60) -> str:
        """Run kubectl as administrator and return what it printed; raises LabError with what it complained about."""
        command = [str(build.binary("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments]
        try:
            done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"`kubectl {' '.join(arguments)}` did not answer within {seconds:.0f} s") from error
        if done.returncode:
            raise LabError(f"`kubectl {' '.join(arguments)}`: {done.stderr.strip()}")
        return done.stdout

    def _state(self) -> dict[str, Any] | None:
        try:
            return dict(json.loads((self.directory / STATE).read_text()))
        except (OSError, ValueError):
            return None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one command at a time change the lab; the lock goes with its process, however that ends."""
        if not self.directory.exists():
            raise LabError("the lab is down")
        handle = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say("another command works on the lab: waiting for it")
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _authority(self) -> Authority:
        return Authority(self.directory / "pki")

    def _nodes(self) -> list[Machine]:
        return [node.node(self.directory, address, self.plan.server) for address in self.plan.nodes]

    def _machine(self, name: str) -> Machine:
        if not self._state():
            raise LabError("the lab is down")
        for machine in self._nodes():
            if machine.name == name:
                return machine
        raise LabError(f"no node {name}; there are: {', '.join(address.name for address in self.plan.nodes)}")

    def _start(self) -> bool:
        """Start what does not run and wait until all of it is healthy; return whether anything had to be done."""
        changed = False
        authority = self._authority()
        server = self.plan.server
        authority.kubeconfig(self.kubeconfig, server, authority.issue("admin", "kubernetes-admin", ["system:masters"]), "lab")
        network.connect_control_plane(self.plan)
        since = datetime.datetime.min.replace(tzinfo=datetime.UTC)

        brain = control_plane.control_plane(self.directory, self.plan)
        if not brain.running:
            changed = True
            self._say(f"control plane: starting at {server}")
            brain.stop()
            control_plane.prepare(control_plane.lab_place(self.directory, self.plan), authority)
            brain.start()
        machines = self._nodes()
        for machine in machines:
            if not machine.running:
                changed = True
                self._say(f"{machine.name}: starting at {machine.address.ip}")
                since = self._start_node(machine)
        with futures.ThreadPoolExecutor(1) as pool:
            # The nodes take images while the control plane comes up.
            loading = pool.submit(self._load, machines, [image for image in images.catalogue() if image.name in ("pause", "coredns")])
            _wait(120, self._api_ready, f"the API server is not ready; its log: {brain.logs / 'kube-apiserver.log'}")
            changed |= bool(loading.result())
        self._wait_for_nodes({machine.name for machine in machines}, since)
        changed |= bool(self._take_new_images())
        self._wait_for_add_ons()
        return changed

    def _take_new_images(self) -> list[str]:
        """Load what can be made by now and apply the add-ons that waited for it; return the names of new images."""
        new = self._load(self._nodes(), images.catalogue())
        self._apply_add_ons()
        return new

    def _start_node(self, machine: Machine) -> datetime.datetime:
        """Start a node from its disk; return the moment before which no sign of life can be from this start."""
        machine.stop()
        node.prepare(machine, self.plan, self._authority(), images.reference("pause"))
        network.connect_node(self.plan, machine.address)
        started = datetime.datetime.now(datetime.UTC)
        machine.start()
        return started

    def _api_ready(self) -> bool:
        try:
            return self.kubectl("get", "--raw", "/readyz", "--request-timeout=2s") == "ok"
        except LabError:
            return False

    def _ready_nodes(self, since: datetime.datetime | None = None) -> set[str]:
        """Return the nodes that are Ready, by a sign of life after `since`: the API server takes a while to notice a loss."""
        try:
            listed = json.loads(
                self.kubectl("get", "nodes,leases.coordination.k8s.io", "--namespace=kube-node-lease", "-o", "json", "--request-timeout=5s")
            )
        except LabError:
            return set()
        alive, ready = set(), set()
        for item in listed["items"]:
            name = item["metadata"]["name"]
            if item["kind"] == "Lease" and (not since or datetime.datetime.fromisoformat(item["spec"]["renewTime"]) >= since):
                alive.add(name)
            if item["kind"] == "Node" and any(
                entry["type"] == "Ready" and entry["status"] == "True" for entry in item["status"]["conditions"]
            ):
                ready.add(name)
        return alive & ready

    def _wait_for_nodes(self, names: set[str], since: datetime.datetime) -> None:
        message = f"not all of {', '.join(sorted(names))} became Ready; their logs: {self.directory}/NODE/logs"
        _wait(90, lambda: names <= self._ready_nodes(since), message)

    def _load(self, machines: list[Machine], wanted: list[images.Image]) -> list[str]:
        """Put images on the nodes that do not have them, all nodes at a time; return the names of those that were new."""
        new: list[str] = []
        with futures.ThreadPoolExecutor(len(machines)) as pool:
            for image in wanted:
                archive = images.archive(image)
                if any(list(pool.map(lambda machine: self._load_on(machine, image, archive), machines))):  # noqa: B023
                    new.append(image.name)
        if new:
            self._say(f"images on the nodes: {', '.join(new)}")
        return new

    def _load_on(self, machine: Machine, image: images.Image, archive: Path) -> bool:
        record = machine.directory / "images.json"
        loaded: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
        if loaded.get(image.reference) == archive.name or not machine.running:
            return False
        _wait(
            30,
            lambda: node.socket(machine).exists(),
            f"containerd of {machine.name} does not start; its log: {machine.logs}/containerd.log",
        )
        images.load(archive, node.socket(machine))
        draft = record.with_suffix(".draft")
        draft.write_text(json.dumps({**loaded, image.reference: archive.name}, indent=2))
        draft.rename(record)
        return True

    def _apply_add_ons(self) -> bool:
        """Apply the manifests whose image is there and that are not applied yet; return whether there were any."""
        record = self.directory / "add-ons.json"
        applied: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
        references = {image.name: image.reference for image in images.catalogue()}
        new = False
        for add_on in ADD_ONS:
            if add_on.image and add_on.image not in references:
                continue
            text = string.Template((MANIFESTS / add_on.manifest).read_text()).substitute(references, dns_service=network.DNS_SERVICE)
            if applied.get(add_on.manifest) != text:
                self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=text)
                applied[add_on.manifest] = text
                record.write_text(json.dumps(applied))
                new = True
        return new

    def _wait_for_add_ons(self) -> None:
        applied = json.loads((self.directory / "add-ons.json").read_text())
        for add_on in ADD_ONS:
            if add_on.workload and add_on.manifest in applied:
                self.kubectl("rollout", "status", add_on.workload, f"--namespace={add_on.namespace}", "--timeout=90s", seconds=100)


def _wait(seconds: float, condition: Callable[[], bool], message: str) -> None:
    """Wait until the condition holds; raises LabError with the message when it does not within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{message} (waited {seconds:.0f} s)")
        time.sleep(0.3)


def _require_root() -> None:
    if os.geteuid() != 0:
        raise LabError(
            "the lab makes namespaces and mounts, so it needs root; or choose another provider with PROVIDER=kind or PROVIDER=existing"
        )
