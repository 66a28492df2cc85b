"""kind: Kubernetes in Docker, for those who have Docker. The nodes pull the stack's images themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.lab import build, images
from tests.lab.interface import Connection, ProviderError, Say

VERSION = "v0.33.0"
NODE_IMAGE = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
CLUSTER = "observability-stack"
REPOSITORY = Path(__file__).resolve().parents[2]
# Ports of the ingress controller: on the nodes, and on this machine's loopback.
NODE_PORTS = {"http": 30080, "https": 30443}
HOST_PORTS = {"http": 8080, "https": 8443}
SAMPLE_APPLICATION = REPOSITORY / "tests/sample_application"


def unusable() -> str | None:
    """Return why kind cannot work here, or None when it can. Fetches kind and the node image if they are missing."""
    if shutil.which("docker") is None or not _answers("docker", "info"):
        return "no Docker engine answers"
    try:
        binary()
    except ProviderError as error:
        return str(error)
    if not _answers("docker", "image", "inspect", NODE_IMAGE) and not _answers("docker", "pull", "--quiet", NODE_IMAGE, seconds=600):
        return f"the node image {NODE_IMAGE} is not here and cannot be pulled"
    return None


def binary() -> str:
    """Return the path of kind: the one on the PATH, or one compiled into the cache."""
    if found := shutil.which("kind"):
        return found
    cached = build.CACHE / f"kind-{VERSION}" / "kind"
    if not cached.exists():
        if shutil.which("go") is None:
            raise ProviderError("there is neither kind nor Go to compile it")
        environment = {**os.environ, "GOBIN": str(cached.parent)}
        done = subprocess.run(
            ["go", "install", f"sigs.k8s.io/kind@{VERSION}"], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ProviderError(f"kind {VERSION} cannot be compiled: {done.stderr.strip().splitlines()[-1]}")
    return str(cached)


def configuration() -> dict[str, Any]:
    """Return kind's cluster configuration: a control plane that also takes the ingress ports, and two workers."""
    ports = [
        {"containerPort": NODE_PORTS[name], "hostPort": HOST_PORTS[name], "listenAddress": "127.0.0.1", "protocol": "TCP"}
        for name in NODE_PORTS
    ]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [
            {"role": "control-plane", "image": NODE_IMAGE, "extraPortMappings": ports},
            {"role": "worker", "image": NODE_IMAGE},
            {"role": "worker", "image": NODE_IMAGE},
        ],
    }


class Kind:
    """A kind cluster with three nodes; `say` is given a line about each thing that is done."""

    name = "kind"
    kubeconfig = REPOSITORY / "build/kubeconfig"

    def __init__(self, say: Say) -> None:
        self._say = say

    def up(self) -> bool:
        """Create the cluster unless it is there and all its nodes run; one that was cut short is made anew."""
        if self._running():
            self.kubeconfig.parent.mkdir(exist_ok=True)
            _run([binary(), "export", "kubeconfig", f"--name={CLUSTER}", f"--kubeconfig={self.kubeconfig}"])
            return False
        self.down()
        self._say(f"kind: creating the cluster {CLUSTER} of three nodes")
        self.kubeconfig.parent.mkdir(exist_ok=True)
        command = [binary(), "create", "cluster", f"--name={CLUSTER}", f"--kubeconfig={self.kubeconfig}", "--config=-", "--wait=180s"]
        _run(command, yaml.safe_dump(configuration()))
        self.load_image("sample_application")
        return True

    def down(self) -> None:
        """Delete the cluster; no error when there is none."""
        _run([binary(), "delete", "cluster", f"--name={CLUSTER}", f"--kubeconfig={self.kubeconfig}"])

    def status(self) -> list[str]:
        """Return the nodes and whether they run."""
        nodes = self._nodes()
        if not nodes:
            return ["kind: the cluster is down"]
        return [f"{node}: {'running' if running else 'stopped'}" for node, running in nodes.items()] + [f"kubeconfig: {self.kubeconfig}"]

    def connection(self) -> Connection:
        """Return the kubeconfig that kind wrote."""
        return Connection(self.kubeconfig, f"kind-{CLUSTER}")

    def load_image(self, name: str) -> None:
        """Build the sample application with Docker and put it on the nodes; they pull everything else themselves."""
        if name != "sample_application":
            return
        reference = images.versions()[name]
        self._say(f"building {reference}")
        _run(["docker", "build", "--quiet", "--tag", reference, str(SAMPLE_APPLICATION)])
        _run([binary(), "load", "docker-image", f"--name={CLUSTER}", reference])

    def variables(self) -> dict[str, Any]:
        """Return how the ingress controller is reached from this machine, and the storage class that kind brings."""
        return {
            "alloy_enabled": True,
            "verify_absent": {},
            "ingress_nginx_service_type": "NodePort",
            "ingress_nginx_node_ports": NODE_PORTS,
            "verify_ingress_address": f"127.0.0.1:{HOST_PORTS['https']}",
            "verify_ingress_http_address": f"127.0.0.1:{HOST_PORTS['http']}",
            "observability_storage_class": "standard",
        }

    def _nodes(self) -> dict[str, bool]:
        listed = _run([binary(), "get", "nodes", f"--name={CLUSTER}"]).split()
        return {node: _answers("docker", "exec", node, "true") for node in listed}

    def _running(self) -> bool:
        nodes = self._nodes()
        return len(nodes) == len(configuration()["nodes"]) and all(nodes.values())


def _answers(*command: str, seconds: float = 20) -> bool:
    """Whether a command ends well within that time."""
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=seconds).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _run(command: list[str], given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProviderError(f"`{' '.join(command)}` failed:\n{done.stderr.strip()}")
    return done.stdout
