"""Results and report of a failover run, from what the stores answer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError
from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue
from hypothesis import given
from hypothesis import strategies as st

from tests import inventories
from tests.failover import counting, generator, queries, report, results, session, uploads
from tests.failover.faults import FAULTS
from tests.failover.log_faults import LOG_FAULTS
from tests.failover.results import Result, Run, UnexpectedDataError, Window
from tests.failover.stores import everything, in_order

# Ten events, one per second; the fault begins with the fifth.
RUN = Run("r", start=1_000_000, interval=1000, last=10)
WINDOWS = (Window("none", 1), Window("kill", 5))
ALL = dict.fromkeys(range(1, 11), 1)


def figures(found: list[Result]) -> list[tuple[Any, ...]]:
    return [(line.fault, line.sent, line.stored, line.lost, line.duplicated, line.longest_gap_seconds) for line in found]


@pytest.mark.parametrize(
    ("stored", "before", "during"),
    [
        (ALL, (4, 4, 0, 0, 1.0), (6, 6, 0, 0, 1.0)),
        ({**ALL, 6: 0, 7: 0}, (4, 4, 0, 0, 1.0), (6, 4, 2, 0, 3.0)),
        ({**ALL, 4: 0, 5: 0}, (4, 3, 1, 0, 3.0), (6, 5, 1, 0, 1.0)),
        ({**ALL, 1: 0}, (4, 3, 1, 0, 2.0), (6, 6, 0, 0, 1.0)),
        ({**ALL, 9: 0, 10: 0}, (4, 4, 0, 0, 1.0), (6, 4, 2, 0, 3.0)),
        ({**ALL, 2: 3, 8: 2}, (4, 4, 0, 2, 1.0), (6, 6, 0, 1, 1.0)),
        ({}, (4, 0, 4, 0, 11.0), (6, 0, 6, 0, 0.0)),
    ],
    ids=["all", "two lost", "lost over the border", "first lost", "last lost", "duplicated", "nothing"],
)
def test_events(stored: dict[int, int], before: tuple[Any, ...], during: tuple[Any, ...]) -> None:
    assert figures(counting.events("remote-write", RUN, WINDOWS, stored)) == [("none", *before), ("kill", *during)]


runs = st.builds(Run, st.just("r"), st.integers(0, 10**12), st.integers(1, 5000), st.integers(1, 200))


@given(runs, st.data())
def test_every_event_is_counted_once(run: Run, data: st.DataObject) -> None:
    stored = data.draw(st.dictionaries(st.integers(1, run.last), st.integers(0, 3)))
    firsts = sorted({1, *data.draw(st.lists(st.integers(1, run.last), max_size=5))})
    found = counting.events("otlp-logs", run, [Window(str(first), first) for first in firsts], stored)
    assert all((line.sent, line.lost) == ((line.stored or 0) + (line.lost or 0), (line.sent or 0) - (line.stored or 0)) for line in found)
    assert sum(line.sent or 0 for line in found) == run.last
    assert sum((line.stored or 0) + (line.duplicated or 0) for line in found) == sum(stored.values())
    # The longest gap says at least that something is missing.
    assert (max(line.longest_gap_seconds or 0 for line in found) * 1000 > run.interval * 1.5) == any(line.lost for line in found)


def test_numbers_that_were_sent() -> None:
    samples = [(1_000_000, 1.0), (1_002_000, 3.0), (1_002_000, 3.0)]
    assert counting.copies(RUN, samples, "mimir") == {1: 1, 3: 2}


@pytest.mark.parametrize("sample", [(1_001_000, 3.0), (999_000, 0.0), (1_010_000, 11.0), (1_000_000, 1.5)])
def test_what_was_never_sent_is_an_error(sample: tuple[int, float]) -> None:
    with pytest.raises(UnexpectedDataError, match=r"mimir has the value .* never sent"):
        counting.copies(RUN, [sample], "mimir")


@pytest.mark.parametrize(
    ("gap", "lost"),
    [(15, 0), (15.2, 0), (7, 0), (29.5, 0), (29.8, 1), (30, 1), (44, 1), (45, 2), (0, 0)],
)
def test_scrapes_lost_between_two_samples(gap: float, lost: int) -> None:
    assert counting.scrapes_lost(gap, 15) == lost


@given(st.integers(1, 20), st.integers(0, 10), st.integers(-100, 100))
def test_missing_scrapes_are_counted_whatever_the_jitter(before: int, missing: int, jitter: int) -> None:
    interval, run = 15_000, Run("r", 0, 1000, 10_000)
    times = [interval * number for number in range(1, before + 1)] + [interval * (before + 1 + missing) + jitter]
    (line,) = counting.scrapes(run, [Window("none", 1)], times, interval, times[-1] + interval)
    assert (line.scrapes_lost, line.lost, line.duplicated) == (missing, missing, 0)
    assert (line.sent, line.stored) == (before + 1 + missing, before + 1)


# Scrapes every 15 s, the second replica 5 s later in the interval; the run lasts three minutes and the fault begins after one.
SCRAPED = Run("r", 0, 1000, 180)
ELECTED = list(range(0, 180_000, 15_000))
OTHER = list(range(5_000, 180_000, 15_000))


@pytest.mark.parametrize(
    ("times", "during"),
    [
        (ELECTED, (0, 0)),
        ([*ELECTED[:5], *OTHER[5:]], (0, 0)),
        ([*ELECTED[:5], *OTHER[6:]], (1, 0)),
        ([*ELECTED[:6], *OTHER[5:]], (0, 1)),
        (sorted(ELECTED + OTHER), (0, 8)),
        (ELECTED[:5], (7, 0)),
    ],
    ids=["no election", "election", "election that costs one", "both around an election", "both replicas kept", "nothing after the fault"],
)
def test_scrapes_around_an_election(times: list[int], during: tuple[int, int]) -> None:
    before, after = counting.scrapes(SCRAPED, [Window("none", 1), Window("kill", 61)], times, 15_000, 180_000)
    assert before.scrapes_lost == 0
    assert (after.scrapes_lost, after.duplicated) == during
    assert (after.sent or 0) == (after.stored or 0) + (after.lost or 0)


def test_a_series_that_never_came_is_lost() -> None:
    before, during = counting.scrapes(SCRAPED, [Window("none", 1), Window("kill", 61)], [], 15_000, 180_000)
    assert (before.stored, before.lost, during.stored) == (0, 11, 0)


def test_replicas_that_differ() -> None:
    assert counting.replicas_differ(WINDOWS, [ALL, ALL]) == [0, 0]
    assert counting.replicas_differ(WINDOWS, [{**ALL, 3: 2}, {number: 1 for number in ALL if number < 9}]) == [1, 2]


@pytest.mark.parametrize(
    ("first", "failed", "before", "during"),
    [
        (1, (), (2, 0, 0.0), (3, 0, 0.0)),
        (2, (), (2, 0, 0.0), (3, 0, 0.0)),
        (3, (), (1, 0, 0.0), (3, 0, 0.0)),
        (1, (5, 9), (2, 0, 0.0), (3, 2, 2.0)),
        (1, (7, 9), (2, 0, 0.0), (3, 2, 4.0)),
        # One that begins in a window is that window's, as far as it goes.
        (2, (4, 6), (2, 1, 4.0), (3, 1, 0.0)),
        (0, (), (0, 0, 0.0), (0, 0, 0.0)),
    ],
    ids=["all answered", "of the other events", "from the third on", "two failed", "two in a row", "over the border", "never answered"],
)
def test_queries(first: int, failed: tuple[int, ...], before: tuple[Any, ...], during: tuple[Any, ...]) -> None:
    found = counting.queries(RUN, WINDOWS, "mimir-queries-new", first, dict.fromkeys(failed, "timeout"))
    assert [(line.requests, line.failed, line.longest_outage_seconds) for line in found] == [before, during]
    assert [line.store for line in found] == ["mimir", "mimir"]
    assert [line.detail for line in found] == ["timeout" if line.failed else "" for line in found]


@pytest.mark.parametrize(
    ("requests", "failed", "longest", "permitted", "problem"),
    [
        (100, 0, 0.0, 0, ""),
        (100, 1, 0.2, 0, "1 failed, expected: none; timeout"),
        (100, 9, 5.0, 5, ""),
        (100, 9, 5.2, 5, "no answer for 5.2 s, expected: at most 5 s; timeout"),
        (100, 99, 60.0, None, ""),
        (0, 0, 0.0, None, "no query was answered"),
    ],
)
def test_limits_of_queries(requests: int, failed: int, longest: float, permitted: float | None, problem: str) -> None:
    reason = "timeout" if failed else ""
    row = Result("loki-queries-kept", "kill", "loki", "ok", requests=requests, failed=failed, longest_outage_seconds=longest, detail=reason)
    judged = results.judge(row, Window("kill", 1, outage=permitted))
    assert (judged.status, judged.detail) == ("failed", problem) if problem else ("ok", reason)


@pytest.mark.parametrize(
    ("waiting", "uploaded", "problem"), [(6, 6, ""), (6, 5, "1 not uploaded, expected: none"), (0, 0, "nothing was sent")]
)
def test_what_waited_for_the_object_storage_has_to_be_uploaded(waiting: int, uploaded: int, problem: str) -> None:
    found = uploads.row("mimir", waiting, uploaded, 12.34)
    assert (found.path, found.sent, found.stored, found.seconds_behind) == ("blocks", waiting, uploaded, 12.3)
    assert (found.status, found.detail) == ("failed" if problem else "ok", problem)


def test_the_generator_is_elsewhere_when_its_node_is_lost() -> None:
    faults, nodes = FAULTS["ha"], ["a", "b", "c"]
    found = session.places(faults, nodes, "b")
    assert [(node, [fault.node for fault in chosen if fault.node]) for node, chosen in found] == [("b", [1, 3]), ("a", [2])]
    assert sum(len(chosen) for _, chosen in found) == len(faults)
    assert session.places([fault for fault in faults if not fault.node], nodes, "b")[0][0] == "b"
    assert all(not fault.node or nodes[fault.node - 1] != node for node, chosen in found for fault in chosen)


def line(path: str, **changes: Any) -> Result:
    return Result(
        path,
        "kill",
        results.STORES[path],
        "ok",
        **{"sent": 9, "stored": 9, "lost": 0, "duplicated": 0, "longest_gap_seconds": 1.0, **changes},
    )


@pytest.mark.parametrize(
    ("path", "changes", "deaths", "problem"),
    [
        ("remote-write", {}, 0, ""),
        ("remote-write", {"lost": 1}, 1, "1 lost, expected: none"),
        ("otlp-logs", {"duplicated": 2}, 0, "2 duplicated, expected: none"),
        ("otlp-metrics-grpc", {"replicas_differ": 3}, 0, "3 not the same in every Prometheus replica, expected: none"),
        ("stdout-logs", {"duplicated": 2}, 0, ""),
        ("stdout-logs", {"lost": 2}, 0, "2 lost, expected: none"),
        ("scrape", {"scrapes_lost": 1, "lost": 1}, 1, ""),
        ("scrape", {"scrapes_lost": 1, "lost": 1}, 0, "1 scrapes lost, expected: none"),
        ("scrape", {"scrapes_lost": 2, "lost": 2}, 1, "2 scrapes lost, expected: at most 1"),
        ("scrape", {"duplicated": 2}, 0, ""),
        ("scrape", {"duplicated": 3}, 0, "3 duplicated, expected: at most 2"),
        ("otlp-logs", {"sent": 0, "stored": 0}, 0, "nothing was sent"),
    ],
)
def test_limits(path: str, changes: dict[str, int], deaths: int, problem: str) -> None:
    judged = results.judge(line(path, **changes), Window("kill", 1, deaths))
    assert (judged.status, judged.detail) == ("failed" if problem else "ok", problem)


def test_the_report_has_the_optional_figures_only_where_they_mean_something() -> None:
    keys = {"path", "fault", "store", "status", "sent", "stored", "lost", "duplicated", "longest_gap_seconds", "detail"}
    assert set(line("otlp-logs").to_dict()) == keys
    assert set(line("scrape", scrapes_lost=0).to_dict()) == {*keys, "scrapes_lost"}
    assert set(line("remote-write", replicas_differ=0).to_dict()) == {*keys, "replicas_differ"}


def test_the_table_has_a_row_for_what_was_tested_and_a_reason_for_what_was_not() -> None:
    skipped = [
        results.not_tested(path, fault, "no Alloy") for fault in ("kill", "alloy-delete") for path in ("remote-write", "stdout-logs")
    ]
    text = report.table([line("remote-write"), *skipped[1:]])
    assert text.splitlines()[1].split() == ["kill", "remote-write", "9", "9", "0", "0", "1.0", "s", "ok"]
    assert text.splitlines()[2] == "not tested: stdout-logs, alloy-delete (no Alloy)"


COST = counting.Cost(seconds_behind=2.5, cpu_seconds=3.0, peak_memory=150e6)


def test_each_profile_has_a_report_that_names_it(tmp_path: Path) -> None:
    paths = {report.path(tmp_path, profile) for profile in FAULTS}
    assert len(paths) == len(FAULTS)
    report.write(report.path(tmp_path, "ha"), "ha", [line("remote-write")])
    assert json.loads((tmp_path / "failover-ha.json").read_text())[0]["profile"] == "ha"


def test_the_table_has_parts_of_their_own_for_queries_and_for_uploads() -> None:
    asked = Result("mimir-queries-kept", "kill", "mimir", "ok", requests=90, failed=2, longest_outage_seconds=0.4, detail="timeout")
    text = report.table([line("remote-write"), asked, uploads.row("loki", 6, 6, 31.0)])
    events, queries, waited = text.split("\n\n")
    assert "longest gap" in events
    assert queries.splitlines()[1].split() == ["kill", "mimir-queries-kept", "90", "2", "0.4", "s", "ok", "timeout"]
    assert waited.splitlines()[1].split() == ["storage-outage", "chunks", "6", "6", "0", "0", "31", "s", "ok"]


def counted(*missing: int, again: Sequence[int] = (), lines: int = 1000) -> bytearray:
    numbers = [number for number in range(1, lines + 1) if number not in missing]
    return counting.copies_of_lines(lines, [*numbers, *again], "loki")


@pytest.mark.parametrize(
    ("stored", "kills", "expected", "detail"),
    [
        ({"a": counted()}, 0, ("ok", 1000, 1000, 0, 0), ""),
        ({"a": counted(), "b": counted(again=[7, 7, 8])}, 0, ("ok", 2000, 2000, 0, 3), ""),
        ({"a": counted(), "b": counted(5)}, 0, ("failed", 2000, 1999, 1, 0), "1 lost, expected: none (missing: b 5-5)"),
        ({"a": counted(*range(1, 101))}, 1, ("ok", 1000, 900, 100, 0), ""),
        ({"a": counted(*range(1, 102))}, 1, ("failed", 1000, 899, 101, 0), "101 lost, expected: at most 100 (missing: a 1-101)"),
        ({"a": counted(*range(1, 102))}, 2, ("ok", 1000, 899, 101, 0), ""),
        # A copy of one line does not stand for another.
        ({"a": counted(9, again=[8])}, 0, ("failed", 1000, 999, 1, 1), "1 lost, expected: none (missing: a 9-9)"),
        (
            {"a": counted(1, 3, 5, 7, 1000)},
            0,
            ("failed", 1000, 995, 5, 0),
            "5 lost, expected: none (missing: a 1-1, a 3-3, a 5-5 and 2 more)",
        ),
        ({"a": counted(lines=0)}, 0, ("failed", 0, 0, 0, 0), "nothing was sent"),
    ],
)
def test_lines_of_files(stored: dict[str, bytearray], kills: int, expected: tuple[Any, ...], detail: str) -> None:
    found = counting.log_lines("log-files 1 MB/s", "alloy-kill", stored, 200, kills, COST)
    assert (found.status, found.sent, found.stored, found.lost, found.duplicated) == expected
    assert found.detail == detail


def test_lines_of_files_have_their_cost_in_the_report() -> None:
    found = counting.log_lines("log-files 1 MB/s", "log-rotation", {"a": counted(), "b": counted()}, 150, 0, COST).to_dict()
    assert found["megabytes"] == 0.3
    assert found["cpu_seconds_per_megabyte"] == 10.0
    assert found["peak_memory_megabytes"] == 150
    assert found["seconds_behind"] == 2.5
    assert "kills" not in found


def test_a_line_that_was_never_written_is_an_error() -> None:
    for number in (0, 1001, -1):
        with pytest.raises(UnexpectedDataError, match="never written"):
            counting.copies_of_lines(1000, [number], "loki")


@given(st.lists(st.booleans(), max_size=60))
def test_gaps_hold_what_is_missing_and_nothing_else(there: list[bool]) -> None:
    found = counting.gaps([1, *map(int, there)])
    missing = [number for number, present in enumerate(there, 1) if not present]
    assert [number for first, last in found for number in range(first, last + 1)] == missing
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(found))


def test_the_table_has_a_part_of_its_own_for_log_files() -> None:
    files = counting.log_lines("log-files 1 MB/s", "log-rotation", {"a": counted()}, 1000, 0, COST)
    head, row = report.table([files, results.not_tested("log-files 2 MB/s", "alloy-restart", "no Alloy")]).splitlines()[:2]
    assert "CPU s per 100 MB" in head
    assert row.split() == [
        "log-rotation", "log-files", "1", "MB/s", "1000", "1000", "0", "0", "1", "2", "s", "300.0", "150", "MB", "ok",
    ]  # fmt: skip
    both = report.table([line("remote-write"), files])
    assert "longest gap" in both
    assert "CPU s per 100 MB" in both


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from("ab"), st.integers(1, 3)), max_size=80), st.integers(1, 20))
def test_lines_are_read_in_order_although_an_answer_is_limited(entries: list[tuple[int, str, int]], limit: int) -> None:
    wanted = sorted((time, pod, str(number)) for time, pod, number in entries)

    def read(start: int) -> list[tuple[int, str, str]]:
        return [entry for entry in wanted if entry[0] >= start][:limit]

    times = [time for time, *_ in wanted]
    if any(times.count(time) >= limit for time in times):
        with pytest.raises(ClusterError, match="cannot be distinguished"):
            list(in_order(read, limit, 0))
    else:
        assert list(in_order(read, limit, 0)) == wanted


def test_writers_get_the_run_id_and_the_size_of_their_load() -> None:
    for fault in LOG_FAULTS:
        for load in fault.loads:
            pod = generator.skeleton(inventories.stack(), "writer-1", "failover-writer", "node-2", load.arguments("failover-1"))
            (container,) = pod["spec"]["containers"]
            assert {"--run-id=failover-1", f"--lines={load.lines}", f"--line-bytes={load.length}"} <= set(container["args"])
            assert load.lines > 0
            # The shortest line still has its number.
            assert load.length >= len('{"run":"failover-12345678","number":1000000,"fill":""}\n')


def test_the_faults_of_a_profile_have_names_of_their_own() -> None:
    assert set(FAULTS) == set(catalogue.PROFILES)
    for faults in FAULTS.values():
        names = [*(fault.name for fault in faults), *(fault.name for fault in LOG_FAULTS)]
        assert len(names) == len(set(names))
        assert names[0] == "none"


@given(st.lists(st.integers(0, 1000), max_size=100), st.integers(1, 20))
def test_everything_is_read_although_an_answer_is_limited(times: list[int], limit: int) -> None:
    def read(start: int, end: int) -> list[str]:
        return [str(time) for time in sorted(times) if start <= time < end][:limit]

    if any(times.count(time) >= limit for time in times):
        with pytest.raises(ClusterError, match="cannot be distinguished"):
            everything(read, limit, 0, 1001)
    else:
        assert everything(read, limit, 0, 1001) == [str(time) for time in sorted(times)]


def test_the_generator_pushes_to_every_prometheus_replica_and_is_scraped() -> None:
    pod = generator.pod(inventories.stack(), "failover-1", "node-2", ["scrape", "remote-write"], "200ms", {})
    (container,) = pod["spec"]["containers"]
    urls = [argument.partition("=")[2] for argument in container["args"] if argument.startswith("--remote-write-url=")]
    assert urls == [f"http://prometheus-{n}.prometheus-headless.observability.svc.cluster.local:9090/api/v1/write" for n in (0, 1)]
    assert "--otlp-grpc-endpoint=otel-collector.observability.svc.cluster.local:4317" in container["args"]
    assert pod["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
    assert (pod["spec"]["nodeName"], pod["spec"]["restartPolicy"]) == ("node-2", "Never")


def test_queries_count_once_every_replica_has_data() -> None:
    status = [
        {"name": "mimir-queries-kept", "first": 7, "failed": [{"number": 9, "error": "no data"}, {"number": 91, "error": "timeout"}]},
        {"name": "loki-queries-new", "first": 0, "failed": []},
    ]
    found = queries.accounts(status)
    begun, failed = found["mimir-queries-kept"]
    assert 9 < begun < 91
    # It asks for every second event.
    assert begun % 2 == 7 % 2
    assert failed == {9: "no data", 91: "timeout"}
    assert found["loki-queries-new"] == (0, {})


def placed(name: str, node: str) -> dict[str, Any]:
    return {"metadata": {"labels": {"app.kubernetes.io/name": name}}, "spec": {"nodeName": node}}


def test_the_generator_is_where_prometheus_is_not() -> None:
    pods = [placed("prometheus", "a"), placed("prometheus", "b"), placed("otel-collector", "c"), placed("otel-collector", "a")]
    assert generator.choose_node(["a", "b", "c"], pods) == "c"
    assert generator.choose_node(["a", "b"], pods) == "b"


def test_only_the_generator_may_push_to_prometheus_and_query_the_stores_from_its_namespace() -> None:
    stack = inventories.stack(observability_namespace="monitoring")
    found = {
        policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"]: policy
        for policy in queries.policies(stack, generator.NAMESPACE, "failover")
    }
    assert {name: [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]] for name, policy in found.items()} == {
        "mimir": [8080], "prometheus": [9090], "loki": [3100],
    }  # fmt: skip
    assert len({policy["metadata"]["name"] for policy in found.values()}) == 3
    for policy in found.values():
        assert policy["metadata"]["namespace"] == "monitoring"
        (rule,) = policy["spec"]["ingress"]
        assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": generator.NAMESPACE}}}]


def test_the_generator_queries_the_stores_of_its_paths_at_the_addresses_of_their_services() -> None:
    addresses = {"mimir": "10.96.0.7", "prometheus": "10.96.0.8", "loki": "[fd00::9]"}

    def asked(*paths: str, **variables: Any) -> list[str]:
        pod = generator.pod(inventories.stack(**variables), "failover-1", "node-2", paths, "200ms", addresses)
        (container,) = pod["spec"]["containers"]
        return [argument.removeprefix("--query") for argument in container["args"] if argument.startswith("--query")]

    mimir, prometheus, loki = asked("remote-write", "otlp-logs")
    assert mimir.startswith("=mimir-queries=http://10.96.0.7:8080/prometheus/api/v1/query?query=count")
    assert prometheus.startswith("=prometheus-queries=http://10.96.0.8:9090/api/v1/query?query=count")
    assert loki.startswith("=loki-queries=http://[fd00::9]:3100/loki/api/v1/query_range?query=")
    names = {argument.split("=")[1] for argument in (mimir, prometheus, loki)}
    assert {f"{name}-{connections}" for name in names for connections in ("kept", "new")} == set(results.QUERIES)
    # The program takes several values with commas between them.
    assert not any("," in argument for argument in (mimir, prometheus, loki))
    assert [argument.split("=")[1] for argument in asked("scrape")] == ["mimir-queries", "prometheus-queries"]
    # Lines on stdout are in another stream, if there is an Alloy.
    assert asked("stdout-logs") == []
    assert asked("scrape", observability_tenant="north")[-1] == "-tenant=north"
