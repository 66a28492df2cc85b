"""What is older than the retention goes: from queries, and from the disk.

The real programs, as rendered; only the intervals at which they work are shorter (the flags of LOKI and MIMIR). A restart stands for the
minute after which Loki deletes expired chunks.
"""

from __future__ import annotations

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from ansible_collections.observability.stack.plugins.module_utils.verify import maintenance, stores

from tests.retention.pods import Objects, Pod, wait_for
from tools.lab.images import Image

DAY = 24 * 3600
# Older than the retention, younger than what Loki takes at all.
AGE = 5 * DAY
LINES, SAMPLES = 2000, 2000
LOKI = ("-compactor.compaction-interval=1s", "-compactor.retention-delete-delay=1s")
MIMIR = ("-compactor.cleanup-interval=2s", "-compactor.deletion-delay=0s", "-blocks-storage.bucket-store.sync-interval=2s")
PATIENCE = 60


@dataclass(frozen=True)
class Outcome:
    """What was found in the end: how much of the old and of the new, bytes on the disk before and after, metrics, and the log."""

    old: int
    new: int
    before: int
    after: int
    page: dict[tuple[str, str, stores.Labels], float]
    log: str


def size(directory: Path) -> int:
    """Return the bytes of the files in a directory; one that goes while it is looked at counts nothing."""
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def metrics(pod: Pod, component: str) -> dict[tuple[str, str, stores.Labels], float]:
    """Return what verification reads of a store's compactor."""
    shown = stores.exposition(pod.request("GET", "/metrics").text, maintenance.TASK_METRICS[component])
    return {("pod-0", name, labels): value for (name, labels), value in shown.items()}


def ask(pod: Pod, path: str, **query: Any) -> Any:
    """Return the result of a query."""
    return stores._data(pod.request("GET", f"{path}?{urlencode(query)}"), path)


# --- Loki -------------------------------------------------------------------------------------------------------------


def push_lines(pod: Pod, stream: str, at: float) -> None:
    """Push LINES lines of a stream, from a time on, as many a second; of random text, so that they cannot be packed."""
    values = [[str(int((at + number / LINES) * 1e9)), secrets.token_hex(500)] for number in range(LINES)]
    body = json.dumps({"streams": [{"stream": {"stream": stream}, "values": values}]}).encode()
    answer = pod.request("POST", "/loki/api/v1/push", body, {"content-type": "application/json"})
    assert answer.status == 204, answer.excerpt()


def lines(pod: Pod, stream: str, at: float) -> int:
    """Return how many lines of a stream are found around a time."""
    found = ask(
        pod,
        "/loki/api/v1/query_range",
        query=f'{{stream="{stream}"}}',
        start=int((at - 60) * 1e9),
        end=int((at + 60) * 1e9),
        limit=LINES + 1,
    )
    return sum(len(entry["values"]) for entry in found)


def loki(objects: Objects, image: Image, directory: Path, *without: str) -> Outcome:
    """Let a Loki apply its retention to what is five days old."""
    directory.mkdir()
    pod = Pod(objects, image, directory, without=without)
    now = time.time()
    chunks = pod.volume("data") / "chunks"
    with pod.running():
        pod.wait_ready()
        push_lines(pod, "old", now - AGE)
        push_lines(pod, "new", now - 10)
    # Its shutdown has written every chunk and the index.
    before = size(chunks)
    retention, _ = maintenance.TASKS["loki"]
    with pod.running(*LOKI):
        pod.wait_ready()

        def tried() -> bool:
            page = metrics(pod, "loki")
            return any(name == retention.failures and value >= 2 for (_, name, _), value in page.items())

        wait_for(tried, PATIENCE, "Loki does not apply its retention")
    with pod.running(*LOKI):
        pod.wait_ready()
        if not without:
            wait_for(lambda: size(chunks) < 0.7 * before, PATIENCE, "Loki's chunks stay on the disk")
        wait_for(tried, PATIENCE, "Loki does not apply its retention")
        return Outcome(lines(pod, "old", now - AGE), lines(pod, "new", now - 10), before, size(chunks), metrics(pod, "loki"), pod.log)


# --- Mimir ------------------------------------------------------------------------------------------------------------


