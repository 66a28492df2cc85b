"""kind: Kubernetes in Docker, for those who have Docker. The nodes pull the stack's images themselves.

What there is, is asked of Docker every time: the containers with kind's label are the nodes, and a file on the control plane says
that the cluster was completed once. So whatever was interrupted or stopped, `up` goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from tools.lab import build, images
from tools.lab.provider_protocol import Access, ProviderError, Say

VERSION = "v0.33.0"
NODE_IMAGE = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
REPOSITORY = Path(__file__).resolve().parents[2]
# Where the ingress controller listens on the nodes.
NODE_PORTS = {"http": 30080, "https": 30443}
ROLES = ("control-plane", "worker", "worker")
SAMPLE_APPLICATION = REPOSITORY / "tools/sample_application"
# Written as the last step of a create. A file rather than an object of the cluster: it can be looked up while the cluster is stopped.
MARKER = "/kind/observability-stack-complete"
# On the sample application's image, in Docker and on the nodes: what it was built from, or the image's ID in Docker.
SOURCE_LABEL = "observability.stack/source"
# How long nodes may take to be ready, in seconds: a create on a small machine, or a cluster that starts again.
PATIENCE = 300.0


@dataclass(frozen=True)
class Settings:
    """What the environment says: the cluster's name, the image of its nodes, and the ports on this machine's loopback."""

    cluster: str
    node_image: str
    ports: dict[str, int]

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings; raises ProviderError with everything that is wrong in them."""
        problems = []
        cluster = environment.get("KIND_CLUSTER_NAME") or "observability-stack"
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,48}", cluster):
            problems.append(f"KIND_CLUSTER_NAME is {cluster!r}; it can be lower-case letters, digits, `.` and `-`, at most 49")
        ports = {}
        for name, default in (("http", "8080"), ("https", "8443")):
            variable = f"KIND_{name.upper()}_PORT"
            text = environment.get(variable) or default
            if text.isascii() and text.isdecimal() and 0 < int(text) < 65536:
                ports[name] = int(text)
            else:
                problems.append(f"{variable} is {text!r}; it has to be a port, 1 to 65535")
        if len(ports) == 2 and ports["http"] == ports["https"]:
            problems.append(f"KIND_HTTP_PORT and KIND_HTTPS_PORT are both {ports['http']}; they have to differ")
        if problems:
            raise ProviderError("; ".join(problems))
        return cls(cluster, environment.get("KIND_NODE_IMAGE") or NODE_IMAGE, ports)


@dataclass(frozen=True)
class Node:
    """A node as Docker knows it. `started`: seconds since 1970 by Docker's clock; `ports`: of the container -> of this machine."""

    name: str
    role: str
    running: bool
    started: float
    ports: dict[int, int]


def unusable() -> str | None:
    """Return why kind cannot work here, or None when it can. Nothing is fetched or compiled: that is the business of `up`."""
    if shutil.which("docker") is None or not _answers("docker", "info"):
        return "no Docker engine answers"
    if _binary() is None and shutil.which("go") is None:
        return f"there is neither kind {VERSION} nor Go to compile it{_other_version()}"
    return None


