"""Which cluster is used, and what Ansible is given about it."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest
import yaml

import tests.failover.__main__ as failover
from tests import inventories
from tools import schemas
from tools.lab import __main__ as command_line
from tools.lab import images, kind, providers
from tools.lab.addresses import addresses, describe
from tools.lab.cluster import MANIFESTS
from tools.lab.provider_protocol import Access, Provider, ProviderError
from tools.lab.providers import (
    PROFILES,
    Existing,
    Lab,
    choose,
    forget_cluster,
    profile_variables,
    record_provider,
    recorded_provider,
    write_variables,
)  # fmt: skip


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump({"contexts": [{"name": "mine"}, {"name": "production"}], "current-context": "production"}))
    return path


@pytest.fixture
def lab_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
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
    assert provider.access().kubeconfig == kubeconfig
    assert provider.access().context == "mine"


def test_a_context_that_is_not_there_is_rejected_with_those_that_are(kubeconfig: Path) -> None:
    with pytest.raises(ProviderError, match=r"no context 'min' .* there are: mine, production"):
        Existing({"KUBECONFIG": str(kubeconfig), "KUBE_CONTEXT": "min"})


def test_images_cannot_be_loaded_into_your_own_cluster(kubeconfig: Path) -> None:
    provider = Existing({"KUBECONFIG": str(kubeconfig), "KUBE_CONTEXT": "mine"})
    with pytest.raises(ProviderError, match=r"push localhost/.*sample-application"):
        provider.load_image("sample_application")
    with pytest.raises(ProviderError, match="the image of nonsense cannot be loaded"):
        provider.load_image("nonsense")


def test_an_unknown_provider_is_rejected() -> None:
    with pytest.raises(ProviderError, match="existing, kind or lab"):
        choose(print, {"PROVIDER": "minikube"})


@pytest.mark.usefixtures("without_docker", "lab_directory")
def test_without_docker_the_lab_is_chosen_and_the_reason_said() -> None:
    said: list[str] = []
    assert choose(said.append, {}).name == "lab"
    assert said == ["provider lab (no Docker engine answers)"]


@pytest.mark.usefixtures("without_docker")
def test_kind_by_name_without_docker_is_an_error_and_not_another_provider() -> None:
    with pytest.raises(ProviderError, match="no Docker engine answers"):
        choose(print, {"PROVIDER": "kind"})


@pytest.mark.usefixtures("lab_directory")
def test_every_command_means_the_cluster_that_was_made_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "unusable", lambda: None)
    lab = choose(print, {"PROVIDER": "lab"})
    assert recorded_provider(tmp_path) == ""
    record_provider(lab, tmp_path)
    # Docker would be there; without the note this were kind.
    assert choose(print, {}, recorded_provider(tmp_path)).name == "lab"
    assert choose(print, {"PROVIDER": "kind"}, recorded_provider(tmp_path)).name == "kind"
    forget_cluster(choose(print, {"PROVIDER": "kind"}), tmp_path)
    assert recorded_provider(tmp_path) == "lab"
    forget_cluster(lab, tmp_path)
    assert recorded_provider(tmp_path) == ""


@pytest.mark.usefixtures("without_docker", "lab_directory")
@pytest.mark.parametrize("command", ["down", "status", "up", "addresses"])
def test_with_docker_off_a_kind_cluster_does_not_become_the_lab(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PROVIDER", raising=False)
    monkeypatch.setattr(command_line, "recorded_provider", lambda: "kind")
    monkeypatch.setattr("sys.argv", ["lab", command])
    assert command_line.main() == 1
    assert "is a kind cluster, and no Docker engine answers; PROVIDER=lab means the lab" in capsys.readouterr().err


def test_your_own_cluster_is_not_noted_as_made_from_here(kubeconfig: Path, tmp_path: Path) -> None:
    record_provider(Existing({"KUBECONFIG": str(kubeconfig), "KUBE_CONTEXT": "mine"}), tmp_path)
    assert recorded_provider(tmp_path) == ""


@pytest.mark.usefixtures("lab_directory")
def test_the_provider_is_given_by_name_and_never_by_its_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text(yaml.safe_dump({"contexts": [{"name": "kind-mine"}, {"name": "lab"}]}))
    given: list[str] = []

    class Given(Exception):  # noqa: N818 - ends the run where the faults would begin
        pass

    def environment(*arguments: object) -> None:
        given.append(str(arguments[2]))
        raise Given

    monkeypatch.setattr(failover, "Cluster", FakeCluster)
    monkeypatch.setattr(failover, "choose_node", lambda *_: "node")
    monkeypatch.setattr(failover, "Environment", environment)
    clusters: list[Provider] = [Existing({"KUBECONFIG": str(config), "KUBE_CONTEXT": context}) for context in ("kind-mine", "lab")]
    clusters += [Lab(print), kind.Kind(print, kind.Settings.read({}))]
    for provider in clusters:
        variables = [failover.VARIABLES[0], write_variables(provider, tmp_path / "build")]
        options = failover._parser().parse_args(["--variables", *map(str, variables)])
        with pytest.raises(Given):
            failover._run(options)
    assert given == ["existing", "existing", "lab", "kind"]


class FakeCluster:
    """A cluster of which nothing but its pods and nodes is asked, and there are none."""

    def __init__(self, *_: str) -> None: ...

    def nodes(self) -> list[object]:
        return []

    def pods(self, _: str) -> list[object]:
        return []


@pytest.mark.usefixtures("lab_directory")
def test_ansible_is_told_what_the_lab_has_and_has_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_BIN_DIR", raising=False)
    lab = Lab(print)
    build = tmp_path / "build"
    assert yaml.safe_load(write_variables(lab, build).read_text()) == {
        "cluster_provider": "lab",
        "observability_kubeconfig": str(build / "kubeconfig"),
        "observability_context": "lab",
        "alloy_enabled": False,
        "verify_absent": {"alloy": "no binary of alloy here", "grafana": "no binary of grafana here"},
        "verify_versions": {"mimir": "3.1.0-dev (main of 2026-04-23), for 3.2.1"},
        "ingress_install": False,
        "ingress_controller": "community",
        "ingress_from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-controller"}}}],
        "verify_ingress_address": "10.213.0.11:443",
        "observability_storage_class": "standard",
        "lab_capability_probe": "localhost/observability-stack/capability-probe:1",
    }
    assert not (build / "kubeconfig").exists()


@pytest.mark.parametrize("provider", ["lab", "kind"])
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_is_an_inventory_that_is_accepted(provider: str, profile: str) -> None:
    quick_start = inventories.load("inventories/local/group_vars/observability.yml")
    found = inventories.stack(**quick_start, **profile_variables(provider, {"PROFILE": profile}))
    assert found.profile == profile
    assert found.has("object_storage") == (profile == "ha")
    # The lab has no program of PostgreSQL.
    assert found.has("postgresql") == (profile == "ha" and provider != "lab")
    assert profile_variables(provider, {}) == profile_variables(provider, {"PROFILE": ""}) == {}


@pytest.mark.usefixtures("lab_directory")
def test_the_profile_is_among_the_variables_for_ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE", "ha")
    assert yaml.safe_load(write_variables(Lab(print), tmp_path).read_text())["observability_profile"] == "ha"


def test_a_profile_that_there_is_not_or_of_your_own_cluster_is_rejected() -> None:
    with pytest.raises(ProviderError, match="PROFILE is 'HA'; it can be single or ha"):
        profile_variables("lab", {"PROFILE": "HA"})
    with pytest.raises(ProviderError, match="your own cluster has the profile of its inventory"):
        profile_variables("existing", {"PROFILE": "ha"})
    assert profile_variables("existing", {"PROFILE": "single"}) == {}


@pytest.mark.usefixtures("lab_directory")
def test_with_its_binary_the_role_installs_the_ingress_controller_in_the_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nginx-ingress").write_bytes(b"\x7fELF")
    monkeypatch.setenv("LAB_BIN_DIR", str(tmp_path))
    found = Lab(print).variables()
    assert (found["ingress_install"], found["ingress_controller"], found["ingress_service_type"]) == (True, "f5", "NodePort")
    ports = found["ingress_node_ports"]
    assert found["verify_ingress_address"] == f"10.213.0.11:{ports['https']}"
    assert found["verify_ingress_http_address"] == f"10.213.0.11:{ports['http']}"
    # Traefik serves the classes of the community controller, which is what its own class says.
    in_place = [item for item in yaml.safe_load_all((MANIFESTS / "ingress.yaml").read_text()) if item["kind"] == "IngressClass"]
    assert found["ingress_class"] not in {item["metadata"]["name"] for item in in_place}


def test_the_kubeconfig_is_there_as_long_as_the_lab(lab_directory: Path, tmp_path: Path) -> None:
    lab = Lab(print)
    lab_directory.mkdir()
    lab.access().kubeconfig.write_text("apiVersion: v1\n")
    build = tmp_path / "build"
    before = write_variables(Lab(print), build).read_text()
    assert (build / "kubeconfig").stat().st_mode & 0o777 == 0o600
    forget_cluster(lab, build)
    assert {path.name: path.read_text() for path in build.iterdir()} == {"provider.yml": before}


def test_your_own_kubeconfig_is_not_copied(kubeconfig: Path, tmp_path: Path) -> None:
    build = tmp_path / "build"
    path = write_variables(Existing({"KUBECONFIG": str(kubeconfig), "KUBE_CONTEXT": "mine"}), build)
    assert yaml.safe_load(path.read_text()) == {
        "cluster_provider": "existing",
        "observability_kubeconfig": str(kubeconfig),
        "observability_context": "mine",
    }
    assert [path.name for path in build.iterdir()] == ["provider.yml"]


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


class At(Existing):
    """A cluster of your own at a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self._access = Access(kubeconfig, "mine")


