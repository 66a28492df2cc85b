"""What users read about changes is made of the files in changelogs/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.inventories import ROOT


def test_the_changelog_is_generated(tmp_path: Path) -> None:
    page = tmp_path / "CHANGELOG.md"
    command = [str(Path(sys.executable).with_name("antsibull-changelog")), "generate", f"--output={page}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert page.read_text() == (ROOT / "CHANGELOG.md").read_text(), "run `antsibull-changelog generate`"
