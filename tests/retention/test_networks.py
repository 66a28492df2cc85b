"""The components come up with the one address that their pod has: a public IPv4, or only an IPv6. And they find each other under it."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError

from tests.retention.pods import Objects, Pod, wait_for
from tools.lab.images import Image

ADDRESSES = {"a public IPv4": "203.0.113.5", "only IPv6": "fd00:10:244:1::5"}
RINGS = {
    "loki": ("/ring", "/distributor/ring", "/scheduler/ring", "/compactor/ring"),
    "mimir": (
        "/ingester/ring", "/distributor/ring", "/querier/ring", "/store-gateway/ring", "/compactor/ring", "/ruler/ring",
    ),
}  # fmt: skip

COMPONENTS = [pytest.param(component, marks=pytest.mark.needs(component)) for component in RINGS]


def address_of(instance: dict[str, Any]) -> str:
    """Return the address, without the port, under which a ring knows an instance."""
    host, _, _ = str(instance["address"]).rpartition(":")
    return host.strip("[]")


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_every_ring_knows_the_address_of_the_pod(
    component: str, address: str, rendered: dict[str, Objects], image: dict[str, Image], tmp_path: Path
) -> None:
    with Pod(rendered[component], image[component], tmp_path, address).running() as pod:
        pod.wait_ready()
        for ring in RINGS[component]:
            answer = pod.request("GET", ring, headers={"accept": "application/json"})
            assert answer.status == 200, (ring, answer.excerpt())
            found = [address_of(instance) for instance in json.loads(answer.text)["shards"]]
            assert found == [address], ring
        for port in ("http", "grpc", "memberlist"):
            assert pod.connects(port)
        # Gossip: the one member is the pod itself.
        members = pod.request("GET", "/memberlist").text
        assert (f"[{address}]:7946" if ":" in address else f"{address}:7946") in members


# Loki alone takes the public IPv4 of a link that is called eth0.
@pytest.mark.parametrize(
    ("component", "address"),
    [
        pytest.param("mimir", "a public IPv4", marks=pytest.mark.needs("mimir")),
        pytest.param("mimir", "only IPv6", marks=pytest.mark.needs("mimir")),
        pytest.param("loki", "only IPv6", marks=pytest.mark.needs("loki")),
    ],
)
def test_without_being_told_they_do_not_start(
    component: str, address: str, rendered: dict[str, Objects], image: dict[str, Image], tmp_path: Path
) -> None:
    objects = json.loads(json.dumps(rendered[component]))
    pod = Pod(objects, image[component], tmp_path, ADDRESSES[address])
    arguments = pod.container["args"]
    arguments[:] = [argument for argument in arguments if "$(POD_IP)" not in argument]
    with pytest.raises(AssertionError, match=r"no private IP address|no useable address"), pod.running():
        pod.wait_ready()


@pytest.mark.needs("otel_collector")
@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_the_collector_listens_under_every_address(
    address: str, rendered: dict[str, Objects], image: dict[str, Image], tmp_path: Path
) -> None:
    objects = json.loads(json.dumps(rendered["otel_collector"]))
    for item in objects:
        if item["kind"] == "ConfigMap":
            # The one part that needs an API server.
            config = yaml.safe_load(item["data"]["otel-collector.yaml"])
            del config["processors"]["k8s_attributes"]
            for pipeline in config["service"]["pipelines"].values():
                pipeline["processors"].remove("k8s_attributes")
            item["data"]["otel-collector.yaml"] = yaml.safe_dump(config)
    with Pod(objects, image["otel_collector"], tmp_path, address).running() as pod:
        pod.wait_ready()
        loopback = "::1" if ipaddress.ip_address(address).version == 6 else "127.0.0.1"
        for port in ("otlp-grpc", "otlp-http", "health", "metrics"):
            assert pod.connects(port), port
            assert pod.connects(port, loopback), port


@pytest.mark.needs("otel_collector")
def test_a_port_where_nothing_listens_is_seen(rendered: dict[str, Objects], image: dict[str, Image], tmp_path: Path) -> None:
    pod = Pod(rendered["otel_collector"], image["otel_collector"], tmp_path, arguments=["--set=no::such::key"])
    with pytest.raises((AssertionError, ClusterError)), pod.running():
        wait_for(lambda: pod.connects("otlp-grpc"), 3, "nothing listens")
