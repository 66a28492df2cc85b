"""The directory with the rendered files of a stack. Its files say in their first line what they are, so that no other is touched."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

_ENDINGS = {".yaml": ("# ", ""), ".md": ("<!-- ", " -->")}
_START = "Rendered by observability.stack for "


@dataclass
class Rendered:
    """A directory for one stack, `instance`. `dry`: nothing is written. `changed` has a line for each file that is written or removed."""

    directory: Path
    instance: str
    dry: bool = False
    changed: list[str] = field(default_factory=list)

    def write(self, name: str, text: str) -> None:
        """Write a file below the directory, where it differs. Raises ValueError when there is one that was not rendered for this stack."""
        path = self.directory / name
        wanted = f"{self._head(name)}\n{text}"
        before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
        if before == wanted:
            return
        if before is not None and before.partition("\n")[0] != self._head(name):
            raise ValueError(
                f"{path} was not rendered for {self.instance}, so it is not overwritten; it should be moved, or render_directory should be "
                "another one for each cluster"
            )
        self.changed.append(f"{name}: {'created' if before is None else 'changed'}")
        if not self.dry:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted, encoding="utf-8")

    def remove_others(self, names: Collection[str]) -> None:
        """Remove what was rendered for this stack under other names, and the directories that are empty then."""
        for path in sorted([*self.directory.glob("*"), *self.directory.glob("*/*")]):
            name = path.relative_to(self.directory).as_posix()
            if name in names or path.suffix not in _ENDINGS or not path.is_file() or _first_line(path) != self._head(name):
                continue
            self.changed.append(f"{name}: removed")
            if not self.dry:
                path.unlink()
                if path.parent != self.directory and not any(path.parent.iterdir()):
                    path.parent.rmdir()

    def _head(self, name: str) -> str:
        """Return the first line of a file. It names the file, so that a copy of it is not taken for it."""
        start, end = _ENDINGS[Path(name).suffix]
        return f"{start}{_START}{self.instance}: {name}; a change of it is overwritten.{end}"


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as opened:
        return opened.readline().rstrip("\n")
