"""kind: what is done about a cluster in whatever state it is, against an engine that keeps containers as Docker does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.lab import build, images, kind
from tools.lab.kind import MARKER, NODE_IMAGE, Kind, Settings
from tools.lab.provider_protocol import ProviderError

SAMPLE = "localhost/observability-stack/sample-application:1"


@dataclass
class Container:
    """A node: `heartbeat` is what its kubelet last reported, `files` and `images` live as long as the container."""

    name: str
    role: str
    ports: dict[str, Any]
    running: bool = True
    started: int = 0
    heartbeat: int = 0
    ready: bool = True
    files: set[str] = field(default_factory=set)
    images: dict[str, str] = field(default_factory=dict)


class Engine:
    """Answers the commands that the provider runs. `fails` names one that fails, `interrupts` one that is interrupted half-way."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self.images: dict[str, str] = {NODE_IMAGE: ""}
        self.network = False
        self.cgroups = "2"
        self.log: list[str] = []
        self.configuration: dict[str, Any] = {}
        self.environment: Mapping[str, str] = {}
        self.fails = ""
        self.interrupts = ""
        self.heartbeats = True
        self.clock = 100

    def run(self, command: list[str], given: str | None = None, environment: Mapping[str, str] | None = None) -> str:
        """Do what a command does, and return what it prints."""
        self.log.append(" ".join(command))
        self.clock += 1
        if self.fails and self.fails in self.log[-1]:
            raise ProviderError(f"`{self.log[-1]}` failed:\nno reason")
        match command:
            case ["docker", "ps", *_]:
                return "\n".join(self.containers)
            case ["docker", "inspect", *names]:
                return json.dumps([self._inspected(self.containers[name]) for name in names])
            case ["docker", "diff", name]:
                return "".join(f"A {path}\n" for path in ("/kind/product_uuid", *self.containers[name].files))
            case ["docker", "start", *names]:
                for name in names:
                    self.containers[name].running, self.containers[name].started = True, self.clock
            case ["docker", "rm", "--force", "--volumes", *names]:
                for name in names:
                    del self.containers[name]
            case ["docker", "info", _]:
                return f"{self.cgroups}\n"
            case ["docker", "image", "inspect", *_, reference]:
                if reference not in self.images:
                    raise ProviderError("no such image")
                return f"{self.images[reference]}\n"
            case ["docker", "pull", _, reference]:
                self.images[reference] = ""
            case ["docker", "build", _, "--tag", reference, "--label", label, _]:
                self.environment = environment or {}
                self.images[reference] = label.partition("=")[2]
            case ["docker", "exec", name, *inside]:
                return self._inside(self.containers[name], inside)
            case ["kind", "create", "cluster", name, *_]:
                self._create(name.partition("=")[2], yaml.safe_load(given or ""))
            case ["kind", "load", "docker-image", _, nodes, reference]:
                for name in nodes.partition("=")[2].split(","):
                    self.containers[name].images[reference] = ""
            case ["kind", "export", "kubeconfig", *_]:
                pass
            case _:
                raise AssertionError(command)
        return ""

    def answers(self, *command: str, seconds: float = 20) -> bool:  # noqa: ARG002
        """Whether a command ends well."""
        if command[:3] == ("docker", "network", "inspect"):
            return self.network
        try:
            self.run(list(command))
        except ProviderError:
            return False
        return True

    def _create(self, cluster: str, configuration: dict[str, Any]) -> None:
        self.configuration, self.network = configuration, True
        for number, node in enumerate(configuration["nodes"]):
            name = f"{cluster}-{node['role']}{number if number > 1 else ''}"
            ports = {f"{port['containerPort']}/tcp": [{"HostPort": str(port["hostPort"])}] for port in node.get("extraPortMappings", [])}
            self.containers[name] = Container(name, node["role"], ports, started=self.clock)
            if self.interrupts == "create":
                self.interrupts = ""
                raise KeyboardInterrupt

    def _inside(self, node: Container, command: list[str]) -> str:
        if not node.running:
            raise ProviderError(f"container {node.name} is not running")
        match command:
            case ["touch", path]:
                node.files.add(path)
            case ["kubectl", *_]:
                return json.dumps({"items": [self._listed(other) for other in self.containers.values()]})
            case ["ctr", _, "images", "list", filtered]:
                return f"REF LABELS\n{node.images.get(filtered.removeprefix('name=='), '')}"
            case ["ctr", _, "images", "label", reference, label]:
                assert reference in node.images
                node.images[reference] = label
            case _:
                raise AssertionError(command)
        return ""

    def _listed(self, node: Container) -> dict[str, Any]:
        if self.heartbeats and node.running:
            node.heartbeat = self.clock
        ready = {"type": "Ready", "status": str(node.ready), "message": "no network plugin", "lastHeartbeatTime": _time(node.heartbeat)}
        return {"metadata": {"name": node.name}, "status": {"conditions": [{"type": "MemoryPressure", "status": "False"}, ready]}}

    def _inspected(self, node: Container) -> dict[str, Any]:
        return {
            "Name": f"/{node.name}",
            "Config": {"Labels": {"io.x-k8s.kind.role": node.role}},
            "State": {"Running": node.running, "StartedAt": _time(node.started, ".123456789")},
            "HostConfig": {"PortBindings": node.ports},
        }

    def did(self, words: str) -> int:
        """Return how many commands had these words in them."""
        return sum(words in line for line in self.log)


