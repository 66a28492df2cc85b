"""Figures, limits and report of the upgrade test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.failover.environment import REPOSITORY
from tests.upgrade import report
from tests.upgrade.results import Data, Request, Row, Rules, judge, longest_outage, measured, not_tested, percentile
from tools import pages

USUAL, LOSS, CONTROL = Rules(), Rules(node_lost=True), Rules(control="prometheus")


def requests(good: int, failed: int = 0) -> list[Request]:
    """One request per second, the failed ones last but one good one."""
    errors = [""] * (good - 1) + ["HTTP 502"] * failed + [""]
    return [Request("mimir", False, 100.0 + number, 0.1, error) for number, error in enumerate(errors)]


def row(replicas: int, good: int = 20, failed: int = 0, component: str = "mimir") -> Row:
    return measured(Row("ha", component, "image", "ok", replicas=replicas), requests(good, failed))


@pytest.mark.parametrize(
    ("errors", "seconds"),
    [
        ("", 0.0),
        ("......", 0.0),
        # From the good answer at 0.1 s to that at 3.1 s.
        (".xx..", 3.0),
        # The longer one of two.
        (".x..xx.", 3.0),
        # Nothing before and nothing after: from the start of the first failure to the end of the last.
        ("xx", 1.1),
        ("xx.", 2.1),
        (".xx", 2.0),
    ],
)
def test_an_outage_lasts_from_one_good_answer_to_the_next(errors: str, seconds: float) -> None:
    made = [Request("loki", True, 50.0 + number, 0.1, "HTTP 503" if error == "x" else "") for number, error in enumerate(errors)]
    assert longest_outage(made) == pytest.approx(seconds)


def test_an_answer_over_another_connection_ends_an_outage() -> None:
    hanging = Request("loki", True, 10.0, 8.0, "TimeoutError")
    others = [Request("loki", False, 9.0 + number, 0.1, "") for number in range(12)]
    assert longest_outage([hanging, *others]) == pytest.approx(1.0)


@pytest.mark.parametrize(("part", "value"), [(0.5, 5), (0.99, 10), (0.1, 1), (1.0, 10)])
def test_percentiles_are_values_that_were_measured(part: float, value: int) -> None:
    assert percentile(range(10, 0, -1), part) == value


@pytest.mark.parametrize(
    ("replicas", "failed", "data", "rules", "status", "detail"),
    [
        (3, 0, Data(), USUAL, "ok", ""),
        (3, 1, Data(), USUAL, "failed", "1 requests failed, expected: none with 3 replicas; 1x HTTP 502"),
        # A controller that is not the stack's, and that no event changes.
        (0, 1, None, USUAL, "failed", "1 requests failed"),
        (1, 5, Data(), USUAL, "outage", "5x HTTP 502"),
        (1, 5, Data(lost=2), USUAL, "failed", "2 lost, expected: none"),
        (2, 0, Data(lost=1), USUAL, "failed", "1 lost"),
        (2, 0, Data(duplicated=1), USUAL, "ok", ""),
        (3, 0, Data(scrapes_lost=1, scrapes_allowed=1), USUAL, "ok", ""),
        (3, 0, Data(scrapes_lost=2, scrapes_allowed=1), USUAL, "failed", "2 scrapes lost, expected: at most 1"),
        (3, 10, Data(), LOSS, "outage", "10x HTTP 502"),
        (3, 16, Data(), LOSS, "failed", "no good answer for 17.0 s, expected: at most 15 s"),
        (3, 10, Data(lost=1), LOSS, "failed", "1 lost"),
    ],
)
def test_limits(replicas: int, failed: int, data: Data | None, rules: Rules, status: str, detail: str) -> None:
    found = judge(row(replicas, failed=failed), data, rules)
    assert found.status == status
    assert found.detail.startswith(detail)
    assert bool(found.detail) == bool(detail)


def test_a_negative_control_has_to_find_the_failure() -> None:
    found = judge(row(2, failed=3, component="prometheus"), Data(), CONTROL)
    assert (found.status, found.failed) == ("control", 3)
    missed = judge(row(2, component="prometheus"), Data(), CONTROL)
    beside = judge(row(1, failed=3), Data(lost=4), CONTROL)
    assert (beside.status, beside.lost) == ("control", 4)
    assert (missed.status, missed.detail) == ("failed", "negative control: no request failed, so the client does not see an outage")


def test_an_event_that_did_not_end_well_is_a_failure_of_every_row() -> None:
    found = judge(row(3), Data(), USUAL, "site.yml (image) failed")
    assert (found.status, found.detail) == ("failed", "site.yml (image) failed")


def test_hardly_any_request_is_no_measurement() -> None:
    assert judge(row(2, good=3), None, USUAL).status == "failed"


def test_the_figures_of_a_row() -> None:
    found = row(1, good=100, failed=4)
    assert (found.requests, found.failed, found.p50_ms, found.p99_ms, found.longest_outage_ms) == (104, 4, 100.0, 100.0, 5000)


def test_without_any_good_answer_there_is_no_duration() -> None:
    found = measured(Row("single", "mimir", "image", "ok", replicas=1), [Request("mimir", True, 1.0, 0.1, "no")] * 20)
    assert (found.failed, found.p50_ms, found.p99_ms) == (20, None, None)


def test_a_report_keeps_what_other_runs_have_measured(tmp_path: Path) -> None:
    path = tmp_path / "reports"
    report.write(path, [Row("single", "mimir", "image", "ok"), Row("single", "loki", "drain", "ok")])
    report.write(path, [Row("ha", "mimir", "image", "ok"), Row("single", "mimir", "image", "outage")])
    report.write(path, [not_tested("single", "alloy", "drain", "no binary")])
    found = [(item["profile"], item["component"], item["event"], item["status"]) for item in report.read(path / report.CHANGES)]
    assert found == [
        ("single", "loki", "drain", "ok"),
        ("ha", "mimir", "image", "ok"),
        ("single", "mimir", "image", "outage"),
        ("single", "alloy", "drain", "not tested"),
    ]


def test_what_nobody_does_on_purpose_is_in_a_report_of_its_own(tmp_path: Path) -> None:
    events = ["release", "config-all", "image", "drain", "node-loss-node-1", "control"]
    report.write(tmp_path, [Row("ha", "mimir", event, "ok") for event in events])
    assert [row["event"] for row in report.read(tmp_path / report.CHANGES)] == events[:4]
    assert [row["event"] for row in report.read(tmp_path / report.FAULTS)] == events[4:]


def test_the_figures_have_one_line_for_each_event() -> None:
    rows = [row(3), row(1, failed=2, component="grafana"), not_tested("ha", "alloy", "image", "no binary")]
    rows = [judge(found, Data(lost=0), USUAL) if found.requests else found for found in rows]
    assert report.figures(found.to_dict() for found in rows).splitlines()[2:] == [
        "| `ha` | `image` | 42 | 0 | Grafana 3.0 s | 0.10 s | 0 | 0 |",
    ]


def test_the_page_has_the_place_for_the_figures() -> None:
    page = (REPOSITORY / "docs/zero-downtime.md").read_text()
    assert "new" in pages.filled(page, report.BEGIN, report.END, "new\n")


def test_a_row_has_the_keys_that_are_promised() -> None:
    promised = {"profile", "component", "event", "requests", "failed", "p50_ms", "p99_ms", "longest_outage_ms", "lost", "duplicated"}
    assert promised <= row(3).to_dict().keys()


def test_the_table_names_what_was_not_tested_and_why() -> None:
    rows = [row(3, failed=1), not_tested("ha", "alloy", "image", "no binary"), not_tested("ha", "", "release", "no profile ha")]
    text = report.table(rows)
    assert "not tested: image of alloy (no binary)" in text
    assert "not tested: release (no profile ha)" in text
    assert text.splitlines()[1].split()[:5] == ["ha", "image", "mimir", "21", "1"]
    assert report.summary(rows) == "21 requests; 1 passed, 0 failed, 2 not tested"
