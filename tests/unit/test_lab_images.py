"""What an image of the lab is made of."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import images


@pytest.fixture
def image(tmp_path: Path) -> images.Image:
    program, page = tmp_path / "program", tmp_path / "page.html"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    page.write_text("hello")
    page.chmod(0o600)
    files = {"/usr/bin/program": program, "/usr/share/page.html": page}
    return images.Image(
        "it", "registry.example/it:v1", files, ("/usr/bin/program",), 10001, images.STAND_IN, ("/data/deep",), {"/run.sh": "#!/bin/sh\n"}
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
    assert config == {"Entrypoint": ["/usr/bin/program"], "User": "10001", "Labels": {images.LABEL: "stand-in"}, "WorkingDir": "/"}


def test_programs_can_be_run_and_files_be_read_by_everyone(layer: tarfile.TarFile) -> None:
    assert layer.getmember("usr/bin/program").mode == 0o755
    assert layer.getmember("usr/share/page.html").mode == 0o644
    assert layer.getmember("run.sh").mode == 0o755


def test_every_folder_comes_before_what_is_in_it(layer: tarfile.TarFile) -> None:
    seen: set[str] = set()
    for member in layer:
        parent = member.name.rpartition("/")[0]
        assert not parent or parent in seen, member.name
        if member.isdir():
            seen.add(member.name)


def test_folders_of_the_user_are_the_users_and_tmp_is_everyones(layer: tarfile.TarFile) -> None:
    assert (layer.getmember("data/deep").uid, layer.getmember("data").uid) == (10001, 0)
    assert layer.getmember("tmp").mode == 0o1777


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
    assert "stand-in" in images.stand_ins()["grafana"]
    for name in ("alloy", "grafana"):
        (tmp_path / name).write_bytes(b"\x7fELF")
    monkeypatch.setenv("LAB_BIN_DIR", str(tmp_path))
    assert images.absent() == {}
    assert "grafana" not in images.stand_ins()


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


def test_a_dynamic_binary_brings_its_libraries() -> None:
    assert any("libc.so" in path for path in images.libraries(Path("/bin/sh").resolve()))
