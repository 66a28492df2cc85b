"""A burst beyond Loki's limits is delayed, and no line of it is lost: the real program, as rendered, with requests of several streams."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.retention.pods import Objects, Pod
from tools.lab.images import Image

# A request, in lines; 4 MB/s and a burst of 16 MB are taken at once, so so many requests have to be delayed.
LINES, LENGTH, REQUESTS = 100, 10_000, 40
PATIENCE = 60.0


def body(first: int, start: int) -> bytes:
    """Return a request with lines of a loud stream, and one line of a quiet stream behind them."""
    loud = [[str(start + number), f"{number} {'x' * LENGTH}"] for number in range(first, first + LINES)]
    quiet = [[str(start + first), "one line"]]
    streams = [{"stream": {"stream": "loud"}, "values": loud}, {"stream": {"stream": "quiet"}, "values": quiet}]
    return json.dumps({"streams": streams}).encode()


def sent(pod: Pod) -> tuple[int, int]:
    """Send everything, again what is answered 429, and return how many requests were delayed and how many lines are stored then."""
    start, delayed, end = time.time_ns() - 10**9, 0, time.monotonic() + PATIENCE
    for number in range(REQUESTS):
        request = body(number * LINES, start)
        while (answer := pod.request("POST", "/loki/api/v1/push", request, {"content-type": "application/json"})).status == 429:
            delayed += 1
            assert time.monotonic() < end, "Loki does not take what it should only delay"
            time.sleep(0.1)
        assert answer.status == 204, answer.excerpt()
    query = {"query": 'sum(count_over_time({stream="loud"}[5m]))', "time": str(int(time.time()) + 5)}
    found = pod.request("GET", f"/loki/api/v1/query?{urlencode(query)}").json()["data"]["result"]
    return delayed, int(found[0]["value"][1]) if found else 0


@pytest.mark.needs("loki")
def test_a_burst_is_delayed_and_no_line_of_it_is_lost(rendered: dict[str, Objects], image: dict[str, Image], tmp_path: Path) -> None:
    pod = Pod(rendered["loki"], image["loki"], tmp_path)
    with pod.running():
        pod.wait_ready()
        delayed, stored = sent(pod)
    assert delayed > 0, "nothing was beyond the limits, so nothing was tested"
    assert stored == REQUESTS * LINES


@pytest.mark.needs("loki")
def test_a_limit_of_single_streams_loses_lines_silently(rendered: dict[str, Objects], image: dict[str, Image], tmp_path: Path) -> None:
    """Why the limit of a stream is far above that of all: what it rejects is answered with a success when another stream comes last."""
    pod = Pod(rendered["loki"], image["loki"], tmp_path)
    with pod.running("-ingester.per-stream-rate-limit=1MB", "-ingester.per-stream-rate-limit-burst=1MB"):
        pod.wait_ready()
        _delayed, stored = sent(pod)
    assert stored < REQUESTS * LINES
