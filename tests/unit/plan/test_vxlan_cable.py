"""Which families two gateways use, outside and inside: every combination, and the same answer on both sides."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.cluster import ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address
from mcnet.plan import cable
from mcnet.plan.addresses import cable_end
from mcnet.plan.cable import CablePath
from mcnet.plan.outer_address import outer_family
from mcnet.plan.vxlan_cable import links, peers
from tests.fakes.worlds import EAST_0, WEST_0

FOUR: dict[str, Address] = {"east": ip_address("192.168.1.1"), "west": ip_address("192.168.2.1")}
SIX: dict[str, Address] = {"east": ip_address("fd01::1"), "west": ip_address("fd02::1")}


OPTIONS = ClusterSet(default_driver="vxlan")


def paths(own: Endpoint, remotes: list[Endpoint]) -> tuple[CablePath, ...]:
    return cable.paths(OPTIONS, own, remotes)


def outside(endpoint: Endpoint, families: str) -> Endpoint:
    """`endpoint` with outer addresses of these families, in this order."""
    found = {"4": FOUR[endpoint.cluster], "6": SIX[endpoint.cluster]}
    return replace(endpoint, private_addresses=tuple(found[one] for one in families))


def inside(endpoint: Endpoint, families: str) -> Endpoint:
    """`endpoint` whose pods have these families."""
    end = cable_end(endpoint.cluster, endpoint.rail)
    return replace(
        endpoint,
        cable_address4=end.address4 if "4" in families else None,
        cable_address6=end.address6 if "6" in families else None,
    )


@pytest.mark.parametrize(
    ("east", "west", "family"),
    [
        ("4", "4", 4),
        ("6", "6", 6),
        ("4", "6", None),
        ("46", "4", 4),
        ("46", "6", 6),
        ("46", "46", 4),
        ("64", "46", 4),
        ("64", "64", 6),
        ("", "46", None),
    ],
)
def test_the_outer_family_is_one_that_both_have_and_both_say_the_same(
    east: str, west: str, family: int | None
) -> None:
    one, other = outside(EAST_0, east), outside(WEST_0, west)
    assert outer_family(one, other) == outer_family(other, one) == family
    for own, remote in ((one, other), (other, one)):
        (path,) = paths(own, [remote])
        assert bool(path.problem) == (family is None)
        if family is not None:
            assert (path.local, path.remote) == (
                {4: FOUR, 6: SIX}[family][own.cluster],
                {4: FOUR, 6: SIX}[family][remote.cluster],
            )
            assert path.device == {4: "mcnet-cv", 6: "mcnet-cv6"}[family]


@given(*[st.sampled_from(["4", "6", "46", "64"])] * 2, *[st.sampled_from(["4", "6", "46"])] * 2)
def test_both_ends_of_a_cable_know_each_other(east: str, west: str, pods: str, others: str) -> None:
    one, other = inside(outside(EAST_0, east), pods), inside(outside(WEST_0, west), others)
    (there,), (back,) = paths(one, [other]), paths(other, [one])
    assert bool(there.problem) == bool(back.problem)
    assert there.families == back.families
    if there.problem:
        return
    assert (there.local, there.remote) == (back.remote, back.local)
    made = {link.name: link for link in links(one, (there,), (4, 6), default=True)}
    assert {interface.ip for interface in made[there.device].addresses} >= {back.via(f) for f in back.families}
    assert made[there.device].mac == back.end.mac
    neighbours, fdb = peers((back,))
    assert {(entry.mac, entry.remote) for entry in fdb} == {(made[there.device].mac, there.local)}
    assert {entry.address.version for entry in neighbours} == set(there.families)


@pytest.mark.parametrize(
    ("east", "west", "common"),
    [("4", "4", (4,)), ("6", "6", (6,)), ("46", "4", (4,)), ("46", "6", (6,)), ("46", "46", (4, 6)), ("4", "6", ())],
)
def test_a_cable_is_probed_in_the_families_that_both_clusters_pods_have(
    east: str, west: str, common: tuple[int, ...]
) -> None:
    (path,) = paths(inside(EAST_0, east), [inside(WEST_0, west)])
    assert path.families == common
    if common:
        assert [path.probe(family) for family in common] == ["west.n1", "west.n1 IPv6"][: len(common)]
    else:
        assert path.problem == ("the pods of east have IPv4 addresses, those of west IPv6: no family in common")


def test_without_a_common_outer_family_both_sides_name_what_each_has() -> None:
    (path,) = paths(outside(EAST_0, "4"), [outside(WEST_0, "6")])
    assert path.problem == ("endpoint west.n1 has no IPv4 address, only IPv6, and this gateway n1 has only IPv4")
    (path,) = paths(outside(WEST_0, "6"), [outside(EAST_0, "4")])
    assert "endpoint east.n1 has no IPv6 address, only IPv4" in path.problem


def test_a_dual_stack_gateway_has_a_device_for_each_family_that_its_peers_need() -> None:
    own = outside(EAST_0, "46")
    four, six = outside(WEST_0, "4"), replace(outside(WEST_0, "6"), gateway="n2", rail=1)
    assert {link.name for link in links(own, paths(own, [four]), (4,), default=True)} == {"mcnet-cv"}
    found = {link.name: link for link in links(own, paths(own, [four, six]), (4, 6), default=True)}
    assert {name: link.mtu for name, link in found.items()} == {"mcnet-cv": 1450, "mcnet-cv6": 1430}
    locals_ = {name: link.vxlan.local for name, link in found.items() if link.vxlan}
    assert locals_ == {"mcnet-cv": FOUR["east"], "mcnet-cv6": SIX["east"]}
    # An answer leaves by the device whose range holds the asker: no address may be on both.
    one, other = (link.addresses for link in found.values())
    assert not {str(interface.network) for interface in one} & {str(interface.network) for interface in other}