def test_addresses_without_a_cluster_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match=r"there is no kubeconfig .*gone, and so no cluster; `make up` makes one"):
        addresses(At(tmp_path / "gone"))


def test_addresses_of_a_cluster_that_does_not_answer_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "contexts": []}))
    with pytest.raises(ProviderError, match=r"the context mine of .* cannot be used"):
        addresses(At(path))
    entry = {"name": "mine", "cluster": {"server": "https://127.0.0.1:9"}}
    context = {"name": "mine", "context": {"cluster": "mine", "user": "mine"}}
    users = [{"name": "mine", "user": {"token": "none"}}]
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "clusters": [entry], "contexts": [context], "users": users}))
    with pytest.raises(ProviderError, match=r"does not answer; does it run\?"):
        addresses(At(path))


def test_schemas_are_those_of_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KIND_NODE_IMAGE", raising=False)
    lab, of_kind = schemas.versions("lab"), schemas.versions("kind")
    assert lab == ["1.36"]
    assert of_kind == ["1.37"]
    assert kind.NODE_IMAGE.startswith(f"kindest/node:v{of_kind[0]}.")
    # Of your own cluster the version is not known before it is asked.
    assert schemas.versions("existing") == schemas.versions() == [*lab, *of_kind]
    # A version that the validator does not have would silently be another.
    assert set(schemas.versions()) <= {kubernetes_validate.utils.major_minor(have) for have in kubernetes_validate.utils.all_versions()}
    monkeypatch.setenv("KIND_NODE_IMAGE", "registry.example.org:5000/node:v1.34.2@sha256:0")
    assert schemas.versions("kind") == ["1.34"]
    monkeypatch.setenv("KIND_NODE_IMAGE", "registry.example.org:5000/node:mine")
    assert schemas.versions("kind") == schemas.versions()


def test_an_object_is_checked_for_each_version(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\nmisspelt: 1\n")
    count, found = schemas.problems(tmp_path, ["1.36", "1.37"])
    assert count == len(found) == 1
    assert "misspelt" in found[0]


def test_every_component_of_the_stack_has_an_image_reference() -> None:
    assert all(":" in reference for reference in images.versions().values())
