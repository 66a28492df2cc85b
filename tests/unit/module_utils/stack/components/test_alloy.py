"""What an inventory may say about Alloy."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack.components import alloy

from tests.inventories import stack, values


@pytest.mark.parametrize(("value", "words"), [(0, "10%, or a number"), ("0%", "10%, or a number"), ("3", "without quotes"), (True, "10%")])
def test_what_kubernetes_does_not_take_as_the_most_unavailable_pods_is_rejected(value: Any, words: str) -> None:
    (problem,) = alloy.problems(values(alloy_max_unavailable=value), stack())
    assert problem.startswith(f"alloy_max_unavailable is {value!r}; ")
    assert words in problem


@pytest.mark.parametrize("value", [1, 20, "1%", "100%"])
def test_a_number_or_a_share_of_the_nodes_may_be_unavailable(value: Any) -> None:
    assert not list(alloy.problems(values(alloy_max_unavailable=value), stack()))
