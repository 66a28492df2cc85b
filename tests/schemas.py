"""Check rendered objects against the Kubernetes schemas: `python -m tests.schemas DIRECTORY…` reads every YAML file below them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

KUBERNETES = "1.36"


def objects(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every object in the YAML files below a folder, with its file."""
    for path in sorted(folder.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if document:
                yield path, document


def problems(folder: Path) -> tuple[int, list[str]]:
    """Return how many objects there are below a folder, and a line for each that its schema refuses."""
    count, found = 0, []
    for path, document in objects(folder):
        count += 1
        try:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = ".".join(str(part) for part in error.path)
            found.append(f"{path.name}: {document['kind']} {document['metadata']['name']}: {where}: {error.message}")
    return count, found


def main() -> int:
    """Say how many objects are valid, or which are not."""
    wrong = False
    for directory in map(Path, sys.argv[1:]):
        count, found = problems(directory)
        print("\n".join([*found, f"{count - len(found)} of {count} objects in {directory} satisfy the schemas of Kubernetes {KUBERNETES}"]))
        wrong = wrong or bool(found) or not count
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
