"""The client against a real TLS server: what it counts as a failure, and what it does not."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.upgrade.results import Request
from tests.upgrade.watching import Client
from tools.lab.certificates import Authority

Answer = Callable[[ssl.SSLSocket, int], bool]
_DENIED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
_BROKEN = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno"


def good(connection: ssl.SSLSocket, _number: int) -> bool:
    """Answer as the ingress does without credentials."""
    connection.sendall(_DENIED)
    return True


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Answer], dict[str, Any]]]:
    """Return a function that starts a server and gives the plan for it. An answer says whether its connection goes on."""
    authority = Authority(tmp_path)
    pair = authority.issue("server", "host.example.test", hosts=["host.example.test"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    listener = socket.create_server(("127.0.0.1", 0))

    def one(plain: socket.socket, answer: Answer) -> None:
        number = 0
        try:
            with context.wrap_socket(plain, server_side=True) as connection:
                while connection.recv(65536):
                    number += 1
                    if not answer(connection, number):
                        return
        except OSError:
            return

    def every(answer: Answer) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(plain, answer), daemon=True).start()

    def start(answer: Answer) -> dict[str, Any]:
        threading.Thread(target=every, args=(answer,), daemon=True).start()
        target = {"component": "ingress", "host": "host.example.test", "path": "/", "headers": {}, "expects": "login"}
        return {
            "address": "127.0.0.1",
            "port": listener.getsockname()[1],
            "ca": authority.pair.certificate.read_text(),
            "interval": 0.1,
            "run": {"start": 0, "interval": 1},
            "targets": [target],
        }

    yield start
    listener.close()


def asked(plan: dict[str, Any], path: Path, seconds: float = 2.0) -> tuple[list[Request], list[Request]]:
    """Return what became of requests over the kept connection, and over new ones."""
    with Client(plan, path) as client:
        time.sleep(seconds)
    requests = client.requests()
    return [item for item in requests if item.kept], [item for item in requests if not item.kept]


def test_good_answers_are_no_failures(serve: Callable[[Answer], dict[str, Any]], tmp_path: Path) -> None:
    for found in asked(serve(good), tmp_path / "requests"):
        assert len(found) >= 5
        assert not [request for request in found if request.error]


def test_a_connection_that_is_closed_between_two_requests_is_no_failure(serve: Callable[[Answer], dict[str, Any]], tmp_path: Path) -> None:
    def closing(connection: ssl.SSLSocket, number: int) -> bool:
        return good(connection, number) and number < 2

    kept, _ = asked(serve(closing), tmp_path / "requests")
    assert len(kept) >= 5
    assert not [request.error for request in kept if request.error]


def test_a_connection_that_is_closed_in_place_of_an_answer_is_a_failure(serve: Callable[[Answer], dict[str, Any]], tmp_path: Path) -> None:
    kept, _ = asked(serve(lambda connection, number: number < 2 and good(connection, number)), tmp_path / "requests")
    errors = [request.error for request in kept]
    assert "" in errors
    assert any(error.startswith("RemoteDisconnected") for error in errors)


def test_another_status_is_a_failure(serve: Callable[[Answer], dict[str, Any]], tmp_path: Path) -> None:
    def broken(connection: ssl.SSLSocket, _number: int) -> bool:
        connection.sendall(_BROKEN)
        return True

    for found in asked(serve(broken), tmp_path / "requests"):
        assert found
        assert {request.error for request in found} == {"HTTP 503, not 401 (server: none)"}


def test_while_a_request_waits_others_are_sent_over_new_connections(serve: Callable[[Answer], dict[str, Any]], tmp_path: Path) -> None:
    def slow(connection: ssl.SSLSocket, number: int) -> bool:
        time.sleep(1.5)
        return good(connection, number)

    kept, new = asked(serve(slow), tmp_path / "requests")
    assert len(kept) <= 3
    assert len(new) >= 8
    assert min(request.seconds for request in new) >= 1.5


def test_a_certificate_of_another_authority_is_a_failure(serve: Callable[[Answer], dict[str, Any]], tmp_path: Path) -> None:
    plan = {**serve(good), "ca": Authority(tmp_path / "other").pair.certificate.read_text()}
    for found in asked(plan, tmp_path / "requests"):
        assert found
        assert all("CERTIFICATE_VERIFY_FAILED" in request.error for request in found)


def test_credentials_are_in_no_record(serve: Callable[[Answer], dict[str, Any]], tmp_path: Path) -> None:
    plan = serve(good)
    plan["targets"][0]["headers"] = {"authorization": "Basic c2VjcmV0"}
    asked(plan, tmp_path / "requests", 0.5)
    lines = (tmp_path / "requests").read_text()
    assert "c2VjcmV0" not in lines
    assert all(json.loads(line) for line in lines.splitlines())
