"""Programs that come from Debian: installed when missing, without starting a service of theirs.

`python -m tools.lab.packages` installs those of the tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.lab.provider_protocol import Say

# A program that the lab runs -> the package that brings it.
PROGRAMS = {
    "/usr/bin/containerd": "containerd",
    "/usr/bin/ctr": "containerd",
    "/usr/sbin/runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "/usr/sbin/iptables": "iptables",
    "/usr/sbin/conntrack": "conntrack",
    "ip": "iproute2",
    "mount": "mount",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}
# What the tests run beside the lab: the page of the report is looked at in a browser.
TEST_PROGRAMS = {"chromium": "chromium"}
POLICY = Path("/usr/sbin/policy-rc.d")
# Debian's own way to say that a package may not start its services; this text says whose file it is.
NO_SERVICES = "#!/bin/sh\n# Written by the lab of observability.stack while it installs packages; safe to remove.\nexit 101\n"


class PackageError(Exception):
    """Something could not be installed; the message says what, and what to do."""


def missing(programs: Mapping[str, str] = PROGRAMS) -> list[str]:
    """Return the packages of those programs (program -> package) that are not here."""
    absent = (package for program, package in programs.items() if shutil.which(program) is None)
    return sorted(set(absent))


def install(say: Say, programs: Mapping[str, str] = PROGRAMS) -> None:
    """Install what is missing of those programs with apt-get; raises PackageError when that is not possible."""
    wanted = missing(programs)
    if not wanted:
        return
    by_hand = f"install these yourself: {' '.join(wanted)}"
    if shutil.which("apt-get") is None or os.geteuid():
        raise PackageError(f"missing, and only root on Debian can have them installed from here; {by_hand}")
    say(f"installing from Debian: {' '.join(wanted)}")
    ours = not POLICY.exists() or POLICY.read_text() == NO_SERVICES
    try:
        if ours:
            POLICY.write_text(NO_SERVICES)
            POLICY.chmod(0o755)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *wanted]):
            done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise PackageError(f"`apt-get {' '.join(command)}` failed; {by_hand}\n{done.stderr.strip()}")
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)


def main() -> int:
    """Install what the tests run; without it they say what they skip."""
    try:
        install(print, TEST_PROGRAMS)
    except PackageError as error:
        print(f"some tests will be skipped: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
