"""What is particular to one component: what its templates need, and what of its configuration belongs to the stack.

A module has the name of its row in the catalogue, and a function `settings(stack, …)`. Components do not import each other.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from .. import catalogue


def module(name: str) -> ModuleType:
    """Return the module of a component. Raises ValueError for a name that is none; not for use in modules, which Ansible packs."""
    catalogue.component(name)
    return importlib.import_module(f"{__name__}.{name}")
