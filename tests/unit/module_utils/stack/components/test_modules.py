"""What holds for the module of every component."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import components, own
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE

from tests.inventories import ROOT, load, values

DIRECTORY = ROOT / "plugins/module_utils/stack/components"


def computes(name: str) -> bool:
    """Whether a role computes the configuration of its component."""
    return f"__{name}_config" in load(f"roles/{name}/vars/main.yml")


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_module_has_settings_and_what_its_pods_own(name: str) -> None:
    module = components.module(name)
    assert callable(module.settings)
    assert isinstance(module.OWN, own.Own)
    # A configuration that people lay their own over has rules, and the other way round.
    assert hasattr(module, "CONFIGURATION") == (
        f"{name}_config" in values() and (ROOT / f"roles/{name}/vars/main.yml").exists() and computes(name)
    )
    assert hasattr(module, "kept_bytes") == hasattr(module, "KEPT_BASIS") == (f"{name}_retention" in values())


@pytest.mark.parametrize("path", [path.relative_to(DIRECTORY) for path in DIRECTORY.rglob("*.py")], ids=str)
def test_components_do_not_import_each_other(path: Path) -> None:
    tree = ast.parse((DIRECTORY / path).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    # As many levels up as the file is deep is the package of all components.
    assert not [node.module for node in imports if node.level == len(path.parts) or (node.module or "").split(".")[0] == "components"]


def test_a_module_belongs_to_a_component() -> None:
    found = {path.stem for path in DIRECTORY.iterdir() if path.stem not in ("__init__", "__pycache__")}
    assert found == set(CATALOGUE)


def test_a_name_that_is_none_is_rejected_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="'prometeus' is no component; it should be one of object_storage, postgresql, mimir, loki"):
        components.module("prometeus")
