"""The addresses of the lab."""

from __future__ import annotations

import ipaddress

import pytest

from tests.lab import network


def test_every_address_of_a_lab_is_its_own() -> None:
    plan = network.plan(9, "10.1.2.0/24")
    addresses = [plan.host, plan.control_plane.ip, *(node.ip for node in plan.nodes)]
    assert len(set(addresses)) == 11
    assert all(ipaddress.ip_address(address) in plan.subnet for address in addresses)


def test_pods_services_and_machines_share_no_address() -> None:
    plan = network.plan(9, "10.213.0.0/24")
    pods = [ipaddress.IPv4Network(str(node.pods)) for node in plan.nodes]
    assert len(set(pods)) == 9
    assert all(subnet.subnet_of(ipaddress.IPv4Network(network.PODS)) for subnet in pods)
    assert not ipaddress.IPv4Network(network.PODS).overlaps(ipaddress.IPv4Network(network.SERVICES))
    assert not plan.subnet.overlaps(ipaddress.IPv4Network(network.PODS))


def test_names_of_links_fit_into_what_the_kernel_takes() -> None:
    plan = network.plan(9)
    assert all(len(name) <= 15 for name in [network.HOST_LINK, network.BRIDGE, *(node.name for node in plan.nodes)])


@pytest.mark.parametrize(("nodes", "subnet", "message"), [(0, None, "LAB_NODES is 0"), (10, None, "1 to 9"), (3, "10.0.0.0/16", "/24")])
def test_what_cannot_be_laid_out_is_refused_by_name(nodes: int, subnet: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network.plan(nodes, subnet)
