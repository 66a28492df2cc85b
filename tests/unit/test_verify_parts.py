"""What the proof is made of: addresses, pages of counters, OTLP messages, answers that are none."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest
from ansible_collections.observability.stack.plugins.module_utils import otlp, stores
from ansible_collections.observability.stack.plugins.module_utils.cluster import Answer, Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.ingress import Front, _shown, split_address
from ansible_collections.observability.stack.plugins.module_utils.run import Failed, Once

from tests.unit.verify_world import fields


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1", 443)),
        ("192.0.2.1:8443", ("192.0.2.1", 8443)),
        ("lb.example.com:80", ("lb.example.com", 80)),
        ("[2001:db8::1]", ("2001:db8::1", 443)),
        ("[2001:db8::1]:8443", ("2001:db8::1", 8443)),
        ("2001:db8::1", ("2001:db8::1", 443)),
    ],
)
def test_an_address_may_have_a_port(text: str, expected: tuple[str, int]) -> None:
    assert split_address(text, 443) == expected


def test_a_message_shows_an_address_as_it_is_written() -> None:
    assert [_shown(address) for address in (("192.0.2.1", 443), ("2001:db8::1", 443))] == ["192.0.2.1:443", "[2001:db8::1]:443"]


def test_a_port_that_is_none_is_refused() -> None:
    with pytest.raises(ClusterError, match="'host:https' is no address"):
        split_address("host:https", 443)


def test_nothing_listening_and_no_tls_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(ClusterError, match="does not speak TLS"):
            Front(address, None, "", 5).request("grafana.example.com", "GET", "/")
        thread.join()
    with pytest.raises(ClusterError, match="nothing listens at"):
        Front(address, None, "", 5).request("grafana.example.com", "GET", "/")


def test_an_unknown_context_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="context production"):
        Cluster(str(tmp_path / "kubeconfig"), "production", "observability")


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
def test_an_answer_that_is_none_names_the_store(answer: Answer) -> None:
    with pytest.raises(ClusterError):
        stores.series(answer, "mimir")
    with pytest.raises(ClusterError):
        stores.lines(answer, "loki")


def test_vectors_and_matrices_are_read_alike() -> None:
    def answered(entry: dict[str, object]) -> list[stores.Series]:
        return stores.series(Answer(200, json.dumps({"data": {"result": [entry]}}), {}), "mimir")

    vector = answered({"metric": {"a": "b"}, "value": [1700000000.123, "4"]})
    matrix = answered({"metric": {"a": "b"}, "values": [[1700000000.123, "4"]]})
    assert vector == matrix == [stores.Series({"a": "b"}, ((1700000000123, 4.0),))]


def test_both_encodings_of_a_sample_say_the_same() -> None:
    text = json.loads(otlp.metrics_json({"service.name": "verify"}, "gauge", {"run": "é" * 200}, 4.5, 1700000000123))
    binary = otlp.metrics_protobuf({"service.name": "verify"}, "gauge", {"run": "é" * 200}, 4.5, 1700000000123)
    ((_, resource_metrics),) = fields(binary)
    resource, scope = (content for _, content in fields(resource_metrics))
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
def test_a_partial_success_is_a_refusal(answer: dict[str, object], reason: str) -> None:
    assert otlp.rejected(answer) == reason


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_a_port_without_grpc_is_told(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(said)
    theirs.shutdown(socket.SHUT_WR)
    with theirs, pytest.raises(otlp.OtlpError, match="collector:4317"):
        otlp.grpc_call(ours, "collector:4317", otlp.METRICS_METHOD, b"")


def test_what_one_thread_could_not_make_fails_all() -> None:
    made = []

    def make() -> str:
        made.append(1)
        raise ClusterError("no way")

    value = Once(make)
    for _ in range(2):
        with pytest.raises(Failed, match="no way"):
            value()
    assert made == [1]
