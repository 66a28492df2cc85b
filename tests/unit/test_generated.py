"""Pages with parts that follow from the catalogue and the connections."""

from __future__ import annotations

import pytest

from tests.inventories import ROOT, stack
from tools import generated

OLD = generated.BEGIN.format(name="connections") + "| old |\n" + generated.END.format(name="connections")


def test_every_page_is_up_to_date() -> None:
    assert not list(generated.outdated(stack())), "run make docs"


def test_a_generated_part_replaces_the_old_one_and_nothing_else() -> None:
    page = generated.filled(f"before\n{OLD}\nafter\n", generated.parts(stack()), ["connections"])
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "old" not in page
    assert "`alloy-loki`" in page


@pytest.mark.parametrize("text", ["", OLD.removesuffix(generated.END.format(name="connections"))])
def test_a_page_without_markers_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="the markers are missing: <!-- generated: connections"):
        generated.filled(text, generated.parts(stack()), ["connections"])


def test_the_tables_have_every_component_and_every_port_of_the_network() -> None:
    texts = generated.parts(stack(sample_application_enabled=True))
    assert all(f"`{name}`" in texts["components"] for name in ("mimir", "otel_collector", "sample_application"))
    assert "| 7946, 9095 |" in texts["connections"]
    assert "application-alloy" not in texts["connections"], "files are no connection of the network"


def test_the_pages_are_those_of_the_repository() -> None:
    assert all((ROOT / page).is_file() for page in generated.PAGES)
