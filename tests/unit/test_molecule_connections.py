"""What the test of the network policies on a cluster tries, and how it reads the results."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError

from tests.molecule import connections

SERVICES: list[dict[str, Any]] = [
    {"metadata": {"name": "mimir"}, "spec": {"clusterIP": "10.96.0.7", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]}},
    {"metadata": {"name": "mimir-headless"}, "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 8080}]}},
    {"metadata": {"name": "elsewhere"}, "spec": {"type": "ExternalName"}},
    {
        "metadata": {"name": "loki"},
        "spec": {"clusterIP": "fd00::1", "ports": [{"name": "http", "port": 3100}, {"name": "dns", "port": 53, "protocol": "UDP"}]},
    },
]
TARGETS = {"mimir:http": "10.96.0.7:8080", "loki:http": "[fd00::1]:3100"}


def line(address: str, **fields: object) -> str:
    return json.dumps({"address": address, **fields})


def test_every_tcp_port_of_a_service_with_an_address_is_tried() -> None:
    assert connections.addresses(SERVICES) == TARGETS


def test_what_was_established_is_told_apart_from_the_rest() -> None:
    log = [line("10.96.0.7:8080", established=True), line("[fd00::1]:3100", established=False, error="i/o timeout")]
    assert connections.results(TARGETS, log) == {"established": ["mimir:http"], "others": {"loki:http": "i/o timeout"}}


def test_an_address_that_was_not_tried_does_not_count_as_closed() -> None:
    with pytest.raises(ClusterError, match=r"no line for \[fd00::1\]:3100"):
        connections.results(TARGETS, [line("10.96.0.7:8080", established=True)])


def test_the_pod_may_run_where_pod_security_is_strictest() -> None:
    spec = connections.pod(TARGETS)["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert spec["containers"][0]["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert "--connect=10.96.0.7:8080,[fd00::1]:3100" in spec["containers"][0]["args"]
    assert "labels" not in connections.pod(TARGETS)["metadata"]
