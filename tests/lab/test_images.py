"""What an image of the lab is made of."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tools.lab import build, images


@pytest.fixture
def image(tmp_path: Path) -> images.Image:
    program, page = tmp_path / "program", tmp_path / "page.html"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    page.write_text("hello")
    page.chmod(0o600)
    files = {"/usr/bin/program": program, "/usr/share/page.html": page}
    return images.Image(
        "it",
        "registry.example/it:v1",
        files,
        ("/usr/bin/program",),
        user="nobody",
        label=images.SUBSTITUTE,
        directory="/data",
        directories={"/data/deep": "10001:0 0775", "/usr/share": "101:7 0750"},
        capabilities={"/usr/bin/program": "cap_net_bind_service=ep"},
        users={"nobody": 65534},
        scripts={"/run.sh": "#!/bin/sh\n"},
    )


@pytest.fixture
def archive(image: images.Image, tmp_path: Path) -> Iterator[tarfile.TarFile]:
    images.write_archive(image, tmp_path / "it.tar")
    with tarfile.open(tmp_path / "it.tar") as tar:
        yield tar


def content(tar: tarfile.TarFile, name: str) -> bytes:
    stream = tar.extractfile(name)
    assert stream
    return stream.read()


@pytest.fixture
def layer(archive: tarfile.TarFile) -> Iterator[tarfile.TarFile]:
    with tarfile.open(fileobj=io.BytesIO(content(archive, json.loads(content(archive, "manifest.json"))[0]["Layers"][0]))) as tar:
        yield tar


def test_the_manifest_names_the_reference_one_layer_and_the_configuration(archive: tarfile.TarFile) -> None:
    [manifest] = json.loads(content(archive, "manifest.json"))
    assert manifest["RepoTags"] == ["registry.example/it:v1"]
    config = content(archive, manifest["Config"])
    assert manifest["Config"] == f"{hashlib.sha256(config).hexdigest()}.json"
    [layer] = manifest["Layers"]
    assert json.loads(config)["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(gzip.decompress(content(archive, layer))).hexdigest()}"]


def test_the_configuration_says_how_to_run_it_and_what_it_is(archive: tarfile.TarFile) -> None:
    [manifest] = json.loads(content(archive, "manifest.json"))
    config = json.loads(content(archive, manifest["Config"]))["config"]
    assert config == {
        "Entrypoint": ["/usr/bin/program"],
        "User": "nobody",
        "Labels": {images.LABEL: "substitute"},
        "WorkingDir": "/data",
    }


def test_programs_can_be_run_and_files_be_read_by_everyone(layer: tarfile.TarFile) -> None:
    assert layer.getmember("usr/bin/program").mode == 0o755
    assert layer.getmember("usr/share/page.html").mode == 0o644
    assert layer.getmember("run.sh").mode == 0o755


def test_every_directory_comes_before_what_is_in_it(layer: tarfile.TarFile) -> None:
    seen: set[str] = set()
    for member in layer:
        parent = member.name.rpartition("/")[0]
        assert not parent or parent in seen, member.name
        if member.isdir():
            seen.add(member.name)


def test_directories_have_their_owner_and_mode_and_so_has_what_is_in_them(layer: tarfile.TarFile) -> None:
    members = {member.name: (member.uid, member.gid, member.mode) for member in layer}
    assert members["data/deep"] == (10001, 0, 0o775)
    assert members["usr/share"] == (101, 7, 0o750)
    assert members["usr/share/page.html"] == (101, 7, 0o644)
    assert members["data"] == (0, 0, 0o755)


def test_nothing_is_writable_but_what_the_table_says(layer: tarfile.TarFile) -> None:
    assert {member.name for member in layer if member.uid or member.mode & 0o022} == {"data/deep", "usr/share", "usr/share/page.html"}
    assert "tmp" not in layer.getnames()


def test_a_user_by_name_has_a_number(layer: tarfile.TarFile) -> None:
    assert content(layer, "etc/passwd").decode().startswith("nobody:x:65534:")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cap_net_bind_service=ep", "0100000200040000000000000000000000000000"),
        ("cap_net_bind_service=eip", "0100000200040000000400000000000000000000"),
        ("cap_net_bind_service=p", "0000000200040000000000000000000000000000"),
    ],
)
def test_a_file_capability_is_what_the_kernel_reads(text: str, value: str) -> None:
    assert images.file_capability(text).hex() == value


def test_a_file_capability_is_in_the_record_where_container_engines_look_for_it(layer: tarfile.TarFile) -> None:
    records = {member.name: member.pax_headers for member in layer if member.pax_headers}
    value = images.file_capability("cap_net_bind_service=ep").decode()
    assert records == {"usr/bin/program": {"SCHILY.xattr.security.capability": value}}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file a capability")
def test_the_kernel_takes_the_file_capability(layer: tarfile.TarFile, tmp_path: Path) -> None:
    program = tmp_path / "unpacked"
    program.touch()
    [value] = layer.getmember("usr/bin/program").pax_headers.values()
    os.setxattr(program, "security.capability", value.encode())
    assert os.getxattr(program, "security.capability") == images.file_capability("cap_net_bind_service=ep")


def test_the_same_files_make_the_same_bytes(image: images.Image, tmp_path: Path) -> None:
    layers: set[bytes] = set()
    for name in ("a.tar", "b.tar"):
        images.write_archive(image, tmp_path / name)
        with tarfile.open(tmp_path / name) as tar:
            layers.update(content(tar, layer) for layer in json.loads(content(tar, "manifest.json"))[0]["Layers"])
    assert len(layers) == 1
    assert not list(tmp_path.glob("*.layer*"))


def test_the_lab_says_which_components_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LAB_BIN_DIR", raising=False)
    assert images.absent() == {"alloy": "no binary of alloy here", "grafana": "no binary of grafana here"}
    assert "data sources" in images.substitutes()["grafana"]
    assert "Traefik" in images.substitutes()["ingress"]
    for name in ("alloy", "grafana", "nginx-ingress"):
        (tmp_path / name).write_bytes(b"\x7fELF")
    monkeypatch.setenv("LAB_BIN_DIR", str(tmp_path))
    assert images.absent() == {}
    assert images.substitutes() == {}


def test_a_given_binary_becomes_the_image_of_that_component(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "alloy").write_bytes(b"\x7fELF")
    (tmp_path / "grafana").write_bytes(b"\x7fELF")
    page = tmp_path / "grafana.rootfs/usr/share/grafana/public/index.html"
    page.parent.mkdir(parents=True)
    page.write_text("hello")
    monkeypatch.setenv("LAB_BIN_DIR", str(tmp_path))
    found = {image.name: image for image in images.catalogue()}
    assert found["alloy"].files["/bin/alloy"] == tmp_path / "alloy"
    assert found["alloy"].label == images.REAL
    assert found["grafana"].entrypoint == ("/run.sh",)
    assert found["grafana"].files["/usr/share/grafana/public/index.html"] == page


def test_the_ingress_controllers_image_has_the_capabilities_of_the_real_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nginx-ingress").write_bytes(b"\x7fELF")
    nginx = tmp_path / "nginx-ingress.rootfs/usr/sbin/nginx"
    nginx.parent.mkdir(parents=True)
    nginx.write_bytes(b"\x7fELF")
    monkeypatch.setenv("LAB_BIN_DIR", str(tmp_path))
    [image] = [image for image in images.catalogue() if image.name == "ingress"]
    images.write_archive(image, tmp_path / "it.tar")
    with tarfile.open(tmp_path / "it.tar") as tar:
        packed = io.BytesIO(content(tar, json.loads(content(tar, "manifest.json"))[0]["Layers"][0]))
    with tarfile.open(fileobj=packed) as layer:
        found = {member.name: value.encode() for member in layer for value in member.pax_headers.values()}
    assert found == {
        "nginx-ingress": images.file_capability("cap_net_bind_service=ep"),
        "usr/sbin/nginx": images.file_capability("cap_net_bind_service=eip"),
    }


def test_the_probe_needs_of_a_container_what_the_ingress_controller_needs() -> None:
    table = images.table()
    [probe] = table["capability_probe"]["capabilities"].values()
    controller = table["ingress"]
    assert (probe, table["capability_probe"]["user"]) == (controller["capabilities"][controller["entrypoint"]], controller["user"])


def test_every_image_of_versions_yml_has_its_facts_and_their_source() -> None:
    table = images.table()
    assert set(images.versions()) <= set(table)
    for name, row in table.items():
        assert {"files", "entrypoint", "user", "directory", "directories", "capabilities", "source"} <= set(row), name
        assert len(row["source"]) > 20, name
        assert ("image" in row) == (name not in images.versions()), name
        for path, capability in row["capabilities"].items():
            assert path.startswith("/"), name
            assert images.file_capability(capability), name
        # Of a number the kubelet can see that it is not root.
        assert row["user"].replace(":", "").isdigit() or row["user"] in row["users"], name


def test_an_archive_is_made_anew_when_a_fact_of_its_image_changes(
    image: images.Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build, "CACHE", tmp_path)
    first = images.archive(image)
    assert images.archive(image) == first
    assert images.archive(dataclasses.replace(image, capabilities={})) != first


# What is built from another version than versions.yml names, and why; everything else has to be equal.
OTHER_VERSIONS = {"mimir": "no release of 3.x can be had as a Go module"}


def test_the_lab_builds_the_versions_that_the_collection_installs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_BIN_DIR", raising=False)
    assert set(images.other_versions()) == set(OTHER_VERSIONS)
    # Those are the components that are built at all: of the others the lab has no binary, or a program of this repository.
    built = {
        name
        for component in build.components()
        if component.release
        for name in images.table()
        if name in images.versions() and set(images.table()[name]["files"].values()) & set(component.binaries)
    }
    assert built == {"prometheus", "mimir", "loki", "otel_collector", "object_storage"}


def test_a_release_of_prometheus_is_that_of_its_module() -> None:
    [prometheus] = [component for component in build.components() if component.name == "prometheus"]
    major, minor = prometheus.release.split(".", 1)
    assert prometheus.version == f"v0.{major}{minor}"


def test_a_name_for_the_version_builds_nothing_anew() -> None:
    for component in build.components():
        other = dataclasses.replace(component, recipe={**component.recipe, "release": "1.2.3"})
        assert other.key == component.key


def test_of_a_given_binary_the_version_is_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "alloy").write_bytes(b"\x7fELF")
    monkeypatch.setenv("LAB_BIN_DIR", str(tmp_path))
    tag = yaml.safe_load((images.REPOSITORY / "versions.yml").read_text())["alloy"]["tag"]
    assert images.other_versions()["alloy"] == f"a binary from LAB_BIN_DIR of unknown version, for {tag}"


def test_a_dynamic_binary_brings_its_libraries() -> None:
    assert any("libc.so" in path for path in images.libraries(Path("/bin/sh").resolve()))
