"""NAT: what is published of a gateway, its kind, and what two of them mean."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from mcnet.codec.nat_discovery import Place
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address
from mcnet.plan import nat
from tests.fakes.worlds import EAST_0, WEST_0

PRIVATE = (ip_address("10.0.0.5"), ip_address("fd00::5"))
PUBLIC, OTHER, PUBLIC6 = ip_address("198.51.100.7"), ip_address("198.51.100.9"), ip_address("2001:db8::7")


def place(address: Address, port: int = 4490) -> Place:
    return Place(address, port)


def test_without_sources_what_most_peers_see_counts() -> None:
    seen = {"a.1": place(OTHER), "b.1": place(PUBLIC), "c.1": place(PUBLIC, 9), "d.1": place(PUBLIC6)}
    assert nat.chosen((), seen, PRIVATE) == (PUBLIC, PUBLIC6)
    assert nat.chosen((), {"a.1": place(OTHER), "b.1": place(PUBLIC)}, PRIVATE) == (PUBLIC,), "the same each time"


def test_sources_count_in_their_order_whatever_peers_say() -> None:
    assert nat.chosen(((OTHER,), (PUBLIC, PUBLIC6)), {"a.1": place(PUBLIC)}, PRIVATE) == (OTHER, PUBLIC6)
    assert nat.chosen(((), (PUBLIC,)), {}, PRIVATE) == (PUBLIC,)
    assert nat.chosen(((),), {"a.1": place(PUBLIC)}, PRIVATE) == (), (
        "one that does not answer is no reason to believe"
    )


def test_peers_in_the_same_network_say_nothing_of_the_way_from_elsewhere() -> None:
    seen = {"lan.1": place(PRIVATE[0]), "lan.2": place(PRIVATE[0]), "far.1": place(PUBLIC)}
    assert nat.chosen((), seen, PRIVATE) == (PUBLIC,)
    assert nat.chosen(((PRIVATE[0], PUBLIC),), {}, PRIVATE) == (PUBLIC,)


def test_a_gateways_own_address_is_not_published_twice() -> None:
    assert nat.chosen((), {"a.1": place(PRIVATE[0])}, PRIVATE) == ()
    assert nat.chosen(((PRIVATE[0],),), {}, PRIVATE) == ()


def test_a_peer_can_not_make_it_publish_nonsense() -> None:
    for nonsense in ("127.0.0.1", "0.0.0.0", "224.0.0.1", "169.254.1.1"):
        assert nat.chosen((), {"a.1": place(ip_address(nonsense))}, PRIVATE) == ()


@pytest.mark.parametrize(
    ("marked", "seen", "kind"),
    [
        ("", {}, ""),
        ("symmetric", {}, "symmetric"),
        ("eim", {"a.1": place(PUBLIC, 1), "b.1": place(PUBLIC, 2)}, "eim"),
        ("", {"a.1": place(PUBLIC)}, ""),
        ("", {"a.1": place(PRIVATE[0]), "b.1": place(PRIVATE[0])}, ""),
        ("", {"a.1": place(PUBLIC), "b.1": place(PUBLIC)}, "eim"),
        ("", {"a.1": place(PUBLIC, 1024), "b.1": place(PUBLIC, 1025)}, "symmetric"),
        ("", {"a.1": place(PUBLIC), "b.1": place(OTHER)}, "symmetric"),
        ("", {"a.1": place(PUBLIC), "b.1": place(PUBLIC6)}, ""),
        ("", {"a.1": place(PUBLIC), "b.1": place(PRIVATE[0])}, ""),
        ("", {"a.1": place(PUBLIC), "b.1": place(PUBLIC), "lan.1": place(PRIVATE[0])}, "eim"),
        ("", {"a.1": place(PUBLIC, 1), "b.1": place(PUBLIC, 2), "lan.1": place(PRIVATE[0])}, "symmetric"),
    ],
)
def test_what_kind_it_is(marked: str, seen: dict[str, Place], kind: str) -> None:
    assert nat.kind(marked, seen, PRIVATE) == kind


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        ({}, "symmetric"),
        ({"a.1": place(PUBLIC)}, "symmetric"),
        ({"a.1": place(PRIVATE[0])}, ""),
        ({"a.1": place(PUBLIC), "b.1": place(PUBLIC)}, "eim"),
    ],
)
def test_what_was_found_out_stays_until_there_is_more_to_tell(seen: dict[str, Place], kind: str) -> None:
    assert nat.kind("", seen, PRIVATE, "symmetric") == kind


def behind(endpoint: Endpoint, kind: str, *public: Address, ports: int = 0) -> Endpoint:
    return replace(endpoint, nat=kind, public_addresses=public, public_port_base=ports)


@pytest.mark.parametrize(
    ("own", "remote", "said"),
    [
        (EAST_0, WEST_0, ""),
        (behind(EAST_0, "symmetric"), WEST_0, ""),
        (EAST_0, behind(WEST_0, "eim"), ""),
        (behind(EAST_0, "eim", PUBLIC), behind(WEST_0, "eim", OTHER), ""),
        (behind(EAST_0, "symmetric"), behind(WEST_0, "symmetric", OTHER, ports=30000), ""),
        (behind(EAST_0, "symmetric"), behind(WEST_0, "symmetric"), "are both behind symmetric NAT"),
        (behind(EAST_0, "symmetric"), behind(WEST_0, "eim", OTHER), "both behind NAT, east behind a symmetric one"),
        (behind(EAST_0, "eim", PUBLIC), behind(WEST_0, "symmetric"), "both behind NAT, west behind a symmetric one"),
        (behind(EAST_0, "eim"), behind(WEST_0, "eim", OTHER), "public address of east is unknown"),
        (behind(EAST_0, "eim"), behind(WEST_0, "eim"), "public address of east and west is unknown"),
    ],
)
def test_two_behind_nat(own: Endpoint, remote: Endpoint, said: str) -> None:
    sentence = nat.obstacle(own, remote)
    assert said in sentence
    assert bool(sentence) == bool(said)
    assert not sentence or "mcnet gateway set NODE --public-address" in sentence
