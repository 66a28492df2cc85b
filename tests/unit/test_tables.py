"""No table names components but those of the catalogue and of the connections, and what is decided by a component's name is counted."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE, workload_name

from tests.inventories import ROOT

PLUGINS = ROOT / "plugins"
NAMES = frozenset({*CATALOGUE, *map(workload_name, CATALOGUE)})
# Where a table of components belongs: the two tables themselves, a component's own settings, and the data of its own check.
OWN = ("module_utils/stack/catalogue.py", "module_utils/stack/connections.py", "module_utils/stack/components/")
CHECK_DATA = ("module_utils/verify/maintenance.py",)
# The configuration keys of some components, for slips; one that is not listed is not checked for them.
YAML_TABLES = {"plugin_utils/known_keys.yml"}
# File -> how often it decides by the name of a component, and why. Another one should be a field of the catalogue or of a connection.
DECISIONS: dict[str, tuple[int, str]] = {
    "module_utils/engine/rights.py": (3, "rights over ingresses, classes and certificates are asked for only with the ingress"),
    "module_utils/stack/graph.py": (1, "the controller's replicas elect a leader, and leave a Lease without labels"),
    "module_utils/stack/high_availability.py": (1, "senders are those that push to the Prometheus pair"),
    "module_utils/stack/preflight.py": (3, "IngressClass and cert-manager are asked for only with the ingress"),
    "module_utils/verify/checks/balance.py": (1, "reads go through the ingress too where there is one"),
    "module_utils/verify/checks/remote_write.py": (1, "samples that were sent by OTLP are looked for where they were sent"),
    "module_utils/verify/sending.py": (2, "the collector has no pipeline for a signal without a store"),
    "module_utils/verify/session.py": (5, "Loki is asked for lines, the other stores for series; a line may come by OTLP"),
}


def parsed() -> Iterator[tuple[str, ast.Module]]:
    """Return name and syntax tree of every Python file of the plugins but those where components are named."""
    for path in sorted(PLUGINS.rglob("*.py")):
        name = str(path.relative_to(PLUGINS))
        if not name.startswith(OWN):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def constants(tree: ast.Module) -> set[str]:
    """Return the constants of a module that stand for a component: `A = "loki"`, and `A` of `A, B = "loki", 3`."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            several = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
            pairs = zip(target.elts, node.value.elts, strict=True) if several else [(target, node.value)]  # type: ignore[attr-defined]
            found |= {
                name.id for name, value in pairs if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and value.value in NAMES
            }
    return found


CONSTANTS = {name for path in PLUGINS.rglob("*.py") for name in constants(ast.parse(path.read_text(encoding="utf-8")))}


def named(*nodes: ast.AST | None) -> set[str]:
    """Return the components that an expression names, by a string or by a constant that stands for one."""
    found: set[str] = set()
    for inner in (inner for node in nodes if node for inner in ast.walk(node)):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and inner.value in NAMES:
            found.add(workload_name(inner.value))
        elif isinstance(inner, ast.Name) and inner.id in CONSTANTS:
            found.add(inner.id)
        elif isinstance(inner, ast.Attribute) and inner.attr in CONSTANTS:
            found.add(inner.attr)
    return found


def entries(node: ast.AST) -> list[ast.AST | None]:
    """Return what a literal lists, at any depth; nothing for another expression."""
    if isinstance(node, ast.Dict):
        return [*node.keys, *node.values]
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return [*node.elts]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return [*(ast.Constant(keyword.arg) for keyword in node.keywords), *(keyword.value for keyword in node.keywords)]
    return []


def tables(tree: ast.AST) -> list[int]:
    """Return the lines of literals that name two components or more."""
    return sorted({node.lineno for node in ast.walk(tree) if isinstance(node, ast.expr) and len(named(*entries(node))) > 1})


def decisions(tree: ast.AST) -> list[int]:
    """Return the lines of comparisons, of cases and of calls of `has` and `installs` that name a component."""
    found = []
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("has", "installs"):
            parts = node.args
        found += [part.lineno for part in parts[:1] if named(*parts)]
    return sorted(found)


def test_no_table_but_those_of_the_collection_names_components() -> None:
    found = {name: lines for name, tree in parsed() if (lines := tables(tree))}
    assert found.keys() == set(CHECK_DATA), found


def test_no_file_of_data_lists_components() -> None:
    listed = {path: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(PLUGINS.rglob("*.yml"))}
    found = {str(path.relative_to(PLUGINS)) for path, data in listed.items() if len(NAMES & set(data)) > 1}
    assert found == YAML_TABLES


def test_what_is_decided_by_the_name_of_a_component_is_counted() -> None:
    found = Counter({name: len(lines) for name, tree in parsed() if (lines := decisions(tree))})
    assert found == {name: count for name, (count, _reason) in DECISIONS.items()}
    assert all(reason for _count, reason in DECISIONS.values())


@pytest.mark.parametrize(
    "planted",
    [
        'PORTS = {"mimir": 8080, "loki": 3100}',
        'STORES = ("mimir", "loki")',
        'STORES = ["mimir", *others, "otel-collector"]',
        'TITLES = {"Mimir": "mimir", "Loki": "loki"}',
        'PAIRS = [("a", "mimir"), ("b", "loki")]',
        "PORTS = dict(mimir=8080, loki=3100)",
        'def f():\n    return {"mimir", "loki"}',
        'STORES = (sending.RECEIVER, "loki")',
    ],
)
def test_a_planted_table_is_found(planted: str) -> None:
    assert tables(ast.parse(planted))


@pytest.mark.parametrize("planted", ['url(stack, "loki")', '{"mimir": 1}', 'f("mimir", "loki")', '["mimir", "other"]'])
def test_a_single_component_is_no_table(planted: str) -> None:
    assert not tables(ast.parse(planted))


@pytest.mark.parametrize(
    "planted",
    [
        'if component == "loki": pass',
        'x = 1 if name in ("mimir", "loki") else 2',
        'x = "otel-collector" != name',
        'match name:\n    case "loki":\n        pass',
        'y = stack.has("loki")',
        "y = stack.installs(sending.RECEIVER)",
    ],
)
def test_a_planted_decision_is_found(planted: str) -> None:
    assert len(decisions(ast.parse(planted))) == 1


def test_the_places_that_are_left_out_exist() -> None:
    assert all(Path(PLUGINS / name).exists() for name in (*OWN, *CHECK_DATA, *YAML_TABLES))
