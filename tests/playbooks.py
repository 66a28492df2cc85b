"""Runs of ansible-playbook on an inventory of one cluster, as people meet them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.inventories import ROOT


def run(
    directory: Path, playbook: Path, extra: str, *arguments: str, environment: Mapping[str, str] | None = None, **variables: Any
) -> tuple[int, str]:
    """Run a playbook with these variables of the inventory, written to `directory`, and one extra variable; return code and output."""
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (directory / "hosts.yml").write_text(yaml.safe_dump({"observability": {"hosts": {"north": host}, "vars": variables}}))
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, str(playbook), f"--inventory={directory / 'hosts.yml'}", f"--extra-vars={extra}", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "KUBECONFIG": "/nonexistent",
            "COLUMNS": "500",
            **(environment or {}),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    return done.returncode, output
