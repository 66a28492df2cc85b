"""The addresses of the lab."""

from __future__ import annotations

import ipaddress

import pytest

from tools.lab import network, node


def test_every_address_of_a_lab_is_its_own() -> None:
    plan = network.plan(9, "10.1.2.0/24")
    addresses = [*plan.host, plan.control_plane.ip, *(node.ip for node in plan.nodes)]
    assert len(set(addresses)) == 11
    assert all(ipaddress.ip_address(address) in plan.subnet for address in addresses)


def test_pods_services_and_machines_share_no_address() -> None:
    plan = network.plan(9, "10.213.0.0/24")
    pods = [ipaddress.IPv4Network(subnet) for node in plan.nodes for subnet in node.pods]
    assert len(set(pods)) == 9
    assert all(subnet.subnet_of(ipaddress.IPv4Network(network.PODS)) for subnet in pods)
    assert not ipaddress.IPv4Network(network.PODS).overlaps(ipaddress.IPv4Network(network.SERVICES))
    assert not plan.subnet.overlaps(ipaddress.IPv4Network(network.PODS))


def test_names_of_links_fit_into_what_the_kernel_takes() -> None:
    plan = network.plan(9)
    assert all(len(name) <= 15 for name in [network.HOST_LINK, network.BRIDGE, *(node.name for node in plan.nodes)])


@pytest.mark.parametrize(("nodes", "subnet", "message"), [(0, None, "LAB_NODES is 0"), (10, None, "1 to 9"), (3, "10.0.0.0/16", "/24")])
def test_what_cannot_be_laid_out_is_rejected_by_name(nodes: int, subnet: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network.plan(nodes, subnet)


@pytest.fixture(params=["ipv4", "ipv6", "dual"])
def family(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[int, ...]:
    """Return the IP versions of a lab that LAB_FAMILY asks for."""
    versions = network.FAMILIES[request.param]
    monkeypatch.setattr(network, "FAMILY", request.param)
    monkeypatch.setattr(network, "VERSIONS", versions)
    return versions


def test_machines_and_pods_have_addresses_of_the_families_asked_for(family: tuple[int, ...]) -> None:
    plan = network.plan(2, "10.1.2.0/24")
    for addresses in (plan.host, plan.control_plane.ips, *(address.ips for address in plan.nodes)):
        assert tuple(ipaddress.ip_address(address).version for address in addresses) == family
    for address in plan.nodes:
        assert tuple(ipaddress.ip_network(subnet).version for subnet in address.pods) == family
        cni = node._cni(address)["plugins"][0]["ipam"]
        assert [ranges[0]["subnet"] for ranges in cni["ranges"]] == list(address.pods)
        assert tuple(ipaddress.ip_network(route["dst"]).version for route in cni["routes"]) == family
    assert plan.server == {4: "https://10.1.2.2:6443", 6: "https://[fd00:10:1:2::2]:6443"}[family[0]]


def test_a_second_lab_has_other_addresses_in_each_family(family: tuple[int, ...]) -> None:
    first, second = (network.plan(3, subnet) for subnet in ("10.213.0.0/24", "10.214.0.0/24"))
    assert not {*first.control_plane.ips, *first.host} & {*second.control_plane.ips, *second.host}
    assert len(family) == len(first.host)


def test_an_unknown_family_is_rejected_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "FAMILY", "ipx")
    with pytest.raises(ValueError, match="LAB_FAMILY is 'ipx'"):
        network.plan(1)
