"""Which of a gateway's outer addresses may be used, and by which a cable goes."""

from dataclasses import replace
from ipaddress import ip_address

from mcnet.model.endpoint import Endpoint
from mcnet.plan import cable
from mcnet.plan.nat_discovery import Way, parties
from mcnet.plan.outer_address import public_of
from tests.fakes.worlds import EAST_0, VXLAN_OPTIONS, WEST_0, WIREGUARD_OPTIONS, endpoint, secured

PUBLIC = ip_address("198.51.100.7")
OWN = secured(EAST_0)
BEHIND = secured(replace(WEST_0, public_addresses=(PUBLIC,)))


def path(remote: Endpoint, way: Way | None, options: object = WIREGUARD_OPTIONS) -> tuple[object, int]:
    ways = {} if way is None else {remote.name: way}
    (made,) = cable.paths(options, OWN, (remote,), ways)  # type: ignore[arg-type]
    return made.remote, made.port


def test_the_private_address_as_long_as_nothing_is_known() -> None:
    assert path(BEHIND, None) == path(BEHIND, Way.PRIVATE) == (WEST_0.private_addresses[0], 4500)


def test_the_public_address_where_that_is_the_way() -> None:
    assert path(BEHIND, Way.PUBLIC) == (PUBLIC, 4500)
    assert path(secured(WEST_0), Way.PUBLIC) == (WEST_0.private_addresses[0], 4500), "it has none"


def test_the_ports_that_a_nat_forwards() -> None:
    forwarded = replace(BEHIND, public_port_base=30000)
    assert path(forwarded, Way.PUBLIC) == (PUBLIC, 30000)
    assert path(forwarded, Way.PRIVATE) == (WEST_0.private_addresses[0], 4500)


def test_vxlan_stays_with_the_published_address() -> None:
    """Its device takes in what comes from there, nothing that was translated."""
    assert path(BEHIND, Way.PUBLIC, VXLAN_OPTIONS)[0] == WEST_0.private_addresses[0]


def test_an_address_that_is_none_counts_as_none() -> None:
    for nonsense in ("127.0.0.1", "0.0.0.0", "224.0.0.1"):
        assert public_of(replace(WEST_0, public_addresses=(ip_address(nonsense),)), 4) is None
    assert public_of(BEHIND, 6) is None


def test_who_asks_whom() -> None:
    six = endpoint(WEST_0.cluster, 1, address="fd02::1", routed=())
    me, peers = parties(EAST_0, (EAST_0, BEHIND, six), port=4490, first=7)
    assert {family: own.place.address for family, own in me.items()} == {4: EAST_0.private_addresses[0]}
    assert {name: (peer.private, peer.public, peer.port) for name, peer in peers.items()} == {
        "west.n1": (WEST_0.private_addresses[0], PUBLIC, 4490)
    }
