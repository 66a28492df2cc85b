"""Queries that return every number in a store."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.observability.stack.plugins.module_utils.cluster import Answer, Cluster, ClusterError, Query
from ansible_collections.observability.stack.plugins.module_utils.stack.addressing import tenant_headers
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import port
from ansible_collections.observability.stack.plugins.module_utils.stack.model import Stack
from ansible_collections.observability.stack.plugins.module_utils.verify import stores

from tests.failover.counting import copies
from tests.failover.results import Run

# The series of each path, as the sample application names them.
SERIES = {
    "scrape": "sample_scrape_events_total",
    "otlp-metrics-grpc": "sample_otlp_grpc_number",
    "otlp-metrics-http": "sample_otlp_http_number",
    "remote-write": "sample_remote_write_number",
}
# Loki's own limit for the lines of one answer.
_LINES = 5000


@dataclass(frozen=True)
class Stores:
    """The stores of a stack, through port-forwards."""

    cluster: Cluster
    stack: Stack

    def _headers(self) -> Mapping[str, str]:
        return tenant_headers(self.stack)

    def mimir(self, path: str, query: Query) -> Answer:
        """Return what Mimir answers on a path of its Prometheus API."""
        return self.cluster.service("mimir", port("mimir", "http"), f"/prometheus{path}", query=query, headers=self._headers())

    def prometheus(self, replica: str, path: str, query: Query) -> Answer:
        """Return what one Prometheus replica answers."""
        return self.cluster.pod(replica, port("prometheus", "http"), path, query=query)

    def loki(self, path: str, query: Query) -> Answer:
        """Return what Loki answers."""
        return self.cluster.service("loki", port("loki", "http"), path, query=query, headers=self._headers())

    def samples(self, store: str, path: str, run: Run, seconds: int) -> list[tuple[int, float]]:
        """Return every sample (Unix milliseconds, value) of a path from the last `seconds`, of all series with the label of the run ID.

        `store` is `mimir` or a Prometheus pod. A range selector gives raw samples; a second series shows up as duplicates.
        """
        metrics = stores.Metrics(store, self.mimir if store == "mimir" else lambda where, query: self.prometheus(store, where, query))
        found = metrics.query(f'{SERIES[path]}{{run="{run.identifier}"}}[{seconds}s]')
        return [sample for series in found for sample in series.samples]

    def numbers(self, store: str, path: str, run: Run, seconds: int) -> Counter[int]:
        """Return how often a store of metrics has each event of a pushed path."""
        return copies(run, self.samples(store, path, run, seconds), f"{store} ({path})")

    def log_numbers(self, path: str, run: Run, seconds: int) -> Counter[int]:
        """Return how often Loki has each event of a path of logs, in whatever stream."""
        # Every stream has the label service_name, by OTLP or by Loki's own discovery.
        expression = f'{{service_name=~".+"}} |= `"run":"{run.identifier}"` |= `"path":"{path}"`'
        end = (run.time(run.last) + seconds * 1000) * 10**6
        found = everything(lambda begin, end: self._lines(expression, begin, end), _LINES, (run.start - 60_000) * 10**6, end)
        events = [json.loads(line) for line in found]
        return Counter(int(event["number"]) for event in events)

    def entries(self, selector: str, start: int) -> int:
        """Return roughly how many entries Loki has in the streams of a selector since `start` (Unix nanoseconds), quickly."""
        query = [("query", selector), ("start", str(start)), ("end", str(time.time_ns()))]
        answer = self.loki("/loki/api/v1/index/stats", query)
        if answer.status != 200:
            raise ClusterError(f"loki does not say how much it has: {answer.excerpt()}")
        return int(answer.json()["entries"])

    def written_lines(self, selector: str, start: int, end: int) -> Iterator[tuple[str, int]]:
        """Give (pod, number) of every line that Loki has between two times in Unix nanoseconds, `end` excluded.

        A line that the container runtime wrote in parts, on both sides of a rotation, is there in pieces: the one with the number counts.
        """
        number = '| regexp `"number":(?P<number>[0-9]+),"fill"` | number != ""'
        expression = f'{selector} {number} | line_format "{{{{.number}}}}" | keep pod'

        def read(begin: int) -> list[tuple[int, str, str]]:
            query = [("query", expression), ("start", str(begin)), ("end", str(end)), ("limit", str(_LINES)), ("direction", "forward")]
            return stores.entries(self.loki("/loki/api/v1/query_range", query), "loki", "pod")

        for _, pod, found in in_order(read, _LINES, start):
            yield pod, int(found)

    def _lines(self, expression: str, start: int, end: int) -> list[str]:
        """Return the oldest lines from `start` up to but not including `end`, in Unix nanoseconds; no more than the limit."""
        query = [("query", expression), ("start", str(start)), ("end", str(end)), ("limit", str(_LINES)), ("direction", "forward")]
        return stores.lines(self.loki("/loki/api/v1/query_range", query), "loki")


Entry = tuple[int, str, str]


def in_order(read: Callable[[int], list[Entry]], limit: int, start: int) -> Iterator[Entry]:
    """Give every entry (time, …) from `start` on, although `read` gives only the oldest `limit` entries from a time on.

    Entries with the last time of a full page may be cut off; they are read again. Raises ClusterError when a page has only one time.
    """
    while True:
        page = sorted(read(start))
        if len(page) < limit:
            yield from page
            return
        last = page[-1][0]
        if page[0][0] == last:
            raise ClusterError(f"{limit} lines or more at {last} ns: they cannot be distinguished")
        yield from (entry for entry in page if entry[0] < last)
        start = last


def everything(read: Callable[[int, int], list[str]], limit: int, start: int, end: int) -> list[str]:
    """Return what `read` gives for the range from `start` up to but not including `end`, although it gives at most `limit` lines at a time.

    A range that is too full is halved. Raises ClusterError when more than that have one and the same time.
    """
    found = read(start, end)
    if len(found) < limit:
        return found
    if end - start <= 1:
        raise ClusterError(f"{limit} lines or more at {start} ns: they cannot be distinguished")
    middle = (start + end) // 2
    return everything(read, limit, start, middle) + everything(read, limit, middle, end)
