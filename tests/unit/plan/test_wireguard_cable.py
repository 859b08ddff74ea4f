"""The wireguard driver: both ends fit together, whatever their rails, epochs and families; and what can't be made."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.cable_keys import public_key
from mcnet.codec.fields import octets_of
from mcnet.codec.identity import PrivateIdentity
from mcnet.model.cluster import Cluster, ClusterSet, Identity
from mcnet.model.endpoint import DriverOffer, Endpoint
from mcnet.model.gateway import Cause
from mcnet.model.kernel import KernelState
from mcnet.model.wireguard import WireguardDevice, WireguardPeer
from mcnet.plan import cable, gateway, gateway_report, wireguard_cable
from mcnet.plan.addresses import cable_end
from mcnet.plan.choice import Health
from mcnet.plan.wireguard_cable import Keys, with_keys
from tests.fakes.identities import identity_of
from tests.fakes.worlds import EAST, EAST_0, KNOWN_WEST, SECURED, SITUATIONS, WEST, WEST_0, Situation, secured

OPTIONS = ClusterSet("wireguard")
ends = st.tuples(
    st.integers(0, 7), st.integers(0, 3), st.sampled_from([4500, 4600]), st.sampled_from(["4", "6", "46"])
)
ADDRESSES = {EAST: {"4": ip_address("192.168.1.1"), "6": ip_address("fd01::1")},
             WEST: {"4": ip_address("192.168.2.1"), "6": ip_address("fd02::1")}}  # fmt: skip


def end(plain: Endpoint, rail: int, epoch: int, base: int, outer: str) -> Endpoint:
    moved = replace(
        plain,
        rail=rail,
        gateway=f"n{rail + 1}",
        port_base=base,
        private_addresses=tuple(ADDRESSES[plain.cluster][one] for one in outer),
    )
    return secured(moved, epoch)


def keys_of(own: Endpoint) -> Keys:
    return Keys(identity_of(own.cluster), {one: identity_of(one).public for one in (EAST, WEST)})


def decided(own: Endpoint, remote: Endpoint) -> gateway.Decision:
    situation = Situation(**SECURED | {"own": own, "endpoints": (own, remote)})
    if own.cluster == WEST:
        clusters = (replace(KNOWN_WEST, id=EAST, identity=identity_of(EAST).public),)
        member = replace(situation.member, cluster=WEST)
        situation = replace(situation, member=member, clusters=clusters, identity=identity_of(WEST))
    return gateway.decide(replace(situation, endpoints=(own, remote)).for_gateway())


@given(ends, ends)
def test_both_ends_know_each_other(one: tuple[int, int, int, str], other: tuple[int, int, int, str]) -> None:
    east, west = end(EAST_0, *one), end(WEST_0, *other)
    (there,), (back,) = cable.paths(OPTIONS, east, [west]), cable.paths(OPTIONS, west, [east])
    assert bool(there.problem) == bool(back.problem)
    if there.problem:
        return
    assert (there.port, there.own_port) == (back.own_port, back.port)
    assert (there.local, there.remote, there.network) == (back.remote, back.local, back.network)
    assert keys_of(east).preshared(east, west) == keys_of(west).preshared(west, east)
    offer = wireguard_cable.offered(east)
    assert offer is not None
    published = dict(offer.data)["publicKey"]
    assert public_key(keys_of(east).private(east)) == octets_of(published, 32)


@given(ends, ends, st.sampled_from([(1, 0), (0, 1)]))
def test_a_new_key_on_one_side_is_another_device_port_and_secret(
    one: tuple[int, int, int, str], other: tuple[int, int, int, str], step: tuple[int, int]
) -> None:
    east, west = end(EAST_0, *one), end(WEST_0, *other)
    newer = [
        secured(replace(side, drivers=side.drivers[1:]), epoch + more)
        for side, epoch, more in ((east, one[1], step[0]), (west, other[1], step[1]))
    ]
    (before,), (after,) = cable.paths(OPTIONS, east, [west]), cable.paths(OPTIONS, newer[0], [newer[1]])
    if before.problem:
        return
    assert before.device != after.device
    assert before.own_port != after.own_port
    assert before.network is not after.network
    assert keys_of(east).preshared(east, west) != keys_of(east).preshared(*newer)


def test_what_a_peer_may_bring() -> None:
    decision = decided(secured(EAST_0), secured(WEST_0))
    (device,) = decision.state.wireguard
    (peer,) = device.peers
    inside = cable_end(WEST, 0, decision.probed[0].network)
    assert peer.allowed >= {ip_network("10.20.0.0/16"), ip_network("10.21.0.0/16"), ip_network(inside.address4)}
    assert not any(ip_network("10.10.0.0/16").overlaps(one) for one in peer.allowed if one.version == 4)
    assert peer.endpoint == (ip_address("192.168.2.1"), 4500)
    (link,) = decision.state.links
    assert (link.name, link.mtu, link.wireguard, link.mac) == ("mcnet-cw0a", 1440, True, "")


def test_two_clusters_on_one_device_share_no_prefix() -> None:
    (device,) = gateway.decide(SITUATIONS["wireguard, two clusters on one device"].for_gateway()).state.wireguard
    one, other = device.peers
    assert not one.allowed & other.allowed
    assert one.preshared_key != other.preshared_key


def test_an_ipv6_underlay_costs_twenty_bytes_more() -> None:
    east, west = end(EAST_0, 0, 0, 4500, "6"), end(WEST_0, 0, 0, 4500, "6")
    (link,) = decided(east, west).state.links
    assert link.mtu == 1420


@pytest.mark.parametrize(
    ("health", "alive"), [(None, True), (Health.HELD, True), (Health.DOWN, False), (Health.UNKNOWN, False)]
)
def test_a_living_peer_is_left_where_it_has_moved(health: Health | None, alive: bool) -> None:
    situation = SITUATIONS["wireguard, connected"]
    if health is not None:
        situation = replace(situation, health=dict.fromkeys(situation.health, health))
    first = gateway.decide(situation.for_gateway())
    (device,) = first.state.wireguard
    (peer,) = device.peers
    moved = replace(peer, endpoint=(ip_address("203.0.113.9"), 31337))
    there = replace(first.state, wireguard=frozenset({replace(device, peers=frozenset({moved}))}))
    (after,) = gateway.decide(situation.for_gateway(there)).state.wireguard
    assert after.peers == frozenset({moved if alive else peer})


@pytest.mark.parametrize(
    ("clusters", "west", "identity", "why"),
    [
        ((replace(KNOWN_WEST, identity=None),), secured(WEST_0), identity_of(EAST), "west has published no identity"),
        ((KNOWN_WEST,), secured(WEST_0), None, "the Secret mcnet-identity can't be read"),
        ((KNOWN_WEST,), WEST_0, identity_of(EAST), "west does not offer"),
        (
            (KNOWN_WEST,),
            replace(WEST_0, drivers=(DriverOffer("wireguard", 0, (("publicKey", "c2hvcnQ="),)),)),
            identity_of(EAST),
            "without a usable public key",
        ),
        (
            (replace(KNOWN_WEST, identity=Identity(bytes(32), bytes(32))),),
            secured(WEST_0),
            identity_of(EAST),
            "its identity is not usable",
        ),
    ],
)
def test_what_is_missing_is_named_and_nothing_goes_in_the_clear(
    clusters: tuple[Cluster, ...], west: Endpoint, identity: PrivateIdentity | None, why: str
) -> None:
    situation = Situation(
        **SECURED | {"clusters": clusters, "endpoints": (secured(EAST_0), west), "identity": identity}
    )
    decision = gateway.decide(situation.for_gateway())
    (standing,) = decision.cables
    assert why in standing.path.problem
    assert decision.state.links == frozenset()
    assert not [route for route in decision.state.routes if route.nexthop]
    (shown,) = gateway_report.cables(decision.cables, {}, (), "2026-01-01T00:00:00Z")
    assert why in shown.reason
    assert shown.cause is Cause.SETTINGS
    assert shown.driver == "wireguard"


def test_no_key_is_shown() -> None:
    world = SITUATIONS["wireguard, connected"].for_gateway()
    decision = gateway.decide(world)
    (device,) = decision.state.wireguard
    (peer,) = device.peers
    text = repr(world) + repr(decision) + repr(Keys(identity_of(EAST), {}))
    for secret in (device.private_key, peer.preshared_key, identity_of(EAST).agreement, identity_of(EAST).signing):
        assert repr(secret)[2:-1] not in text


def test_without_keys_only_old_cables_stay_as_they_are() -> None:
    own = secured(EAST_0)
    paths = with_keys(own, cable.paths(OPTIONS, own, [secured(WEST_0)]), None)
    assert wireguard_cable.usable(paths) == ()
    device = WireguardDevice("mcnet-cw0a", bytes(32), 4500, frozenset({WireguardPeer(bytes(32), bytes(32))}))
    kept = wireguard_cable.settings(
        own, paths, keys=None, remotes=gateway.accept(SITUATIONS["alone"].member, (), ()), throws=(),
        health={"x": Health.UP}, actual=KernelState(wireguard=frozenset({device})),
    )  # fmt: skip
    assert kept == frozenset()