def _time(seconds: int, fraction: str = "") -> str:
    return f"2026-01-01T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}Z"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    found = Engine()
    monkeypatch.setattr(kind, "_run", found.run)
    monkeypatch.setattr(kind, "_answers", found.answers)
    monkeypatch.setattr(kind, "binary", lambda _: "kind")
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(kind, "PATIENCE", 0.2)
    monkeypatch.setattr(Kind, "kubeconfig", tmp_path / "build/kubeconfig")
    return found


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def up(engine: Engine, said: list[str]) -> Callable[..., bool]:  # noqa: ARG001 - has to be there
    def start(**environment: str) -> bool:
        said.clear()
        return Kind(said.append, Settings.read(environment)).up()

    return start


def test_a_cluster_that_runs_is_left_alone(engine: Engine, up: Callable[..., bool], said: list[str]) -> None:
    assert up()
    assert len(engine.containers) == 3
    before = list(engine.containers.values())
    assert not up()
    assert list(engine.containers.values()) == before
    assert said == []
    assert engine.did("kind create") == engine.did("docker build") == engine.did("kind load") == 1


# --- interrupted ------------------------------------------------------------------------------------------------------


def test_a_create_that_was_interrupted_is_made_anew_and_said(engine: Engine, up: Callable[..., bool], said: list[str]) -> None:
    engine.interrupts = "create"
    with pytest.raises(KeyboardInterrupt):
        up()
    assert len(engine.containers) == 1
    assert up()
    assert len(engine.containers) == 3
    assert said[0] == "kind: the cluster observability-stack was never completed; making it anew"


def test_all_nodes_running_is_not_enough_without_the_marker(engine: Engine, up: Callable[..., bool]) -> None:
    engine.fails = f"touch {MARKER}"
    with pytest.raises(ProviderError):
        up()
    assert all(node.running and node.ready for node in engine.containers.values())
    engine.fails = ""
    assert up()
    assert engine.did("kind create") == 2


def test_an_interrupted_create_that_has_stopped_too_is_made_anew(engine: Engine, up: Callable[..., bool], said: list[str]) -> None:
    engine.interrupts = "create"
    with pytest.raises(KeyboardInterrupt):
        up()
    next(iter(engine.containers.values())).running = False
    assert up()
    assert engine.did("docker start") == 0
    assert "never completed" in said[0]


def test_the_marker_is_not_enough_while_a_worker_is_not_ready(engine: Engine, up: Callable[..., bool]) -> None:
    up()
    engine.containers["observability-stack-worker"].ready = False
    with pytest.raises(ProviderError, match=r"is not ready after .* observability-stack-worker: no network plugin"):
        up()
    assert engine.did("docker rm") == 0


def test_a_create_waits_for_the_workers_and_labels_nothing_before(engine: Engine, up: Callable[..., bool]) -> None:
    engine.heartbeats = False
    with pytest.raises(ProviderError, match="observability-stack-worker2 has not reported"):
        up()
    assert engine.did("touch") == 0


# --- stopped ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stopped", [["worker"], ["control-plane"], ["control-plane", "worker", "worker2"]])
def test_a_stopped_cluster_goes_on_with_its_data(engine: Engine, up: Callable[..., bool], said: list[str], stopped: list[str]) -> None:
    up()
    before = dict(engine.containers)
    names = sorted(f"observability-stack-{name}" for name in stopped)
    for name in names:
        engine.containers[name].running = False
    assert up()
    assert said == [f"kind: starting {', '.join(names)}, with the data that is there"]
    assert all(engine.containers[name] is node and node.running for name, node in before.items())
    assert engine.did("docker rm") == 0
    assert not up()


def test_what_a_node_said_before_it_was_stopped_does_not_count(engine: Engine, up: Callable[..., bool]) -> None:
    up()
    engine.containers["observability-stack-worker"].running = False
    engine.heartbeats = False
    with pytest.raises(ProviderError, match="observability-stack-worker has not reported since it was started"):
        up()


