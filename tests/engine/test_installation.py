"""A stack is installed once, and then there is nothing to do."""

from __future__ import annotations

from tests.engine.installations import Installation


def test_a_second_run_has_nothing_to_do_and_writes_nothing(installation: Installation) -> None:
    before = installation.versions()
    again = installation.play()
    assert again.code == 0, again.output
    assert again.settled
    assert installation.versions() == before
