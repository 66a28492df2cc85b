"""The scenarios on a real cluster, each as one test, with their output on the screen while they run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("scenario", ["stack"])
def test_scenario(scenario: str, capfd: pytest.CaptureFixture[str]) -> None:
    with capfd.disabled():
        finished = subprocess.run([sys.executable, "-m", "molecule", "test", "--scenario-name", scenario], cwd=ROOT, check=False)
    assert finished.returncode == 0, f"`molecule test -s {scenario}` failed; its output is above"
