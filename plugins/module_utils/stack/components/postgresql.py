"""The bundled PostgreSQL: one server with the database of Grafana, for evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..databases import SECRET
from ..messages import wrong
from ..model import Stack
from ..own import Own
from ..secrets import Secret

OWN = Own(
    env=("POSTGRES_*", "PGDATA"),
    volumes=("run",),
    mounts=("/var/lib/postgresql*", "/var/run/postgresql", "/tmp"),  # noqa: S108 (a path of the pod)
)


def settings(stack: Stack) -> dict[str, Any]:
    """Return `secret` (the name of the Secret with user and password) and `database` (its name)."""
    return {"secret": SECRET, "database": stack.database.get("name", "")}


def secrets(_stack: Stack) -> list[Secret]:
    """Return the Secrets that the role creates where they are missing."""
    return [Secret(SECRET, ("user", "password"), "the database of Grafana; set in the database when its volume is new")]


def warnings(values: Mapping[str, Any]) -> Iterator[str]:
    """Return the sentence that it is not for production."""
    name = "postgresql_enabled"
    if values[name] is True:
        yield wrong(name, "", True, "it is for evaluation: one pod and one volume, and without them no Grafana")
