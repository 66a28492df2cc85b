"""What of a component belongs to its role, so that an inventory cannot take its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Own:
    """Names in a component's pod that are the role's own, as shell patterns: what its template sets, and what would undo the wiring."""

    env: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Configuration:
    """How the configuration of a component is shared between its role and the inventory.

    A path is written with dots, and holds for all that is below it.
    `free`: computed, but a matter of taste. `at_least`: computed from the sizing; more is harmless. `also`: not computed, but something
    else relies on its default. `instead`: which variable says it, for the paths that have one; the longest path counts. `sections`: the
    mappings at the top of the configuration file, `others`: what is there beside them; without sections the component checks that itself.
    `slips`: keys below a section; a key that is nearly one of them is a slip.
    """

    free: tuple[str, ...] = ()
    at_least: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    instead: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[str, ...] | None = None
    others: tuple[str, ...] = ()
