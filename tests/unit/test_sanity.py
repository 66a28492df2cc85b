"""What `make sanity` looks at, and what it leaves out."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.inventories import ROOT, load
from tools import sanity

IGNORED = load("galaxy.yml")["build_ignore"]
# One entry of a list of exceptions: file, test and, behind the `#`, why.
ENTRY = re.compile(r"^(?P<file>\S+) (?P<test>\S+) # \S.*$")


@pytest.mark.parametrize(
    "name", ["galaxy.yml", "plugins/modules/preflight.py", "roles/mimir/templates/config.yaml.j2", "tests/sanity/ignore-2.19.txt"]
)
def test_it_looks_at_the_artifact_and_its_own_settings(name: str) -> None:
    assert sanity.is_part(name, IGNORED)


@pytest.mark.parametrize(
    "name", [".yamllint", ".github/workflows/ci.yml", "tests/unit/test_sanity.py", "molecule/stack/verify.yml", "a.tar.gz"]
)
def test_it_leaves_out_what_no_artifact_holds(name: str) -> None:
    assert not sanity.is_part(name, IGNORED)


def test_settings_of_pip_come_from_its_files_and_from_the_environment() -> None:
    listed = (
        ":env:.cert='/a.pem'\nglobal.cert='/b.pem'\nglobal.index-url='https://u:p%40@index.example/simple'\ninstall.no-binary='one two'\n"
    )
    settings = sanity.pip_settings(listed)
    assert settings["global"]["cert"] == "/a.pem"
    assert settings["global"]["index-url"] == "https://u:p%40@index.example/simple"
    assert settings["install"]["no-binary"] == "one two"


def test_exceptions_are_explained_and_the_same_for_every_version() -> None:
    lists = sorted((ROOT / "tests/sanity").glob("ignore-*.txt"))
    tracked = set(subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines())
    assert len({path.read_text() for path in lists}) == 1
    for line in lists[0].read_text().splitlines():
        entry = ENTRY.match(line)
        assert entry, line
        assert entry["file"] in tracked, line
