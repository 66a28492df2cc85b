"""Addresses of the ingress, and what is said when it cannot be reached."""

from __future__ import annotations

import socket
import threading

import pytest
from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError
from ansible_collections.observability.stack.plugins.module_utils.verify.ingress_client import IngressClient, _shown, split_address


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


def test_a_port_that_is_no_number_is_rejected() -> None:
    with pytest.raises(ClusterError, match="'host:https' is no address"):
        split_address("host:https", 443)


def test_nothing_listening_and_no_tls_have_messages_of_their_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(ClusterError, match="does not speak TLS"):
            IngressClient(address, None, "", 5).request("grafana.example.com", "GET", "/")
        thread.join()
    with pytest.raises(ClusterError, match="nothing listens at"):
        IngressClient(address, None, "", 5).request("grafana.example.com", "GET", "/")
