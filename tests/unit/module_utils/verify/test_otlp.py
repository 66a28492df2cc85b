"""OTLP messages, and calls that fail."""

from __future__ import annotations

import json
import socket

import pytest
from ansible_collections.observability.stack.plugins.module_utils.verify import otlp

from tests.unit.module_utils.verify.serving import fields


def test_both_encodings_of_a_sample_say_the_same() -> None:
    text = json.loads(otlp.metrics_json({"service.name": "verify"}, "gauge", {"run": "é" * 200}, 4.5, 1700000000123))
    binary = otlp.metrics_protobuf({"service.name": "verify"}, "gauge", {"run": "é" * 200}, 4.5, 1700000000123)
    ((_, resource_metrics),) = fields(binary)
    resource, scope = (content for _number, content in fields(resource_metrics))
    assert b"service.name" in resource
    assert b"verify" in resource
    ((_, metric),) = fields(scope)
    assert text["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["name"].encode() in metric
    assert ("é" * 200).encode() in metric


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({}, ""),
        ({"partialSuccess": {}}, ""),
        ({"partialSuccess": {"rejectedDataPoints": "2", "errorMessage": "too old"}}, "2 rejected: too old"),
        ({"partialSuccess": {"rejectedLogRecords": "1"}}, "1 rejected: "),
    ],
)
def test_a_partial_success_is_a_rejection(answer: dict[str, object], reason: str) -> None:
    assert otlp.rejected(answer) == reason


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_a_port_without_grpc_is_named(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(said)
    theirs.shutdown(socket.SHUT_WR)
    with theirs, pytest.raises(otlp.OtlpError, match="collector:4317"):
        otlp.grpc_call(ours, "collector:4317", otlp.METRICS_METHOD, b"")
