"""The bundled object storage: Versity's S3 gateway over a directory. Its buckets are directories, made when they are mounted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..messages import wrong
from ..model import Stack
from ..object_storage import SECRET
from ..own import Own
from ..secrets import Secret

_ROOT = "/buckets"

OWN = Own(
    env=("ROOT_ACCESS_KEY*", "ROOT_SECRET_*"),
    args=("port", "health", "quiet"),
    mounts=(_ROOT, f"{_ROOT}/*"),
)


def settings(stack: Stack) -> dict[str, Any]:
    """Return `secret` (the name of the Secret with the credentials), `root`, and `mounts`, of the root and of each bucket.

    Kubernetes makes the directory of a `subPath` that does not exist, with the permissions of the volume.
    """
    buckets = sorted(stack.storage["buckets"].values()) if stack.storage else []
    mounts = [{"name": "data", "mountPath": _ROOT, "subPath": "buckets"}]
    mounts += [{"name": "data", "mountPath": f"{_ROOT}/{name}", "subPath": f"buckets/{name}"} for name in buckets]
    return {"secret": SECRET, "root": _ROOT, "mounts": mounts}


def secrets(_stack: Stack) -> list[Secret]:
    """Return the Secrets that the role creates where they are missing."""
    return [Secret(SECRET, ("access_key_id", "secret_access_key"), "the object storage of the stack, Mimir and Loki")]


def warnings(values: Mapping[str, Any]) -> Iterator[str]:
    """Return the sentence that it is not for production."""
    name = "object_storage_enabled"
    if values[name] is True:
        yield wrong(name, "", True, "it is for evaluation: one pod and one volume, and without them nothing of Mimir and Loki")
