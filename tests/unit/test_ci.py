"""CI runs what the Makefile offers, with every version of ansible-core that the collection is tested for."""

from __future__ import annotations

import re
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from tests.inventories import ROOT, load

WORKFLOW: dict[Any, Any] = load(".github/workflows/ci.yml")
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
VERSIONS = JOBS["unit"]["strategy"]["matrix"]["include"]


# Targets that take too long for `make test`.
LONG = ("failover", "test-roll-outs")


def commands(job: str) -> list[str]:
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


@pytest.mark.parametrize("job", JOBS)
def test_a_job_runs_a_target_of_the_makefile(job: str) -> None:
    (command,) = commands(job)
    program, target = command.split()
    assert program == "make"
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_jobs_together_run_everything_that_make_test_runs() -> None:
    recipe = re.search(r"^test: (.*?) ##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    targets = {command.removeprefix("make ") for job in JOBS for command in commands(job)}
    assert targets == {*recipe[1].split(), "test-quick", "test-artifact", "test-cluster", *LONG}


def test_every_directory_of_tests_belongs_to_a_job() -> None:
    makefile = (ROOT / "Makefile").read_text()
    run = {name for line in re.findall(r"^\tpytest (.+)$", makefile, re.MULTILINE) for name in line.split()}
    listed = re.search(r"^testpaths = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert listed
    assert run == {*re.findall(r'"([^"]+)"', listed[1]), "tests/roll_outs"}


def test_the_versions_of_ansible_core_are_allowed_and_the_pinned_one_is_among_them() -> None:
    allowed = SpecifierSet(load("meta/runtime.yml")["requires_ansible"])
    assert all(allowed.contains(row["ansible-core"]) for row in VERSIONS)
    pinned = dict(line.split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line)
    assert {pinned["ansible"]: pinned["ansible-core"]}.items() <= {row["ansible"]: row["ansible-core"] for row in VERSIONS}.items()
    assert JOBS["sanity"]["strategy"] == JOBS["unit"]["strategy"]


def test_ansible_test_has_a_list_of_exceptions_for_each_of_them() -> None:
    wanted = {f"ignore-{row['ansible-core'].rpartition('.')[0]}.txt" for row in VERSIONS}
    assert {path.name for path in (ROOT / "tests/sanity").iterdir()} == wanted


def test_no_job_may_write_to_the_repository() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not [job for job in JOBS.values() if "permissions" in job]
