"""Answers of the stores' query APIs, and pages of counters."""

from __future__ import annotations

import json

import pytest
from ansible_collections.observability.stack.plugins.module_utils.cluster import Answer, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.verify import stores

PAGE = """# HELP a_total A counter.
# TYPE a_total counter
a_total{reason="say \\"no\\"",user="x"} 3
a_total{reason="late",user="x"} 1.5e+02
b 7
a_totally 9
"""


def test_only_the_wanted_counters_are_read_with_their_labels() -> None:
    found = stores.exposition(PAGE, ["a_total", "b_total"])
    assert found == {
        ("a_total", (("reason", 'say \\"no\\"'), ("user", "x"))): 3.0,
        ("a_total", (("reason", "late"), ("user", "x"))): 150.0,
        ("b", ()): 7.0,
    }


@pytest.mark.parametrize(
    "answer", [Answer(500, "boom", {}), Answer(200, "<html>", {}), Answer(200, '{"status": "error"}', {}), Answer(200, "[]", {})]
)
def test_what_is_no_answer_of_a_store_names_it(answer: Answer) -> None:
    with pytest.raises(ClusterError, match=r"^mimir does not answer"):
        stores.series(answer, "mimir")
    with pytest.raises(ClusterError, match=r"^loki does not answer"):
        stores.lines(answer, "loki")


def test_vectors_and_matrices_are_read_alike() -> None:
    def answered(entry: dict[str, object]) -> list[stores.Series]:
        return stores.series(Answer(200, json.dumps({"data": {"result": [entry]}}), {}), "mimir")

    vector = answered({"metric": {"a": "b"}, "value": [1700000000.123, "4"]})
    matrix = answered({"metric": {"a": "b"}, "values": [[1700000000.123, "4"]]})
    assert vector == matrix == [stores.Series({"a": "b"}, ((1700000000123, 4.0),))]
