"""The credentials for an API server: those of a kubeconfig, or of the pod in which this runs."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

try:
    import yaml
    from kubernetes import client, config
except ImportError as error:
    # Modules report it; what they document has to be importable without.
    MISSING: ImportError | None = error
else:
    MISSING = None

from .answer import ClusterError


def inside(kubeconfig: str, context: str) -> bool:
    """Whether the credentials are those of the pod in which this runs: nothing else is named, as kubernetes.core has it, too."""
    return not kubeconfig and not context and "KUBERNETES_SERVICE_HOST" in os.environ


def load(kubeconfig: str, context: str) -> Any:
    """Return the client's configuration; an empty `kubeconfig` or `context` means the usual one. Raises ClusterError when there is none."""
    found = client.Configuration()
    try:
        with _complaints() as complaints:
            if inside(kubeconfig, context):
                config.load_incluster_config(client_configuration=found)
            else:
                config.load_kube_config(kubeconfig or None, context or None, found, persist_config=False)
    # The client checks little of what a kubeconfig has in it.
    except (config.ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise ClusterError(_sentence(kubeconfig, context, str(error))) from error
    if complaints:
        raise ClusterError(_sentence(kubeconfig, context, "; ".join(complaints)))
    return found


def _sentence(kubeconfig: str, context: str, reason: str) -> str:
    where = f"{kubeconfig or 'the default one'}, context {context or 'the current one'}"
    return f"no usable kubeconfig ({where}): {' '.join(reason.split())}"


class _Collecting(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextlib.contextmanager
def _complaints() -> Iterator[list[str]]:
    """Yield what the client logs as errors: an exec plugin that fails is none to it, and requests would go out without credentials."""
    collecting, root = _Collecting(), logging.getLogger()
    root.addHandler(collecting)
    try:
        yield collecting.lines
    finally:
        root.removeHandler(collecting)