@pytest.mark.parametrize("broken", ["docker start", "kubectl"])
def test_a_completed_cluster_that_does_not_start_is_an_error_and_not_deleted(engine: Engine, up: Callable[..., bool], broken: str) -> None:
    up()
    engine.containers["observability-stack-control-plane"].running = False
    engine.fails = broken
    with pytest.raises(ProviderError):
        up()
    assert engine.did("docker rm") == 0


def test_a_node_that_somebody_removed_is_an_error_and_the_others_keep_their_data(engine: Engine, up: Callable[..., bool]) -> None:
    up()
    del engine.containers["observability-stack-worker2"]
    with pytest.raises(ProviderError, match="has 2 of its 3 nodes"):
        up()
    assert engine.did("docker rm") == 0


# --- the sample application -------------------------------------------------------------------------------------------


def test_a_failed_build_is_repeated(engine: Engine, up: Callable[..., bool]) -> None:
    engine.fails = "docker build"
    with pytest.raises(ProviderError, match="docker build"):
        up()
    with pytest.raises(ProviderError, match="docker build"):
        up()
    engine.fails = ""
    assert up()
    assert all(SAMPLE in node.images for node in engine.containers.values())
    # The cluster was complete all the time.
    assert engine.did("kind create") == 1


def test_only_a_node_that_lacks_the_image_gets_it(engine: Engine, up: Callable[..., bool], said: list[str]) -> None:
    up()
    engine.containers["observability-stack-worker"].images.clear()
    assert up()
    assert said == [f"kind: loading {SAMPLE} onto observability-stack-worker"]
    assert engine.did("docker build") == 1


