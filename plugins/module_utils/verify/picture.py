"""The connections as a diagram, each with its last result: a graph in the language of Graphviz, and its SVG."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..stack.catalogue import CATALOGUE
from ..stack.connections import CONNECTIONS
from ..stack.graph import titled
from ..stack.model import Stack

# The ones without a result have no check of their own.
_WORDS = {"ok": "✓", "failed": "✗ FAILED", "not tested": "not tested", "": ""}


@dataclass(frozen=True)
class Layout:
    """Graphviz' direction, its distances in inches, the size of the text in points, and what a space in a label becomes."""

    direction: str
    between_nodes: float
    between_ranks: float
    font_size: int
    space: str


LAYOUTS = {"wide": Layout("LR", 0.35, 0.7, 13, " "), "narrow": Layout("TB", 0.1, 0.5, 17, "\\n")}


def dot(stack: Stack, rows: Sequence[Mapping[str, Any]], layout: str = "wide") -> str:
    """Return the connections in the dot language, with the class and the label of their results; colours are left to the page.

    `layout` is `wide` or `narrow` (for a telephone). Raises ValueError for any other.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout is {layout!r}; it should be one of {', '.join(LAYOUTS)}")
    chosen = LAYOUTS[layout]
    results = {row["connection"]: row for row in rows}
    size = f'fontname="Helvetica,Arial,sans-serif", fontsize={chosen.font_size}'
    lines = [
        "digraph {",
        f'  rankdir={chosen.direction}; bgcolor="transparent"; nodesep={chosen.between_nodes}; ranksep={chosen.between_ranks};',
        f'  node [shape=box, style="rounded,filled", margin="0.3,0.08", {size}];',
        f"  edge [{size}];",
    ]
    shown = [row for row in CONNECTIONS if row.step or row.source == "user"]
    nodes = dict.fromkeys(end for row in shown for end in row.flow)
    titles = {node: titled(stack, node).replace(" ", chosen.space) for node in nodes}
    lines += [f'  "{node}" [{_attributes({"label": title, "class": _kind(stack, node)})}];' for node, title in titles.items()]
    for connection in shown:
        row = results.get(connection.name, {"status": "not tested" if connection.check else "", "seconds": None})
        took = f" {row['seconds']:.1f} s" if row["status"] == "ok" and row["seconds"] is not None else ""
        attributes = {
            # Spaces around it keep it off the lines, even with a font that is wider than Graphviz assumes.
            "label": f" {_WORDS[row['status']].replace('not tested', f'not{chosen.space}tested')}{took} ",
            "class": row["status"].replace(" ", "-") or "plain",
            "id": f"{layout}-{connection.name}",
        }
        source, target = connection.flow
        lines.append(f'  "{source}" -> "{target}" [{_attributes(attributes)}];')
    return "\n".join([*lines, "}"]) + "\n"


def _kind(stack: Stack, node: str) -> str:
    """Return the class of a node: a component, one that is switched off, or something outside the stack."""
    if node not in CATALOGUE:
        return "outside"
    return "component" if stack.has(node) else "off"


def _attributes(values: Mapping[str, str]) -> str:
    # A backslash that is there already belongs to the dot language (a line break).
    return ", ".join(f'{key}="{value}"' for key, value in values.items())


def program() -> str:
    """Return the path of Graphviz: `dot`, or the package of requirements.txt beside this Python; empty when there is neither."""
    return (
        shutil.which("dot") or shutil.which("graphviz-pure", path=str(Path(sys.executable).parent)) or shutil.which("graphviz-pure") or ""
    )


def draw(text: str) -> str:
    """Return the SVG element of a graph in the dot language, without an XML prologue; empty when Graphviz is not installed.

    Raises ValueError with what Graphviz says when it cannot draw that.
    """
    path = program()
    if not path:
        return ""
    done = subprocess.run([path, "-Kdot", "-Tsvg"], input=text, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise ValueError(f"Graphviz ({path}) could not draw the graph: {done.stderr.strip()}")
    return done.stdout[done.stdout.index("<svg") :].strip()


def verify_graph(stack: Stack, rows: Sequence[Mapping[str, Any]], layout: str = "wide") -> str:
    """Return the diagram of a verification as an SVG element; empty when Graphviz is not installed."""
    return draw(dot(stack, rows, layout))
