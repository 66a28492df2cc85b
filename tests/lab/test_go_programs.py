"""The Go programs of this repository, tested by their own tests, with the settings with which they are built."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.lab import build

DIRECTORIES = (build.HERE / "programs", build.HERE.parent / "sample_application")


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go here")
@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda directory: directory.name)
def test_a_go_program_passes_its_own_tests(directory: Path) -> None:
    environment = {**os.environ, **build.COMPILER, "GOFLAGS": build.COMPILER["GOFLAGS"].replace("-mod=mod", "-mod=readonly")}
    done = subprocess.run(
        ["go", "test", build.GCFLAGS, "./..."], cwd=directory, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