def push_samples(pod: Pod, name: str, at: float) -> None:
    """Push SAMPLES samples of ten series, from a time on, and have them written as a block."""
    points = [
        {
            "timeUnixNano": str(int((at + number // 10) * 1e9)),
            "asDouble": secrets.randbelow(10**9) / 7,
            "attributes": [_attribute("n", number % 10)],
        }
        for number in range(SAMPLES)
    ]
    scope = {"metrics": [{"name": name, "gauge": {"dataPoints": points}}]}
    body = json.dumps({"resourceMetrics": [{"resource": {}, "scopeMetrics": [scope]}]}).encode()
    answer = pod.request("POST", "/otlp/v1/metrics", body, {"content-type": "application/json"})
    assert answer.status == 200, answer.excerpt()
    answer = pod.request("POST", "/ingester/flush?wait=true")
    assert answer.status in (200, 204), answer.excerpt()


def _attribute(key: str, value: int) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": str(value)}}


def samples(pod: Pod, name: str, at: float) -> int:
    """Return how many samples of a metric are found in the time from `at` on in which they were pushed."""
    end = at + SAMPLES / 10
    found = ask(pod, "/prometheus/api/v1/query", query=f"{name}[{SAMPLES // 10 + 60}s]", time=f"{end:.3f}")
    return sum(len(entry["values"]) for entry in found)


def mimir(objects: Objects, image: Image, directory: Path) -> Outcome:
    """Let a Mimir apply its retention to what is five days old."""
    directory.mkdir()
    pod = Pod(objects, image, directory)
    now = time.time() - SAMPLES / 10
    blocks = pod.volume("data") / "blocks"
    with pod.running():
        pod.wait_ready()
        push_samples(pod, "old", now - AGE)
        push_samples(pod, "new", now)
        before = size(blocks)
    with pod.running(*MIMIR):
        pod.wait_ready()
        wait_for(lambda: size(blocks) < 0.7 * before, PATIENCE, "Mimir's blocks stay on the disk")
        wait_for(lambda: samples(pod, "new", now) == SAMPLES, PATIENCE, "Mimir lost what is new")
        return Outcome(samples(pod, "old", now - AGE), samples(pod, "new", now), before, size(blocks), metrics(pod, "mimir"), pod.log)


# --- the tests --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcomes(rendered: dict[str, Objects], image: dict[str, Image], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Run all three at once: most of the time each of them waits."""
    directory = tmp_path_factory.mktemp("pods")
    with ThreadPoolExecutor() as pool:
        runs = {}
        if "loki" in image:
            runs["loki"] = pool.submit(loki, rendered["loki"], image["loki"], directory / "loki")
            runs["loki without /tmp"] = pool.submit(loki, rendered["loki"], image["loki"], directory / "without", "temporary")
        if "mimir" in image:
            runs["mimir"] = pool.submit(mimir, rendered["mimir"], image["mimir"], directory / "mimir")
        return {name: run.result() for name, run in runs.items()}


STORES = [pytest.param(store, count, marks=pytest.mark.needs(store)) for store, count in (("loki", LINES), ("mimir", SAMPLES))]


@pytest.mark.parametrize(("store", "count"), STORES)
def test_what_is_older_than_the_retention_goes_and_the_disk_gets_smaller(store: str, count: int, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[store]
    assert (outcome.old, outcome.new) == (0, count)
    # Half of it was old; the rest is small: indexes and the list of expired chunks.
    assert outcome.after < 0.7 * outcome.before
    assert maintenance.neglected(maintenance.TASKS[store], outcome.page, time.time()) == []


@pytest.mark.needs("loki")
def test_without_a_place_for_temporary_files_loki_keeps_everything_and_verification_says_so(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["loki without /tmp"]
    assert (outcome.old, outcome.new) == (LINES, LINES)
    assert "read-only file system" in outcome.log
    (problem,) = maintenance.neglected(maintenance.TASKS["loki"], outcome.page, time.time())
    assert "retention has failed" in problem


@pytest.mark.parametrize(("store", "count"), STORES)
def test_verification_reads_metrics_that_the_store_has(store: str, count: int, outcomes: dict[str, Outcome]) -> None:
    assert count
    shown = {name for _, name, _ in outcomes[store].page}
    # A failure is counted in a series of its own, which is there once there was one.
    assert {maintenance.STARTED, *(task.success for task in maintenance.TASKS[store])} <= shown
