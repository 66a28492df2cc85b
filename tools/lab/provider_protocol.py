"""What every provider of a cluster can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

# Takes a line for people about each step that is done.
Say = Callable[[str], None]


class ProviderError(Exception):
    """A provider cannot be used as asked; the message says what is missing."""


@dataclass(frozen=True)
class Access:
    """How to reach a cluster: a kubeconfig file and the name of a context in it."""

    kubeconfig: Path
    context: str


class Provider(Protocol):
    """A cluster to run the collection on."""

    name: str

    def up(self) -> bool:
        """Make the cluster run, unless it does; return whether anything had to be done."""

    def down(self) -> None:
        """Remove the cluster and everything that `up` has made, however far that came."""

    def status(self) -> list[str]:
        """Return lines for people about what runs."""

    def access(self) -> Access:
        """Return the kubeconfig and the context of the cluster."""

    def load_image(self, name: str) -> None:
        """Make the image of a component in versions.yml available to the nodes."""

    def variables(self) -> dict[str, Any]:
        """Return what an inventory has to say about this cluster, beside how to reach it."""