def binary(say: Say) -> str:
    """Return the path of kind in the version that the node image belongs to: the one on the PATH, or one compiled into the cache."""
    if found := _binary():
        return found
    if shutil.which("go") is None:
        raise ProviderError(f"there is neither kind {VERSION} nor Go to compile it{_other_version()}")
    say(f"kind: compiling kind {VERSION}, once{_other_version()}")
    environment = {**os.environ, "GOBIN": str(_cached().parent), "GOFLAGS": ""}
    done = subprocess.run(
        ["go", "install", f"sigs.k8s.io/kind@{VERSION}"], env=environment, capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode:
        raise ProviderError(f"kind {VERSION} cannot be compiled: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    return str(_cached())


def _binary() -> str | None:
    found = shutil.which("kind")
    if found and _version(found) == VERSION:
        return found
    return str(_cached()) if _cached().exists() else None


def _cached() -> Path:
    return build.CACHE / f"kind-{VERSION}" / "kind"


def _version(program: str) -> str:
    """Return what a kind says of itself: `kind v0.33.0 go1.26.8 linux/amd64`."""
    try:
        words = _run([program, "version"]).split()
    except (OSError, ProviderError):
        return "of an unknown version"
    return words[1] if len(words) > 1 else "of an unknown version"


def _other_version() -> str:
    found = shutil.which("kind")
    return f" (the kind on the PATH is {_version(found)})" if found else ""


def configuration(settings: Settings, cgroup_version: str = "2") -> dict[str, Any]:
    """Return kind's cluster configuration: a control plane that also takes the ingress ports, and two workers."""
    ports = [
        {"containerPort": NODE_PORTS[name], "hostPort": settings.ports[name], "listenAddress": "127.0.0.1", "protocol": "TCP"}
        for name in NODE_PORTS
    ]
    nodes: list[dict[str, Any]] = [{"role": role, "image": settings.node_image} for role in ROLES]
    nodes[0]["extraPortMappings"] = ports
    # A kubelet does not start on cgroup v1 unless it is configured to.
    patches = [yaml.safe_dump({"kind": "KubeletConfiguration", "failCgroupV1": False})] if cgroup_version == "1" else []
    return {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": nodes, "kubeadmConfigPatches": patches}


class Kind:
    """A kind cluster with three nodes; `say` is given a line about each thing that is done."""

    name = "kind"
    kubeconfig = REPOSITORY / "build/kubeconfig"

    def __init__(self, say: Say, settings: Settings | None = None) -> None:
        self._say = say
        self._settings = settings or Settings.read()

    def up(self) -> bool:
        """Create the cluster, or start what has stopped of it; the sample application's image is on its nodes afterwards.

        One that was never completed is made anew. One that was completed is never deleted: what is wrong with it is an error.
        """
        nodes = self._nodes()
        if nodes and not self._completed(nodes):
            self._say(f"kind: the cluster {self._settings.cluster} was never completed; making it anew")
            self._delete(nodes)
            nodes = []
        self.kubeconfig.parent.mkdir(exist_ok=True)
        changed = self._start(nodes) if nodes else self._create()
        return self._load_sample_application() or changed

    def down(self) -> None:
        """Delete the cluster, no error when there is none; say what Docker keeps."""
        self._delete(self._nodes())
        kept, commands = [], []
        if _answers("docker", "network", "inspect", "kind"):
            kept.append("the Docker network kind, which all kind clusters share")
            commands.append("docker network rm kind")
        for image in (self._settings.node_image, images.versions()["sample_application"]):
            if _answers("docker", "image", "inspect", image):
                kept.append(f"the image {image}")
                commands.append(f"docker image rm {image}")
        if kept:
            self._say(f"kind: kept for the next cluster: {', '.join(kept)}; to remove that too: {' && '.join(commands)}")

    def status(self) -> list[str]:
        """Return the nodes and whether they run."""
        nodes = self._nodes()
        if not nodes:
            return ["kind: the cluster is down"]
        lines = [f"{node.name}: {'running' if node.running else 'stopped'}" for node in nodes]
        if not self._completed(nodes):
            lines.append("the cluster was never completed; `up` makes it anew")
        return [*lines, f"kubeconfig: {self.kubeconfig}"]

    def access(self) -> Access:
        """Return the kubeconfig that kind wrote."""
        return Access(self.kubeconfig, f"kind-{self._settings.cluster}")

    def load_image(self, name: str) -> None:
        """Put an image that the Docker engine has on the nodes; the sample application's is built first. The nodes pull all others."""
        if name not in images.versions():
            raise ProviderError(f"versions.yml has no component {name!r}; it has: {', '.join(images.versions())}")
        if name == "sample_application":
            self._load_sample_application()
            return
        reference = images.versions()[name]
        try:
            identity = _run(["docker", "image", "inspect", "--format={{.Id}}", reference]).strip()
        except ProviderError:
            self._say(f"kind: the Docker engine has no image {reference}; the nodes pull it themselves")
            return
        self._load(reference, identity)

    def variables(self) -> dict[str, Any]:
        """Return how the ingress controller is reached from this machine, and the storage class that kind brings."""
        return {
            "alloy_enabled": True,
            "verify_absent": {},
            "ingress_service_type": "NodePort",
            "ingress_node_ports": NODE_PORTS,
            "verify_ingress_address": f"127.0.0.1:{self._settings.ports['https']}",
            "verify_ingress_http_address": f"127.0.0.1:{self._settings.ports['http']}",
            "observability_storage_class": "standard",
        }

    # --- steps of `up` ---

    def _create(self) -> bool:
        cluster, image = self._settings.cluster, self._settings.node_image
        program = binary(self._say)
        if not _answers("docker", "image", "inspect", image):
            self._say(f"kind: pulling the node image {image}")
            try:
                _run(["docker", "pull", "--quiet", image])
            except ProviderError as error:
                raise ProviderError(
                    f"{error}\nKIND_NODE_IMAGE can name a node image that is here; PROVIDER=lab needs neither Docker nor a registry"
                ) from error
        self._say(f"kind: creating the cluster {cluster} of {len(ROLES)} nodes")
        cgroups = _run(["docker", "info", "--format={{.CgroupVersion}}"]).strip()
        command = [program, "create", "cluster", f"--name={cluster}", f"--kubeconfig={self.kubeconfig}", "--config=-"]
        _run(command, yaml.safe_dump(configuration(self._settings, cgroups)))
        self._wait()
        _run(["docker", "exec", self._control_plane(self._nodes()), "touch", MARKER])
        return True

    def _start(self, nodes: list[Node]) -> bool:
        """Start what has stopped of a completed cluster; return whether anything had."""
        if len(nodes) != len(ROLES):
            left = ", ".join(node.name for node in nodes)
            raise ProviderError(
                f"the cluster {self._settings.cluster} has {len(nodes)} of its {len(ROLES)} nodes ({left}): somebody has removed a "
                "container. `down` and `up` make a new cluster, without its data"
            )
        published = {port: host for node in nodes for port, host in node.ports.items()}
        wanted = {NODE_PORTS[name]: self._settings.ports[name] for name in NODE_PORTS}
        if wanted.items() - published.items():
            raise ProviderError(
                f"the cluster {self._settings.cluster} publishes the ingress at the ports "
                f"{', '.join(str(published.get(port, 'none')) for port in wanted)}, and KIND_HTTP_PORT and KIND_HTTPS_PORT ask for "
                f"{', '.join(str(port) for port in wanted.values())}; ports are fixed when a cluster is made"
            )
        stopped = [node.name for node in nodes if not node.running]
        if stopped:
            self._say(f"kind: starting {', '.join(stopped)}, with the data that is there")
            _run(["docker", "start", *stopped])
        self._wait()
        _run([binary(self._say), "export", "kubeconfig", f"--name={self._settings.cluster}", f"--kubeconfig={self.kubeconfig}"])
        return bool(stopped)

    def _wait(self) -> None:
        """Wait until every node is ready; raises ProviderError, with what is not."""
        deadline = time.monotonic() + PATIENCE
        while late := self._late():
            if time.monotonic() > deadline:
                raise ProviderError(f"the cluster {self._settings.cluster} is not ready after {PATIENCE:.0f} s: {'; '.join(late)}")
            time.sleep(1)

    def _late(self) -> list[str]:
        """Return what is not ready, each with a reason."""
        nodes = self._nodes()
        if stopped := [f"{node.name} has stopped" for node in nodes if not node.running]:
            return stopped
        command = ["docker", "exec", self._control_plane(nodes), "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"]
        try:
            listed = json.loads(_run([*command, "--request-timeout=10s", "get", "nodes", "--output=json"]))["items"]
        except ProviderError as error:
            return [f"the API server does not answer: {str(error).splitlines()[-1]}"]
        return not_ready(nodes, listed)

    def _load_sample_application(self) -> bool:
        """Build the sample application unless Docker has it in this state, and put it on the nodes; return whether one lacked it."""
        reference, source = images.versions()["sample_application"], _digest(SAMPLE_APPLICATION)
        template = f'--format={{{{index .Config.Labels "{SOURCE_LABEL}"}}}}'
        try:
            built = _run(["docker", "image", "inspect", template, reference]).strip()
        except ProviderError:
            built = ""
        if built != source:
            self._say(f"kind: building {reference}")
            command = ["docker", "build", "--quiet", "--tag", reference, "--label", f"{SOURCE_LABEL}={source}", str(SAMPLE_APPLICATION)]
            # With attestations an image is an index of several manifests, which kind cannot load from Docker's containerd store.
            _run(command, environment={"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"})
        return self._load(reference, source)

    def _load(self, reference: str, identity: str) -> bool:
        """Put an image on the nodes that do not have it from this source; return whether one lacked it."""
        listing = ["ctr", "--namespace=k8s.io", "images", "list", f"name=={reference}"]
        label = f"{SOURCE_LABEL}={identity}"
        lacking = [node.name for node in self._nodes() if label not in _run(["docker", "exec", node.name, *listing])]
        if lacking:
            self._say(f"kind: loading {reference} onto {', '.join(lacking)}")
            command = [binary(self._say), "load", "docker-image", f"--name={self._settings.cluster}", f"--nodes={','.join(lacking)}"]
            _run([*command, reference])
            for node in lacking:
                _run(["docker", "exec", node, "ctr", "--namespace=k8s.io", "images", "label", reference, label])
        return bool(lacking)

    # --- what Docker knows ---

    def _nodes(self) -> list[Node]:
        listing = ["docker", "ps", "--all", "--quiet", f"--filter=label=io.x-k8s.kind.cluster={self._settings.cluster}"]
        containers = _run(listing).split()
        if not containers:
            return []
        return sorted(map(_node, json.loads(_run(["docker", "inspect", *containers]))), key=lambda node: node.name)

    def _completed(self, nodes: list[Node]) -> bool:
        """Whether the cluster was complete once; also known of one that is stopped."""
        leaders = [node.name for node in nodes if node.role == "control-plane"]
        return any(f"A {MARKER}" in _run(["docker", "diff", name]).splitlines() for name in leaders)

    def _control_plane(self, nodes: list[Node]) -> str:
        for node in nodes:
            if node.role == "control-plane":
                return node.name
        raise ProviderError(f"the cluster {self._settings.cluster} has no control plane any more; `down` and `up` make a new one")

    def _delete(self, nodes: list[Node]) -> None:
        if nodes:
            _run(["docker", "rm", "--force", "--volumes", *(node.name for node in nodes)])
        self.kubeconfig.unlink(missing_ok=True)


def _node(found: Mapping[str, Any]) -> Node:
    """Return a node from what `docker inspect` says about its container."""
    bindings = found["HostConfig"].get("PortBindings") or {}
    return Node(
        name=found["Name"].removeprefix("/"),
        role=found["Config"]["Labels"].get("io.x-k8s.kind.role", ""),
        running=bool(found["State"]["Running"]),
        started=_seconds(found["State"]["StartedAt"]),
        ports={int(port.partition("/")[0]): int(bound[0]["HostPort"] or 0) for port, bound in bindings.items() if bound},
    )


def _seconds(text: str) -> float:
    """Return a time of Docker or Kubernetes as whole seconds since 1970; neither agrees with Python on fractions."""
    return datetime.fromisoformat(re.sub(r"(\.\d+)?Z$", "+00:00", text)).timestamp()


def not_ready(nodes: list[Node], listed: list[dict[str, Any]]) -> list[str]:
    """Return the nodes that Kubernetes does not list as ready. What a node reported before its container was started does not count."""
    conditions = {
        item["metadata"]["name"]: condition
        for item in listed
        for condition in item.get("status", {}).get("conditions", [])
        if condition["type"] == "Ready"
    }
    late = []
    for node in nodes:
        condition = conditions.get(node.name)
        if condition is None:
            late.append(f"{node.name} has not joined")
        elif condition["status"] != "True":
            late.append(f"{node.name}: {condition.get('message') or condition.get('reason') or 'not ready'}")
        elif _seconds(condition["lastHeartbeatTime"]) < node.started:
            late.append(f"{node.name} has not reported since it was started")
    return late


def _digest(directory: Path) -> str:
    """Return a digest of the files below a directory."""
    digest = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(directory)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:32]


def _answers(*command: str, seconds: float = 20) -> bool:
    """Whether a command ends well within that time."""
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=seconds).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _run(command: list[str], given: str | None = None, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, check=False, env={**os.environ, **environment} if environment else None
    )
    if done.returncode:
        raise ProviderError(f"`{' '.join(command)}` failed:\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
