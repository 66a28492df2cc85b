"""`ansible-test sanity` on what a built collection holds: the files of the repository without `build_ignore` of galaxy.yml.

ansible-test wants a directory `ansible_collections/observability/stack`: a temporary copy. What it installs stays in the cache, in a home
directory of its own, for the next run.
"""

from __future__ import annotations

import argparse
import ast
import configparser
import os
import shutil
import subprocess
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import yaml
from ansible_test._internal.python_requirements import get_venv_packages

REPOSITORY = Path(__file__).resolve().parents[1]
HOME = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "observability-stack" / "sanity"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# Not part of the artifact: the settings of ansible-test.
SETTINGS = ("tests/config.yml", "tests/sanity/*")
# ansible-test downloads `get-pip.py` from a host that many networks do not reach. The pip that comes with Python does the same.
GET_PIP = """\
import subprocess
import sys

options = [option for option in sys.argv[1:] if option not in ("--no-setuptools", "--no-wheel")]
for command in (["ensurepip"], ["pip", "install", "--quiet", *options]):
    subprocess.run([sys.executable, "-m", *command], check=True)
"""


def is_part(name: str, ignored: list[str]) -> bool:
    """Return whether a file (its path in the repository) is looked at; `ignored` are patterns of files and directories."""
    path = PurePosixPath(name)
    places = [str(place) for place in (path, *path.parents)][:-1]
    left_out = any(fnmatch(place, pattern) for place in places for pattern in ignored)
    return not left_out or any(fnmatch(name, pattern) for pattern in SETTINGS)


def copy_collection(target: Path) -> None:
    """Copy the files that git has, and those that it would take, below `target`."""
    ignored = yaml.safe_load((REPOSITORY / "galaxy.yml").read_text())["build_ignore"]
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if is_part(name, ignored) and (REPOSITORY / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, target / name, follow_symlinks=False)


def pip_settings(listed: str) -> configparser.RawConfigParser:
    """Return what `pip config list` prints as one configuration file; variables of the environment win, as they do in pip."""
    settings = configparser.RawConfigParser()
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        key, value = line.split("=", maxsplit=1)
        section, option = key.replace(":env:", "global").split(".", maxsplit=1)
        settings.read_dict({section: {option: str(ast.literal_eval(value))}})
    return settings


def prepare_home() -> None:
    """Write the script that installs pip, and the settings of pip: ansible-test does not pass its environment variables on."""
    version = get_venv_packages(SimpleNamespace(version=PYTHON))["pip"]
    script = HOME / f".ansible/test/cache/get_pip_{version.replace('.', '_')}.py"
    settings = HOME / ".config/pip/pip.conf"
    for path in (script, settings):
        path.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(GET_PIP)
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True).stdout
    # An index may be named with a password.
    settings.touch(mode=0o600)
    with settings.open("w") as file:
        pip_settings(listed).write(file)


def main() -> int:
    """Run the tests that are named, or all of them, and return the exit code of ansible-test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("test", nargs="*", help="only these, as `ansible-test sanity --list-tests` names them")
    tests = parser.parse_args().test
    prepare_home()
    with tempfile.TemporaryDirectory(prefix="sanity-") as directory:
        collection = Path(directory) / "ansible_collections/observability/stack"
        copy_collection(collection)
        command = ["ansible-test", "sanity", "--python", PYTHON, *(f"--test={test}" for test in tests)]
        return subprocess.run(command, cwd=collection, env={**os.environ, "HOME": str(HOME)}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
