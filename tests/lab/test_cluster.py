"""Parts of the lab that need no cluster: certificates, manifests, volumes, settings of the machines."""

from __future__ import annotations

import string
import types
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from tools.lab import build, control_plane, images, network, node, packages, volumes
from tools.lab.certificates import Authority
from tools.lab.cluster import ADD_ONS, FIRST, MANIFESTS, AddOn, Cluster, LabError


def test_a_certificate_is_signed_by_the_authority_and_says_who_and_where(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("node-1", "system:node:node-1", ["system:nodes"], hosts=["node-1", "10.213.0.11"])
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.pair.certificate.read_bytes()))
    assert certificate.subject.rfc4514_string() == "CN=system:node:node-1,O=system:nodes"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["node-1"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.213.0.11"]


def test_private_keys_are_private_and_nothing_is_issued_twice(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("admin", "kubernetes-admin")
    before = pair.certificate.read_bytes()
    assert Authority(tmp_path).issue("admin", "kubernetes-admin").certificate.read_bytes() == before
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*.key")} == {0o600}


def test_a_certificate_whose_issue_was_cut_short_is_made_again(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("admin", "kubernetes-admin")
    pair.certificate.rename(tmp_path / "admin.crt.draft")
    assert Authority(tmp_path).issue("admin", "kubernetes-admin").certificate.exists()


@pytest.mark.parametrize("add_on", ADD_ONS, ids=lambda add_on: add_on.manifest)
def test_a_manifest_needs_nothing_but_its_image_and_holds_the_workload_that_is_waited_for(add_on: AddOn) -> None:
    names = {"dns_service": network.DNS_SERVICE, **({add_on.image: "registry.example/it:v1"} if add_on.image else {})}
    text = string.Template((MANIFESTS / add_on.manifest).read_text()).substitute(names)
    objects = {(item["kind"].lower(), item["metadata"].get("namespace"), item["metadata"]["name"]) for item in yaml.safe_load_all(text)}
    if add_on.workload:
        kind, name = add_on.workload.split("/")
        assert (kind, add_on.namespace, name) in objects


def test_the_storage_class_names_the_provisioner() -> None:
    documents = list(yaml.safe_load_all((MANIFESTS / "base.yaml").read_text()))
    assert [item["provisioner"] for item in documents if item["kind"] == "StorageClass"] == [volumes.NAME]
    assert [item["allowVolumeExpansion"] for item in documents if item["kind"] == "StorageClass"] == [True]


def test_a_volume_belongs_to_its_claim_and_to_the_node_that_was_chosen() -> None:
    claim = types.SimpleNamespace(
        metadata=types.SimpleNamespace(name="data-loki-0", namespace="observability", uid="1234"),
        spec=types.SimpleNamespace(access_modes=["ReadWriteOnce"], storage_class_name="standard"),
    )
    made = volumes.volume(claim, "node-2", "2Gi")
    [term] = made["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-2"]}]
    assert made["spec"]["claimRef"]["uid"] == "1234"
    # The provisioner's view of the directory, from the host, is the node's /var.
    assert Path("/", volumes.ON_HOST) == volumes.ON_NODE


def test_no_two_nodes_share_a_control_group_or_pod_addresses() -> None:
    nodes = network.plan(3).nodes
    assert len({node._kubelet(address)["cgroupRoot"] for address in nodes}) == 3
    subnets = {node._cni(address)["plugins"][0]["ipam"]["ranges"][0][0]["subnet"] for address in nodes}
    assert subnets == {address.pods[0] for address in nodes}


def test_a_directory_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(LabError, match=r"left alone|needs root"):
        Cluster(print, tmp_path).down()
    assert (tmp_path / "thesis.txt").exists()


def test_a_lab_keeps_its_number_of_nodes(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text('{"name": "obslab", "nodes": 3, "subnet": "10.213.0.0/24"}')
    assert len(Cluster(print, tmp_path).plan.nodes) == 3
    with pytest.raises(LabError, match=r"3 nodes and LAB_NODES asks for 1|needs root"):
        Cluster(print, tmp_path, nodes=1).up()


def test_a_lab_does_not_take_the_directory_of_another_one(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text('{"name": "other", "nodes": 3, "subnet": "10.213.0.0/24"}')
    with pytest.raises(LabError, match="belongs to the lab other"):
        Cluster(print, tmp_path)


@pytest.fixture
def brain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, list[str]]:
    monkeypatch.setattr(build, "binary", lambda name: Path("/cache", name))
    return dict(control_plane.control_plane(tmp_path, network.plan(1)).services)


def test_etcd_is_the_one_that_is_built_and_the_api_server_runs_with_its_own_defaults(brain: dict[str, list[str]]) -> None:
    assert brain["etcd"][0] == "/cache/etcd"
    assert not any(argument.startswith("--feature-gates") for argument in brain["kube-apiserver"])
    assert "etcd-server" not in packages.PROGRAMS.values()


def test_what_the_cluster_cannot_start_without_is_built_first() -> None:
    names = [component.name for component in build.components()]
    assert set(names[: len(FIRST) + 1]) >= set(FIRST)


def test_status_says_what_runs_in_another_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text('{"name": "obslab", "nodes": 1, "subnet": "10.213.0.0/24"}')
    monkeypatch.setattr(build, "binary", lambda name: Path("/nowhere", name))
    monkeypatch.setattr(Cluster, "_ready_nodes", lambda _: set())
    monkeypatch.delenv("LAB_BIN_DIR", raising=False)
    tag = images.versions()["mimir"].rpartition(":")[2]
    assert any(line.startswith("other version: mimir is 3.1.0-dev") and line.endswith(tag) for line in Cluster(print, tmp_path).status())


def test_a_program_with_a_file_capability_can_be_executed_where_the_lab_runs_it() -> None:
    documents = list(yaml.safe_load_all((MANIFESTS / "coredns.yaml").read_text().replace("$dns_service", "10.96.0.10").replace("$", "")))
    [deployment] = [item for item in documents if item["kind"] == "Deployment"]
    added = deployment["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"]["add"]
    needed = {text.partition("=")[0] for text in images.table()["coredns"]["capabilities"].values()}
    assert {f"cap_{name.lower()}" for name in added} == needed


def test_a_lab_of_another_family_is_only_taken_down(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text('{"name": "obslab", "nodes": 3, "subnet": "10.213.0.0/24", "family": "ipv6"}')
    cluster = Cluster(print, tmp_path)
    with pytest.raises(LabError, match="LAB_FAMILY=ipv6, not ipv4"):
        cluster.status()
    (tmp_path / "lab.json").write_text('{"name": "obslab", "nodes": 3, "subnet": "10.213.0.0/24"}')
    assert cluster.status()[0].startswith("control-plane")
