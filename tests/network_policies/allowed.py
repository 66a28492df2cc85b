"""What network policies allow, computed by the program of this directory: Cyclonus, independent of everything in this repository."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from tools.lab import build

# Not in the lab's components.yml: no cluster needs it.
PROGRAM = build.Component(
    "network-policies",
    {"network-policies": "."},
    minutes=2,
    recipe={"directory": os.path.relpath(os.path.join(os.path.dirname(__file__), "program"), build.HERE)},  # noqa: PTH118, PTH120 - relpath
)


class PolicyError(Exception):
    """The program rejects its input; the message says why."""


def allowed(policies: Sequence[dict[str, Any]], pods: Sequence[dict[str, Any]], queries: Sequence[dict[str, Any]]) -> list[bool]:
    """Return for each query whether the policies allow that connection: the sender's egress and the receiver's ingress.

    `policies` are NetworkPolicy objects. A pod is {name, namespace, labels, namespaceLabels, ip, ports}; `ports` maps a name to a
    number (TCP). A query is {from, to, port, protocol}; an end is the name of a pod or {"ip": ADDRESS} for one outside the cluster.
    Raises PolicyError for input that the program rejects, BuildError when it cannot be compiled.
    """
    build.build(PROGRAM, print)
    question = json.dumps({"policies": policies, "pods": pods, "queries": queries})
    done = subprocess.run([PROGRAM.directory / "network-policies"], input=question, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PolicyError(done.stderr.strip())
    answers: list[bool] = json.loads(done.stdout)
    return answers
