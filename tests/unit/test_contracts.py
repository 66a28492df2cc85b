"""What has to agree although it is written in two places, and what every part of the collection has to have."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.validation import STACK_DEFAULTS
from ansible_collections.observability.stack.plugins.plugin_utils import inventory
from packaging.specifiers import SpecifierSet

from tests.inventories import ROOT, load, roles

ROLES = roles()
FILTER_FILES = sorted(path.stem for path in (ROOT / "plugins/filter").glob("*.py") if path.stem != "__init__")
FILTERS: dict[str, Callable[..., Any]] = {}
for module in FILTER_FILES:
    FILTERS |= importlib.import_module(f"ansible_collections.observability.stack.plugins.filter.{module}").FilterModule().filters()


def tracked_files() -> list[Path]:
    """Return the files of the repository: what git has, and what it would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return [ROOT / name for name in listed if (ROOT / name).is_file() and not (ROOT / name).is_symlink()]


def ansible_doc(*arguments: str) -> dict[str, Any]:
    """Return what `ansible-doc --json` prints in this checkout."""
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--json", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# --- roles ------------------------------------------------------------------------------------------------------------


def defaults_of(role: str) -> dict[str, Any]:
    return {name: value for name, value in (load(f"roles/{role}/defaults/main.yml") or {}).items() if not name.startswith("__")}


def specs_of(role: str) -> dict[str, dict[str, Any]]:
    specs: dict[str, dict[str, Any]] = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]
    return specs


def options_of(role: str) -> dict[str, dict[str, Any]]:
    """Return the options of all entries of a role."""
    return {name: option for entry in specs_of(role).values() for name, option in entry["options"].items()}


