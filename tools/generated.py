"""Parts of the documentation that follow from the catalogue and the connections, written between two markers.

`python -m tools.generated` writes them, `--check` only says which page is out of date.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.observability.stack.plugins.module_utils.engine import rights
from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue, graph
from ansible_collections.observability.stack.plugins.module_utils.stack.connections import Connection, active
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack

from tools import pages

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- generated: {name} (make docs) -->\n", "<!-- end of {name} -->"
PAGES: dict[str, tuple[str, ...]] = {
    "README.md": ("diagram", "components"),
    "docs/data-path.md": ("diagram", "queues"),
    "docs/network-policies.md": ("connections",),
    "docs/permissions.md": ("permissions",),
}
_ADDRESSED = {"service": "Service", "replica": "each replica", "pod": "pod", "node": "node"}


def parts(stack: Stack) -> dict[str, str]:
    """Return the text of every generated part, by name, for the model of an inventory."""
    return {
        "diagram": f"```mermaid\n{graph.mermaid(stack)}```\n",
        "components": _table(("Component", "Role", "Kind", "Ports"), (_component(stack, name) for name in catalogue.CATALOGUE)),
        "queues": _table(
            ("Connection", "Metrics of the queue", "Counters of lost data"),
            ((f"`{row['name']}`", _metrics(row["queue"]), _metrics(row["lost"])) for row in graph.queue_table(stack)),
        ),
        "connections": _table(
            ("Connection", "From", "To", "Ports", "Protocol", "Addressed", "What for"),
            (_connection(row) for row in active(stack) if row.ports or row.any_port),
        ),
        "permissions": _permissions(stack),
    }


def roles(stack: Stack) -> list[dict[str, Any]]:
    """Return the ClusterRoles with which a run of a stack works: that for the whole cluster, and that for its namespaces."""
    needed = rights.needed(stack, "apply", verify=True)
    every = {*needed.must, *needed.may, *(right for given in (needed.grants or {}).values() for right in given)}
    spaces = {"observability-stack": {right for right in every if not right.namespace}}
    spaces["observability-stack-namespace"] = {right for right in every if right.namespace}
    kind = {"apiVersion": f"{rights.RBAC}/v1", "kind": "ClusterRole"}
    return [{**kind, "metadata": {"name": name}, "rules": rights.rules_of(among)} for name, among in spaces.items()]


def _permissions(stack: Stack) -> str:
    texts = []
    for role in roles(stack):
        rules = yaml.safe_dump_all(role.pop("rules"), default_flow_style=True, explicit_start=True, sort_keys=False, width=1000)
        texts.append(f"{yaml.safe_dump(role, sort_keys=False)}rules:\n{rules.replace('--- {', '  - {')}")
    return "```yaml\n" + "---\n".join(texts) + "```\n"


def filled(page: str, texts: Mapping[str, str], names: Iterable[str]) -> str:
    """Return a page with the generated parts in place. Raises ValueError for a page without the markers of one of them."""
    for name in names:
        page = pages.filled(page, BEGIN.format(name=name), END.format(name=name), texts[name])
    return page


def outdated(stack: Stack) -> dict[str, str]:
    """Return the pages that differ from what follows from the model, with the text that they should have."""
    texts = parts(stack)
    written = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
    wanted = {page: filled(text, texts, PAGES[page]) for page, text in written.items()}
    return {page: text for page, text in wanted.items() if text != written[page]}


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(cells)} |\n" for cells in (heads, *rows)]
    return "".join([lines[0], "|---" * len(heads), "|\n", *lines[1:]])


def _component(stack: Stack, name: str) -> tuple[str, ...]:
    row = catalogue.CATALOGUE[name]
    count = f" ×{stack.replicas[name]}" if name in stack.replicas else ""
    off = "" if stack.has(name) else ", off by default"
    ports = ", ".join(f"{number} (`{port}`)" for port, number in row.ports.items())
    return (row.title, f"[`{name}`](roles/{name}/README.md)", f"{row.workload}{count}{off}", ports)


def _connection(row: Connection) -> tuple[str, ...]:
    ports = "any" if row.any_port else ", ".join(str(catalogue.port(row.target, name)) for name in row.ports)
    ends = (catalogue.title(row.source), catalogue.title(row.target))
    return (f"`{row.name}`", *ends, ports, row.protocol, _ADDRESSED[row.to], row.carries)


def _metrics(listed: list[str]) -> str:
    """Return metrics, given as "component: name", with the component once: "Alloy: `a`, `b`"."""
    by_component: dict[str, list[str]] = {}
    for text in listed:
        component, name = text.split(": ")
        by_component.setdefault(component, []).append(f"`{name}`")
    return "; ".join(f"{catalogue.title(component)}: {', '.join(names)}" for component, names in by_component.items())


def main(arguments: list[str]) -> int:
    """Write the pages that are out of date, or name them; 1 with `--check` if there is one."""
    from tests.inventories import stack  # noqa: PLC0415 - the pure part does not need it

    parser = argparse.ArgumentParser(prog="python -m tools.generated", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a page is out of date")
    only_check = parser.parse_args(arguments).check
    pages = outdated(stack())
    for page, text in pages.items():
        if not only_check:
            (ROOT / page).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{page} {'is out of date' if only_check else 'written'}\n")
    return 1 if only_check and pages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
