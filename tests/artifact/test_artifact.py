"""The collection as its users have it: built, installed, and run from a project of their own, where nothing of the checkout is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# All that an artifact holds; `FILES.json` and `MANIFEST.json` are ansible-galaxy's.
TOP_LEVEL = {
    "CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "SECURITY.md", "changelogs", "docs", "meta", "playbooks",
    "plugins", "requirements.txt", "requirements.yml", "roles", "versions.yml",
}  # fmt: skip
# What a checkout of somebody's holds beside the repository.
PRIVATE = (
    "inventories/berlin/hosts.yml", "inventories/berlin/group_vars/vault.yml", "build/berlin/reports/verify.json", "build/kubeconfig",
    ".vault-password",
    "observability-stack-0.0.1.tar.gz", ".venv/bin/python",
)  # fmt: skip


def galaxy(*arguments: str, cwd: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-galaxy")), "collection", *arguments],
        cwd=cwd,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what is built from a checkout in which somebody works."""
    checkout, made = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("artifact")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_symlink() or (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, checkout / name, follow_symlinks=False)
    for name in PRIVATE:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("private: true\n")
    galaxy("build", f"--output-path={made}", cwd=checkout)
    (path,) = made.glob("observability-stack-*.tar.gz")
    return path


@pytest.fixture(scope="module")
def installed(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of collections with the artifact in it, which nobody may write to."""
    place = tmp_path_factory.mktemp("collections")
    galaxy("install", str(artifact), f"--collections-path={place}", "--no-deps", "--offline", cwd=place)
    for path in sorted(place.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return place


def content(place: Path) -> dict[Path, bytes]:
    """Return every file below a directory; what Python compiles is left out: root may write it, other users do not."""
    return {path: path.read_bytes() for path in place.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def test_the_artifact_holds_the_collection_and_nothing_else(artifact: Path) -> None:
    with tarfile.open(artifact) as archive:
        names = archive.getnames()
    assert {name.split("/")[0] for name in names} == TOP_LEVEL
    assert not [name for name in names if name.endswith((".pyc", ".cfg", ".tar.gz")) or "/." in name or "test" in name or "vault" in name]


def test_an_installed_collection_renders_into_the_working_directory(installed: Path, tmp_path: Path) -> None:
    before = content(installed)
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "observability_cluster_name": "{{ inventory_hostname }}",
    }
    (tmp_path / "clusters.yml").write_text(yaml.safe_dump({"observability": {"hosts": {"berlin": host, "rome": host}}}))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "observability.stack.render", "--inventory=clusters.yml"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(installed), "ANSIBLE_NOCOLOR": "1", "PWD": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("berlin", "rome"):
        rendered = tmp_path / "build" / name / "rendered"
        assert str(rendered.resolve()) in done.stdout
        assert f"observability.{name}" in (rendered / "3-backends/prometheus.yaml").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"build", "clusters.yml"}
    assert content(installed) == before
