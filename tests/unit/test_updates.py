"""Updates are proposed for everything that is pinned: the patterns of renovate.json find each version in the files that they are for."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.inventories import ROOT

SETTINGS: dict[str, Any] = json.loads((ROOT / "renovate.json").read_text())
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
# Where a component's `ldflags` repeat its version.
SHOWN = {"kubernetes": r"gitVersion=v(\S+)", "prometheus": r"/version\.Version=(\S+)", "loki": r"/build\.Version=(\S+)"}


def pattern(text: str) -> re.Pattern[str]:
    """Return a pattern of RE2, which Renovate uses and which cannot look around, as one of Python."""
    assert not re.search(r"\(\?<?[=!]", text), text
    return re.compile(text.replace("(?<", "(?P<"))


def file(end: str) -> str:
    """Return the path of the one tracked file with this end."""
    (name,) = [name for name in TRACKED if name == end or name.endswith(f"/{end}")]
    return name


def found(name: str) -> list[tuple[str, str]]:
    """Return package and version of every match in a file, as Renovate would."""
    text = (ROOT / name).read_text()
    matches = []
    for manager in SETTINGS["customManagers"]:
        if any(pattern(place[1:-1]).search(name) for place in manager["managerFilePatterns"]):
            for match in (match for wanted in manager["matchStrings"] for match in pattern(wanted).finditer(text)):
                groups = match.groupdict()
                matches.append((groups.get("depName") or manager["depNameTemplate"], groups["currentValue"]))
    return matches


@pytest.mark.parametrize("manager", SETTINGS["customManagers"], ids=lambda manager: manager["description"])
def test_every_pattern_has_its_file_and_matches_there(manager: dict[str, Any]) -> None:
    files = [name for name in TRACKED if any(pattern(place[1:-1]).search(name) for place in manager["managerFilePatterns"])]
    assert files
    for wanted in manager["matchStrings"]:
        assert all(pattern(wanted).search((ROOT / name).read_text()) for name in files), wanted


def test_every_image_of_a_registry_is_found() -> None:
    entries = yaml.safe_load((ROOT / "versions.yml").read_text()).values()
    pinned = [(entry["image"], entry["tag"]) for entry in entries if not entry["image"].startswith("localhost/")]
    assert sorted(found("versions.yml")) == sorted(pinned)


def test_every_module_of_the_lab_is_found_with_its_other_names() -> None:
    name = file("lab/components.yml")
    rows = yaml.safe_load((ROOT / name).read_text())
    assert set(found(name)) == {
        *((row["module"], row["version"]) for row in rows.values() if "module" in row),
        ("k8s.io/api", rows["kubernetes"]["staging_version"]),
        ("prometheus/prometheus", rows["prometheus"]["release"]),
        ("grafana/loki", rows["loki"]["version"].removeprefix("v")),
    }


def test_every_module_of_the_measurements_is_found_and_helm_shows_its_version() -> None:
    name = file("bench/components.yml")
    rows = yaml.safe_load((ROOT / name).read_text())
    assert set(found(name)) == {(row["module"], row["version"]) for row in rows.values()}
    assert rows["helm"]["ldflags"].rpartition("=")[2] == rows["helm"]["version"]


@pytest.mark.parametrize("component", SHOWN)
def test_a_program_of_the_lab_shows_the_version_that_it_is_built_from(component: str) -> None:
    row = yaml.safe_load((ROOT / file("lab/components.yml")).read_text())[component]
    assert re.findall(SHOWN[component], row["ldflags"]) == [row.get("release") or row["version"].removeprefix("v")]


def test_kubernetes_shows_the_minor_version_that_it_is_built_from() -> None:
    row = yaml.safe_load((ROOT / file("lab/components.yml")).read_text())["kubernetes"]
    assert re.findall(r"gitM(?:aj|in)or=(\d+)", row["ldflags"]) == row["version"].removeprefix("v").split(".")[:2]


def test_every_module_of_the_collector_is_found() -> None:
    name = file("lab/otelcol/manifest.yaml")
    manifest = yaml.safe_load((ROOT / name).read_text())
    modules = [tuple(item["gomod"].split(" ")) for items in manifest.values() if isinstance(items, list) for item in items]
    own = ("go.opentelemetry.io/collector/cmd/builder", manifest["dist"]["version"])
    assert sorted(found(name)) == sorted([*modules, own])


def test_kind_and_its_node_image_are_found() -> None:
    assert [package for package, _version in found(file("lab/kind.py"))] == ["kubernetes-sigs/kind", "kindest/node"]


def test_the_versions_of_ansible_in_ci_are_found() -> None:
    name = ".github/workflows/ci.yml"
    rows = yaml.safe_load((ROOT / name).read_text())["jobs"]["unit"]["strategy"]["matrix"]["include"]
    assert found(name) == [(package, row[package]) for row in rows for package in ("ansible", "ansible-core")]


def test_a_manager_is_enabled_for_every_kind_of_file_with_versions() -> None:
    files = {
        "ansible-galaxy": ("requirements.yml", "galaxy.yml"),
        "dockerfile": ("Dockerfile",),
        "github-actions": (".github/workflows/",),
        "gomod": ("go.mod",),
        "pip_requirements": ("requirements.txt",),
    }
    assert set(SETTINGS["enabledManagers"]) == {*files, "custom.regex"}
    for manager, ends in files.items():
        for end in ends:
            assert any(name.endswith(end) or name.startswith(end) for name in TRACKED), (manager, end)
