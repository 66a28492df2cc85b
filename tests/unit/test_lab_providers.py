"""Which cluster is used, and what Ansible is told about it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.lab import images, kind
from tests.lab.addresses import describe
from tests.lab.cluster import MANIFESTS
from tests.lab.interface import ProviderError
from tests.lab.providers import Existing, Lab, choose, hand_over, withdraw


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump({"contexts": [{"name": "mine"}, {"name": "production"}], "current-context": "production"}))
    return path


@pytest.fixture
def lab_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("LAB_DIR", str(tmp_path / "lab"))
    return tmp_path / "lab"


@pytest.fixture
def without_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def test_your_own_cluster_is_never_taken_by_its_current_context(kubeconfig: Path) -> None:
    with pytest.raises(ProviderError, match="KUBE_CONTEXT"):
        choose(print, {"PROVIDER": "existing", "KUBECONFIG": str(kubeconfig)})


def test_your_own_cluster_is_the_context_that_you_name(kubeconfig: Path) -> None:
    provider = choose(print, {"PROVIDER": "existing", "KUBECONFIG": f"/nowhere:{kubeconfig}", "KUBE_CONTEXT": "mine"})
    assert provider.connection().kubeconfig == kubeconfig
    assert provider.connection().context == "mine"


def test_a_context_that_is_not_there_is_refused_with_those_that_are(kubeconfig: Path) -> None:
    with pytest.raises(ProviderError, match=r"no context 'min' .* there are: mine, production"):
        Existing({"KUBECONFIG": str(kubeconfig), "KUBE_CONTEXT": "min"})


def test_images_cannot_be_loaded_into_your_own_cluster(kubeconfig: Path) -> None:
    provider = Existing({"KUBECONFIG": str(kubeconfig), "KUBE_CONTEXT": "mine"})
    with pytest.raises(ProviderError, match=r"push localhost/.*sample-application"):
        provider.load_image("sample_application")


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(ProviderError, match="existing, kind or lab"):
        choose(print, {"PROVIDER": "minikube"})


@pytest.mark.usefixtures("without_docker", "lab_folder")
def test_without_docker_the_lab_is_chosen_and_the_reason_said() -> None:
    said: list[str] = []
    assert choose(said.append, {}).name == "lab"
    assert said == ["provider lab (no Docker engine answers)"]


@pytest.mark.usefixtures("without_docker")
def test_kind_by_name_without_docker_is_an_error_and_not_another_provider() -> None:
    with pytest.raises(ProviderError, match="no Docker engine answers"):
        choose(print, {"PROVIDER": "kind"})


@pytest.mark.usefixtures("lab_folder")
def test_ansible_is_told_what_the_lab_has_and_has_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_BIN_DIR", raising=False)
    lab = Lab(print)
    build = tmp_path / "build"
    assert yaml.safe_load(hand_over(lab, build).read_text()) == {
        "observability_kubeconfig": str(build / "kubeconfig"),
        "observability_context": "lab",
        "alloy_enabled": False,
        "verify_absent": {"alloy": "no binary of alloy here", "grafana": "no binary of grafana here"},
        "verify_versions": {"mimir": "3.1.0-dev (main of 2026-04-23), for 3.2.1"},
        "ingress_nginx_install": False,
        "ingress_nginx_dialect": "community",
        "verify_ingress_address": "10.213.0.11:443",
        "observability_storage_class": "standard",
        "lab_capability_probe": "localhost/observability-stack/capability-probe:1",
    }
    assert not (build / "kubeconfig").exists()


@pytest.mark.usefixtures("lab_folder")
def test_with_its_binary_the_role_installs_the_ingress_controller_in_the_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nginx-ingress").write_bytes(b"\x7fELF")
    monkeypatch.setenv("LAB_BIN_DIR", str(tmp_path))
    found = Lab(print).variables()
    assert (found["ingress_nginx_install"], found["ingress_nginx_dialect"], found["ingress_nginx_service_type"]) == (True, "f5", "NodePort")
    ports = found["ingress_nginx_node_ports"]
    assert found["verify_ingress_address"] == f"10.213.0.11:{ports['https']}"
    assert found["verify_ingress_http_address"] == f"10.213.0.11:{ports['http']}"
    # Traefik serves the classes of the community controller, which is what its own class says.
    in_place = [item for item in yaml.safe_load_all((MANIFESTS / "ingress.yaml").read_text()) if item["kind"] == "IngressClass"]
    assert found["ingress_nginx_class"] not in {item["metadata"]["name"] for item in in_place}


def test_the_kubeconfig_is_there_as_long_as_the_lab(lab_folder: Path, tmp_path: Path) -> None:
    lab = Lab(print)
    lab_folder.mkdir()
    lab.connection().kubeconfig.write_text("apiVersion: v1\n")
    build = tmp_path / "build"
    before = hand_over(Lab(print), build).read_text()
    assert (build / "kubeconfig").stat().st_mode & 0o777 == 0o600
    withdraw(build)
    assert {path.name: path.read_text() for path in build.iterdir()} == {"provider.yml": before}


def test_your_own_kubeconfig_is_not_copied(kubeconfig: Path, tmp_path: Path) -> None:
    build = tmp_path / "build"
    path = hand_over(Existing({"KUBECONFIG": str(kubeconfig), "KUBE_CONTEXT": "mine"}), build)
    assert yaml.safe_load(path.read_text()) == {"observability_kubeconfig": str(kubeconfig), "observability_context": "mine"}
    assert [path.name for path in build.iterdir()] == ["provider.yml"]


def test_kind_opens_ports_on_loopback_only_and_where_the_controller_listens() -> None:
    ports = [port for node in kind.configuration()["nodes"] for port in node.get("extraPortMappings", [])]
    assert {port["listenAddress"] for port in ports} == {"127.0.0.1"}
    assert {port["containerPort"] for port in ports} == set(kind.Kind(print).variables()["ingress_nginx_node_ports"].values())
    assert len(kind.configuration()["nodes"]) == 3


def test_addresses_show_where_passwords_are_and_no_password() -> None:
    secrets = [("observability", "grafana-admin", {"username", "password"}), ("observability", "tls", {"tls.crt", "ca.crt"})]
    lines = describe(["grafana.example.test"], "127.0.0.1:8443", secrets, "kubectl")
    assert lines[0] == "https://grafana.example.test:8443/"
    assert "  127.0.0.1 grafana.example.test" in lines
    assert any("get secret grafana-admin" in line and ".data.password" in line for line in lines)
    lines = describe(["grafana.example.test"], "[fd00::b]:443", [], "kubectl")
    assert lines[0] == "https://grafana.example.test/"
    assert lines[-1] == "  fd00::b grafana.example.test"
    assert describe([], "", [], "kubectl") == ["no host of the stack is reachable from outside (no Ingress)"]


def test_every_component_of_the_stack_has_an_image_reference() -> None:
    assert all(":" in reference for reference in images.versions().values())
