"""The programs of the lab that come from Debian: installed when missing, without starting a service of theirs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.lab.interface import Say

# A program that the lab runs -> the package that brings it.
PROGRAMS = {
    "/usr/bin/etcd": "etcd-server",
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
POLICY = Path("/usr/sbin/policy-rc.d")
# Debian's own way to say that a package may not start its services; this text says whose file it is.
REFUSAL = "#!/bin/sh\n# Written by the lab of observability.stack while it installs packages; safe to remove.\nexit 101\n"


class PackageError(Exception):
    """Something could not be installed; the message says what, and what to do."""


def missing() -> list[str]:
    """Return the packages whose programs are not here."""
    absent = (package for program, package in PROGRAMS.items() if shutil.which(program) is None)
    return sorted(set(absent))


def install(say: Say) -> None:
    """Install what is missing with apt-get; raises PackageError when that is not possible."""
    wanted = missing()
    if not wanted:
        return
    by_hand = f"install these yourself: {' '.join(wanted)}"
    if shutil.which("apt-get") is None:
        raise PackageError(f"the lab needs Debian's packages and there is no apt-get here; {by_hand}")
    say(f"installing from Debian: {' '.join(wanted)}")
    ours = not POLICY.exists() or POLICY.read_text() == REFUSAL
    try:
        if ours:
            POLICY.write_text(REFUSAL)
            POLICY.chmod(0o755)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *wanted]):
            done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise PackageError(f"`apt-get {' '.join(command)}` failed; {by_hand}\n{done.stderr.strip()}")
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)