def test_a_changed_source_is_built_and_loaded(
    engine: Engine, up: Callable[..., bool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    up()
    (tmp_path / "main.go").write_text("package main\n")
    monkeypatch.setattr(kind, "SAMPLE_APPLICATION", tmp_path)
    assert up()
    assert engine.did("docker build") == 2
    assert not up()


def test_the_image_is_built_without_attestations(engine: Engine, up: Callable[..., bool]) -> None:
    up()
    assert engine.environment == {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}


def test_loading_what_is_no_component_is_an_error(engine: Engine) -> None:
    with pytest.raises(ProviderError, match=r"versions.yml has no component 'nonsense'; it has: prometheus, "):
        Kind(print, Settings.read({})).load_image("nonsense")
    assert engine.log == []


def test_an_image_that_the_engine_has_is_put_on_the_nodes(engine: Engine, up: Callable[..., bool], said: list[str]) -> None:
    up()
    provider = Kind(said.append, Settings.read({}))
    provider.load_image("prometheus")
    assert said[-1].endswith("the nodes pull it themselves")
    reference = images.versions()["prometheus"]
    engine.images[reference] = "sha256:1"
    provider.load_image("prometheus")
    assert all(reference in node.images for node in engine.containers.values())


# --- settings ---------------------------------------------------------------------------------------------------------


def test_kubelets_start_on_cgroup_v1(engine: Engine, up: Callable[..., bool]) -> None:
    engine.cgroups = "1"
    up()
    assert [yaml.safe_load(patch) for patch in engine.configuration["kubeadmConfigPatches"]] == [
        {"kind": "KubeletConfiguration", "failCgroupV1": False}
    ]


def test_kubelets_are_left_alone_on_cgroup_v2(engine: Engine, up: Callable[..., bool]) -> None:
    up()
    assert engine.configuration["kubeadmConfigPatches"] == []


def test_name_ports_and_node_image_can_be_set(engine: Engine, up: Callable[..., bool]) -> None:
    mine = {
        "KIND_CLUSTER_NAME": "mine",
        "KIND_NODE_IMAGE": "registry.example.org/node:v1.36.3",
        "KIND_HTTP_PORT": "9080",
        "KIND_HTTPS_PORT": "9443",
    }
    engine.images.clear()
    up(**mine)
    assert engine.did("docker pull --quiet registry.example.org/node:v1.36.3") == 1
    assert {node["image"] for node in engine.configuration["nodes"]} == {"registry.example.org/node:v1.36.3"}
    assert set(engine.containers) == {"mine-control-plane", "mine-worker", "mine-worker2"}
    provider = Kind(print, Settings.read(mine))
    assert provider.access().context == "kind-mine"
    assert provider.variables()["verify_ingress_address"] == "127.0.0.1:9443"
    assert provider.variables()["verify_ingress_http_address"] == "127.0.0.1:9080"
    with pytest.raises(ProviderError, match=r"ports 9080, 9443, and .* ask for 8080, 8443"):
        up(KIND_CLUSTER_NAME="mine")


def test_everything_wrong_in_the_settings_is_said_at_once() -> None:
    with pytest.raises(ProviderError) as caught:
        Settings.read({"KIND_CLUSTER_NAME": "My Cluster", "KIND_HTTP_PORT": "http", "KIND_HTTPS_PORT": "70000"})
    for words in ("KIND_CLUSTER_NAME is 'My Cluster'", "KIND_HTTP_PORT is 'http'", "KIND_HTTPS_PORT is '70000'"):
        assert words in str(caught.value)
    with pytest.raises(ProviderError, match="both 8443"):
        Settings.read({"KIND_HTTP_PORT": "8443"})


def test_a_node_image_that_cannot_be_pulled_names_the_ways_out(engine: Engine, up: Callable[..., bool]) -> None:
    engine.images.clear()
    engine.fails = "docker pull"
    with pytest.raises(ProviderError, match=r"KIND_NODE_IMAGE can name .*PROVIDER=lab"):
        up()


def test_ports_are_open_on_loopback_only_and_where_the_controller_listens() -> None:
    found = kind.configuration(Settings.read({}))
    ports = [port for node in found["nodes"] for port in node.get("extraPortMappings", [])]
    assert {port["listenAddress"] for port in ports} == {"127.0.0.1"}
    assert {port["containerPort"] for port in ports} == set(Kind(print, Settings.read({})).variables()["ingress_node_ports"].values())
    assert len(found["nodes"]) == 3


# --- down and status --------------------------------------------------------------------------------------------------


def test_down_says_what_docker_keeps_and_how_to_remove_it(engine: Engine, up: Callable[..., bool], said: list[str]) -> None:
    up()
    said.clear()
    Kind(said.append, Settings.read({})).down()
    assert engine.containers == {}
    (line,) = said
    kept, commands = line.split("; to remove that too: ")
    assert kept.endswith(f"the Docker network kind, which all kind clusters share, the image {NODE_IMAGE}, the image {SAMPLE}")
    assert commands == f"docker network rm kind && docker image rm {NODE_IMAGE} && docker image rm {SAMPLE}"


def test_down_without_a_cluster_needs_nothing_and_says_nothing(engine: Engine, said: list[str]) -> None:
    engine.images.clear()
    Kind(said.append, Settings.read({})).down()
    assert said == []
    assert engine.did("kind ") == engine.did("docker pull") == 0


def test_status_tells_what_runs_what_has_stopped_and_what_was_never_completed(engine: Engine, up: Callable[..., bool]) -> None:
    provider = Kind(print, Settings.read({}))
    assert provider.status() == ["kind: the cluster is down"]
    up()
    engine.containers["observability-stack-worker"].running = False
    lines = provider.status()
    assert "observability-stack-control-plane: running" in lines
    assert "observability-stack-worker: stopped" in lines
    assert not any("never completed" in line for line in lines)
    engine.containers["observability-stack-control-plane"].files.clear()
    assert "the cluster was never completed; `up` makes it anew" in provider.status()


# --- the program itself -----------------------------------------------------------------------------------------------


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put programs, each a line of shell, alone on the PATH; every call of one is in the file that is returned."""
    directory, calls = tmp_path / "bin", tmp_path / "calls"
    directory.mkdir()
    calls.touch()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr(build, "CACHE", tmp_path / "cache")

    def put(**lines: str) -> Path:
        for name, line in lines.items():
            (directory / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{calls}\n{line}\n')
            (directory / name).chmod(0o755)
        return calls

    return put


def test_kind_of_the_right_version_is_taken_from_the_path(programs: Callable[..., Path]) -> None:
    programs(kind="echo kind v0.33.0 go1.26.8 linux/amd64")
    assert Path(kind.binary(print)).name == "kind"


def test_kind_of_another_version_is_not_taken(programs: Callable[..., Path]) -> None:
    programs(kind="echo kind v0.20.0 go1.20 linux/amd64")
    with pytest.raises(ProviderError, match=r"neither kind v0.33.0 nor Go to compile it \(the kind on the PATH is v0.20.0\)"):
        kind.binary(print)


def test_compiling_is_said(programs: Callable[..., Path], said: list[str]) -> None:
    calls = programs(kind="echo kind v0.20.0 go1.20 linux/amd64", go="exit 0")
    assert kind.binary(said.append).endswith(f"kind-{kind.VERSION}/kind")
    assert said == ["kind: compiling kind v0.33.0, once (the kind on the PATH is v0.20.0)"]
    assert "go install sigs.k8s.io/kind@v0.33.0" in calls.read_text()


def test_whether_kind_can_work_is_found_out_without_compiling_or_pulling(programs: Callable[..., Path]) -> None:
    calls = programs(docker='case "$*" in info) exit 0;; esac; exit 1', go="exit 1")
    assert kind.unusable() is None
    assert calls.read_text() == "docker info\n"


def test_without_kind_and_go_the_reason_is_said(programs: Callable[..., Path]) -> None:
    programs(docker="exit 0")
    assert kind.unusable() == "there is neither kind v0.33.0 nor Go to compile it"
