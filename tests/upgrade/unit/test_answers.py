"""When an answer counts as a good one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.upgrade.answers import wrong

RUN = {"start": 1000.0, "interval": 0.25}
NOW = 1100.0


def metrics(*numbers: float) -> bytes:
    return json.dumps({"data": {"result": [{"metric": {}, "value": [NOW, str(number)]} for number in numbers]}}).encode()


def logs(*times: float) -> bytes:
    streams = [{"stream": {}, "values": [[str(int(time * 1e9)), "line"]]} for time in times]
    return json.dumps({"data": {"result": streams}}).encode()


@pytest.mark.parametrize(
    ("expects", "status", "body", "problem"),
    [
        ("login", 401, b"", ""),
        # Let in without credentials, or no answer of the ingress's own.
        ("login", 200, b"", "HTTP 200, not 401"),
        ("login", 503, b"", "HTTP 503, not 401"),
        ("metrics", 200, metrics(401), ""),
        ("metrics", 502, b"<html>\r\n<h1>502 Bad Gateway</h1>\r\n", "HTTP 502: 502 Bad Gateway"),
        ("metrics", 401, b"", "HTTP 401: "),
        ("metrics", 200, metrics(), "0 series instead of one"),
        ("metrics", 200, b"Found", "not an answer of a query API: Found"),
        ("metrics", 200, b'{"status": "error"}', 'not an answer of a query API: {"status": "error"}'),
        ("logs", 200, logs(1099.0, 1010.0), ""),
        ("logs", 200, logs(), "no lines"),
        ("logs", 200, b"[]", "not an answer of a query API: []"),
        ("logs", 200, logs(950.0), "the latest data is 150 s old"),
    ],
)
def test_answers(expects: str, status: int, body: bytes, problem: str) -> None:
    assert wrong(expects, status, body, RUN, NOW) == problem


@pytest.mark.parametrize(("now", "problem"), [(1219.0, ""), (1222.0, "the latest data is 122 s old")])
def test_old_data_is_a_wrong_answer(now: float, problem: str) -> None:
    found: Any = wrong("metrics", 200, metrics(401), RUN, now)
    assert found == problem
