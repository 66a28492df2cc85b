"""The lines at the end of a run on several clusters."""

from __future__ import annotations

import pytest
from ansible_collections.observability.stack.plugins.plugin_utils.summary import Outcome, summary


def outcome(*lines: str, failures: tuple[str, ...] = (), settled: bool = False, changed: bool = False) -> Outcome:
    made = Outcome(settled=settled, changed=changed or bool(lines), failures=list(failures))
    made.add(lines)
    return made


def test_clusters_are_listed_by_state_and_failures_last() -> None:
    outcomes = {
        "berlin": outcome(failures=("no answer",)),
        "cairo": outcome("StatefulSet loki: changed (spec.replicas, data.a: b)", "ConfigMap loki: changed (data)", "Service x: removed"),
        "delhi": outcome(settled=True),
        "accra": outcome(settled=True),
        "essen": outcome(),
    }
    assert summary(outcomes, {"berlin"}, check=False) == [
        "settled  accra, delhi",
        "done     essen",
        "changed  cairo (2 changed, 1 removed)",
        "failed   berlin: no answer",
        "5 clusters: 2 settled, 1 done, 1 changed, 1 failed",
    ]


def test_a_failure_after_changes_has_both() -> None:
    outcomes = {"berlin": outcome("Service x: created", failures=("no pod is ready\nevents", "later")), "cairo": outcome(settled=True)}
    assert summary(outcomes, {"berlin"}, check=False)[1] == "failed   berlin (1 created): no pod is ready"


def test_a_failure_that_was_handled_is_none() -> None:
    outcomes = {"berlin": outcome(failures=("no answer",)), "cairo": outcome(settled=True)}
    assert summary(outcomes, set(), check=False) == ["settled  cairo", "done     berlin", "2 clusters: 1 settled, 1 done"]


def test_in_check_mode_nothing_has_changed() -> None:
    outcomes = {"berlin": outcome("Service x: created"), "cairo": outcome("Service x: created")}
    assert summary(outcomes, set(), check=True)[-1] == "2 clusters: 2 would change"


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("one line", "one line"),
        ("\n  first\nsecond", "first"),
        ("the inventory has 2 problems:\n  - first\n  - second", "the inventory has 2 problems: first"),
        ("ends with a colon:", "ends with a colon:"),
        ("", "its messages are above"),
    ],
)
def test_the_reason_is_one_line(failure: str, reason: str) -> None:
    assert Outcome(failures=[failure]).reason() == reason
