"""Runs of site.yml, as a user starts them: the inventory, and variables that grow with each change."""

from __future__ import annotations

import copy
import io
import os
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError

from tests.failover.environment import REPOSITORY

INVENTORY = "inventories/local"
# The state of release 0.1.0 before runs were made by the engine: every object is applied by a module process of its own.
PREVIOUS = "bc524aea32689704abcfdad759172b609ed49ffb"


class Site:
    """The inventory with its changes. `given`: files of extra variables. `directory`: for the variables and the output of each run."""

    def __init__(self, given: Sequence[Path], directory: Path, variables: Mapping[str, Any]) -> None:
        self.directory = directory
        self._given = [path.resolve() for path in given]
        self.variables = dict(variables)
        directory.mkdir(parents=True, exist_ok=True)

    def change(self, changes: Mapping[str, Any]) -> None:
        """Lay changes over the variables: mappings are merged, everything else is replaced."""
        self.variables = laid_over(self.variables, changes)

    def run(
        self, name: str, verify: bool = False, checkout: Path = REPOSITORY, playbook: str = "site.yml", extra: Sequence[str] = ()
    ) -> None:
        """Run a playbook of a checkout. Raises ClusterError with the end of its output when it fails."""
        variables = self.directory / f"{name}.yml"
        variables.write_text(yaml.safe_dump(self.variables, sort_keys=False), encoding="utf-8")
        command = ["ansible-playbook", playbook, "-i", INVENTORY]
        for path in (*self._given, variables.resolve()):
            command += ["-e", f"@{path}"]
        command += [*(() if verify else ("--skip-tags", "verify")), *extra]
        log = self.directory / f"{name}.log"
        with log.open("w", encoding="utf-8") as output:
            done = subprocess.run(command, cwd=checkout, stdout=output, stderr=subprocess.STDOUT, check=False, env=_environment(checkout))
        if done.returncode:
            end = log.read_text(encoding="utf-8").splitlines()[-30:]
            raise ClusterError("\n".join([f"{playbook} ({name}) failed; all of its output is in {log}", *end]))


def _environment(checkout: Path) -> dict[str, str]:
    """Return the environment of a run: its own ansible.cfg counts, whatever the caller's environment names."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    return {**kept, "ANSIBLE_CONFIG": str(checkout / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"}


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return mappings merged, keys of `above` first."""
    found = copy.deepcopy(dict(below))
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = laid_over(found[key], value) if both else copy.deepcopy(value)
    return found


def checkout(ref: str, directory: Path) -> Path:
    """Write the files of a revision of this repository into a directory. Raises ClusterError when the repository does not have it."""
    archived = subprocess.run(["git", "archive", ref], cwd=REPOSITORY, capture_output=True, check=False)
    if archived.returncode:
        reason = archived.stderr.decode(errors="replace").strip()
        raise ClusterError(f"the previous release cannot be taken from this repository: {reason} (--previous names its revision)")
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as tar:
        tar.extractall(directory, filter="tar")
    return directory
