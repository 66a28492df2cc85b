"""What several checks share."""

from __future__ import annotations

import pytest
from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError
from ansible_collections.observability.stack.plugins.module_utils.verify.outcome import Failed, SharedResult, all_of


def test_a_result_that_cannot_be_had_fails_each_that_asks_and_is_tried_once() -> None:
    made = []

    def make() -> str:
        made.append(1)
        raise ClusterError("no way")

    value = SharedResult(make)
    for _ in range(2):
        with pytest.raises(Failed, match="no way"):
            value()
    assert made == [1]


def test_all_problems_are_reported_at_once_and_each_once() -> None:
    def fail() -> str:
        raise Failed("lost")

    def unreachable() -> str:
        raise ClusterError("no answer")

    with pytest.raises(Failed, match=r"^lost; no answer$"):
        all_of(fail, lambda: "good", unreachable, fail)
    assert all_of(lambda: "good", lambda: "better") == ("good", "better")
