"""Files are written and removed only where they were rendered for the same stack."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.observability.stack.plugins.plugin_utils.rendered import Rendered


def written(place: Path, *names: str, stack: str = "observability.north") -> Rendered:
    directory = Rendered(place, stack)
    for name in names:
        directory.write(name, "content\n")
    return directory


def names(place: Path) -> set[str]:
    return {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}


def test_what_is_not_rendered_any_more_goes_and_so_does_its_empty_directory(tmp_path: Path) -> None:
    written(tmp_path, "3-backends/loki.yaml", "5-network-policies/all.yaml", "secrets.md")
    directory = written(tmp_path, "secrets.md")
    directory.remove_others({"secrets.md"})
    assert directory.changed == ["3-backends/loki.yaml: removed", "5-network-policies/all.yaml: removed"]
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.md"]


@pytest.mark.parametrize("name", ["README.md", "3-backends/extra.yaml", "3-backends/notes.txt"])
def test_files_of_others_stay(name: str, tmp_path: Path) -> None:
    directory = written(tmp_path, "3-backends/loki.yaml")
    (tmp_path / name).write_text("theirs\n")
    directory.remove_others({"3-backends/loki.yaml"})
    assert names(tmp_path) == {name, "3-backends/loki.yaml"}


def test_a_copy_of_a_rendered_file_stays(tmp_path: Path) -> None:
    directory = written(tmp_path, "3-backends/loki.yaml")
    (tmp_path / "3-backends/own.yaml").write_text((tmp_path / "3-backends/loki.yaml").read_text())
    directory.remove_others({"3-backends/loki.yaml"})
    assert names(tmp_path) == {"3-backends/own.yaml", "3-backends/loki.yaml"}


def test_what_another_stack_has_rendered_stays(tmp_path: Path) -> None:
    written(tmp_path, "3-backends/loki.yaml", stack="observability.south")
    with pytest.raises(ValueError, match=r"loki\.yaml was not rendered for observability\.north, so it is not overwritten"):
        written(tmp_path, "3-backends/loki.yaml")
    directory = written(tmp_path, "3-backends/mimir.yaml")
    directory.remove_others({"3-backends/mimir.yaml"})
    assert names(tmp_path) == {"3-backends/loki.yaml", "3-backends/mimir.yaml"}


def test_a_file_that_was_changed_by_hand_is_written_again_and_an_equal_one_is_not(tmp_path: Path) -> None:
    written(tmp_path, "a.yaml", "b.yaml")
    with (tmp_path / "a.yaml").open("a") as opened:
        opened.write("more: true\n")
    assert written(tmp_path, "a.yaml", "b.yaml").changed == ["a.yaml: changed"]


def test_a_dry_run_writes_and_removes_nothing(tmp_path: Path) -> None:
    written(tmp_path, "a.yaml")
    before = {path: path.read_text() for path in tmp_path.iterdir()}
    directory = Rendered(tmp_path, "observability.north", dry=True)
    directory.write("3-backends/b.yaml", "content\n")
    directory.remove_others({"3-backends/b.yaml"})
    assert directory.changed == ["3-backends/b.yaml: created", "a.yaml: removed"]
    assert {path: path.read_text() for path in tmp_path.iterdir()} == before