def is_computed(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_the_skeleton_of_every_role(role: str) -> None:
    directory = ROOT / "roles" / role
    for path in ("README.md", "defaults/main.yml", "meta/argument_specs.yml", "tasks/main.yml"):
        assert (directory / path).is_file(), path
    assert {path.name for path in directory.iterdir()} <= {"README.md", "defaults", "files", "meta", "tasks", "templates", "vars"}


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_argument_specification_agree(role: str) -> None:
    defaults, options = defaults_of(role), options_of(role)
    required = {name for name, option in options.items() if option.get("required")}
    assert set(defaults) == set(options) - required
    for name, value in defaults.items():
        # What is computed from other variables is not always a value that a specification could repeat.
        accepted = (value, None, "") if is_computed(value) else (value,)
        assert options[name].get("default") in accepted, name


@pytest.mark.parametrize("role", ROLES)
def test_every_input_of_a_role_has_its_name_a_type_and_two_descriptions(role: str) -> None:
    text = (ROOT / f"roles/{role}/defaults/main.yml").read_text()
    for name, option in options_of(role).items():
        assert name.startswith(f"{role}_")
        assert option["description"]
        assert option["type"]
    for name in defaults_of(role):
        assert re.search(rf"^#.*\n{name}:", text, re.MULTILINE), f"{name} has no comment above it"


@pytest.mark.parametrize("role", [role for role in ROLES if role != "verify"])
def test_a_role_reads_no_variable_that_the_digest_of_its_inputs_leaves_out(role: str) -> None:
    """Neither one of another role nor one of the whole stack: of these it reads the model. Else a change of it would change nothing."""
    facts = {"observability_stack", "observability_inputs"}
    others = {name for name in inventory.known().names if not name.startswith(f"{role}_")} - facts
    for path in (ROOT / f"roles/{role}").rglob("*"):
        if path.suffix in (".yml", ".j2") and path.parent.name in ("tasks", "vars", "templates"):
            text = re.sub(r"#.*", "", path.read_text())
            read = {name for name in others if re.search(rf"(?<![\w.'/-]){name}(?![\w'-])", text)}
            assert not read, f"{path.relative_to(ROOT)} reads {read}"


@pytest.mark.parametrize("role", ROLES)
def test_stack_wide_variables_are_known(role: str) -> None:
    used = set(re.findall(r"\bobservability_[a-z_]+", (ROOT / f"roles/{role}/defaults/main.yml").read_text()))
    assert used - {"observability_stack"} <= set(STACK_DEFAULTS)


@pytest.mark.parametrize("component", sorted(CATALOGUE))
def test_every_component_has_a_role_and_a_switch(component: str) -> None:
    assert isinstance(defaults_of(component)[f"{component}_enabled"], bool)


# What talks to a cluster: the modules of kubernetes.core, and those of this collection with the options of the access.
TALKING = ("kubernetes.core.", *(f"observability.stack.{name}" for name in load("meta/runtime.yml")["action_groups"]["cluster"]))


@pytest.mark.parametrize("role", [role for role in ROLES if role != "verify"])
def test_a_role_changes_the_cluster_by_what_has_a_mode_and_by_nothing_else(role: str) -> None:
    for path in (ROOT / "roles" / role).rglob("*"):
        if path.is_file() and path.suffix in (".yml", ".j2"):
            found = [word for word in TALKING if re.search(rf"{re.escape(word)}\w*:", path.read_text())]
            assert not found, f"{path.relative_to(ROOT)}: {found}"


def test_the_playbooks_leave_the_cluster_to_the_roles_but_for_the_removal() -> None:
    for path in (ROOT / "playbooks").glob("*.yml"):
        found = {word for word in TALKING if word in path.read_text()}
        assert found == ({"observability.stack.remove_stack"} if path.name == "remove.yml" else set()), path.name


# --- filters ----------------------------------------------------------------------------------------------------------


def sidecar(name: str) -> dict[str, Any]:
    found: dict[str, Any] = load(f"plugins/filter/{name}.yml")
    return found


def parameters(name: str) -> dict[str, inspect.Parameter]:
    """Return a filter's named parameters after its input."""
    found = list(inspect.signature(FILTERS[name]).parameters.values())[1:]
    return {parameter.name: parameter for parameter in found if parameter.kind is not parameter.VAR_KEYWORD}


def test_every_filter_has_a_sidecar_and_every_sidecar_a_filter() -> None:
    assert {path.stem for path in (ROOT / "plugins/filter").glob("*.yml")} == set(FILTERS)


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_a_sidecar_documents_the_parameters(name: str) -> None:
    documentation = sidecar(name)["DOCUMENTATION"]
    options = {option: entry for option, entry in documentation.get("options", {}).items() if option != "_input"}
    assert documentation["name"] == name
    assert list(options) == list(parameters(name))
    assert {option for option, entry in options.items() if entry.get("required")} == {
        option for option, parameter in parameters(name).items() if parameter.default is parameter.empty
    }
    assert [part.strip() for part in documentation.get("positional", "").split(",") if part] == list(parameters(name))
    assert documentation["short_description"]
    assert not documentation["short_description"].endswith(".")


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_a_sidecar_has_an_example_that_uses_the_filter_and_says_what_comes_out(name: str) -> None:
    found = sidecar(name)
    assert f"observability.stack.{name}" in found["EXAMPLES"]
    assert yaml.safe_load(found["EXAMPLES"])
    assert found["RETURN"]["_value"]["type"]


# --- documentation ----------------------------------------------------------------------------------------------------


def test_ansible_doc_shows_every_filter() -> None:
    shown = ansible_doc("-t", "filter", *(f"observability.stack.{name}" for name in FILTERS))
    for name in FILTERS:
        documentation = shown[f"observability.stack.{name}"]["doc"]
        assert "_input" in documentation["options"]
        assert documentation["version_added"] == load("galaxy.yml")["version"]


def test_ansible_doc_shows_every_role() -> None:
    shown = ansible_doc("-t", "role", *(f"observability.stack.{role}" for role in ROLES))
    assert {name.removeprefix("observability.stack.") for name in shown} == set(ROLES)
    assert all(entry["short_description"] for role in shown.values() for entry in role["entry_points"].values())


def test_ansible_doc_shows_every_module() -> None:
    modules = [f"observability.stack.{path.stem}" for path in (ROOT / "plugins/modules").glob("*.py")]
    shown = ansible_doc("-t", "module", *modules)
    assert set(shown) == set(modules)
    assert all(entry["examples"] and entry["return"] for entry in shown.values())


def test_every_command_of_the_documentation_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = [path for path in tracked_files() if path.suffix == ".md"]
    assert ROOT / "README.md" in pages
    for page in pages:
        code = re.findall(r"```.*?```|`[^`\n]+`", page.read_text(), re.DOTALL)
        for command in re.findall(r"(?<![\w-])make(?: [A-Z_]+=\S+)* ([a-z][a-z-]*)", "\n".join(code)):
            assert command in targets, f"{page.relative_to(ROOT)}: make {command}"


def test_links_between_pages_lead_somewhere() -> None:
    for page in (path for path in tracked_files() if path.suffix == ".md"):
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if "://" not in link and not link.startswith("mailto:"):
                assert (page.parent / link).exists(), f"{page.relative_to(ROOT)}: {link}"


# --- the repository ---------------------------------------------------------------------------------------------------


def test_no_file_names_a_machine_or_a_directory_outside_the_repository() -> None:
    # Put together here, so that this file is not found itself.
    outside = re.compile(
        "|".join(re.escape("/".join(parts)) for parts in (("..", "shared"), ("", "work", ""), ("", "root", ""), ("", "tmp", "venv")))
    )
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found = outside.search(text)
        assert not found, f"{path.relative_to(ROOT)}: {found[0]}"


def test_what_the_collection_depends_on_is_said_alike_everywhere() -> None:
    dependencies = load("galaxy.yml")["dependencies"]
    assert {item["name"]: item["version"] for item in load("requirements.yml")["collections"]} == dependencies
    for name, wanted in dependencies.items():
        package = importlib.import_module(f"ansible_collections.{name}")
        manifest = json.loads((Path(next(iter(package.__path__))) / "MANIFEST.json").read_text())
        assert SpecifierSet(wanted).contains(manifest["collection_info"]["version"]), name
    core = next(line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("ansible-core=="))
    assert SpecifierSet(load("meta/runtime.yml")["requires_ansible"]).contains(core.split("==")[1])


def test_every_python_package_is_pinned() -> None:
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[\w.]+", line) for line in lines)


def test_every_image_has_a_version() -> None:
    for component, entry in load("versions.yml").items():
        assert set(entry) <= {"image", "tag", "digest"}, component
        assert isinstance(entry["tag"], str), f"{component}: a tag needs quotes when YAML takes it for a number"
        assert entry["tag"] != "latest"


def test_the_page_of_variables_has_every_variable_of_the_stack_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(observability_\w+)` \| ([^|]*?) \|", (ROOT / "docs/variables.md").read_text(), flags=re.MULTILINE))
    assert rows.keys() == STACK_DEFAULTS.keys()
    for name, default in STACK_DEFAULTS.items():
        shown = (
            {"": ("empty", "none, it has to be given")}.get(default, (f"`{default}`",)) if isinstance(default, str) else (f"`{default}`",)
        )
        assert rows[name] in shown, name
