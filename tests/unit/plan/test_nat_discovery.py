"""NAT discovery between two gateways in memory, with a network between them that loses, delays and translates."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.nat_discovery import Party, Place, Response, Result
from mcnet.model.kernel import Address
from mcnet.plan.nat_discovery import (
    GIVE_UP,
    RESEND,
    UPGRADE,
    Own,
    Path,
    Peer,
    Search,
    Send,
    Way,
    again,
    answer,
    answered,
    tick,
)

PRIVATE, PUBLIC, HERE, OUTSIDE = (
    ip_address(text) for text in ("10.0.0.5", "203.0.113.5", "172.16.0.7", "198.51.100.7")
)
PORT = 4490
WEST, EAST = Party("west", "west.n1"), Party("east", "east.n1")
PEER = Peer(WEST, PRIVATE, PUBLIC, PORT)
OWN = Own(EAST, Place(HERE, PORT), 1000)
FROM_HERE = Place(HERE, PORT)
THEIRS = Own(WEST, Place(PRIVATE, PORT), 5)


def asked(peer: Peer = PEER, now: float = 0.0) -> tuple[Search, dict[Way, Send]]:
    search, sends = tick(Search(since=0.0), peer, OWN, now)
    return search, {next(way for way in Way if peer.address(way) == send.to.address): send for send in sends}


def reply(send: Send, came_from: Place = FROM_HERE) -> Response:
    return answer(send.request, THEIRS, came_from)


def test_both_addresses_are_asked_at_once_and_again_until_somebody_answers() -> None:
    search, sends = asked()
    assert {send.to.address for send in sends.values()} == {PRIVATE, PUBLIC}
    assert tick(search, PEER, OWN, RESEND - 0.1) == (search, ())
    later, more = tick(search, PEER, OWN, RESEND)
    assert len(more) == 2
    assert not {send.request.number for send in more} & {send.request.number for send in sends.values()}
    _, why = answered(later, PEER, OWN, reply(sends[Way.PRIVATE]), came_from=PRIVATE, now=RESEND)
    assert why == "nobody asked that, or it was asked again since"


def test_the_private_way_where_it_answers() -> None:
    search, sends = asked()
    found, why = answered(search, PEER, OWN, reply(sends[Way.PRIVATE]), came_from=PRIVATE, now=0.1)
    assert (found.path, why) == (Path(Way.PRIVATE, translated=False, seen=Place(HERE, PORT)), "")
    assert tick(found, PEER, OWN, 100.0) == (found, ())


def test_behind_a_nat_the_public_way_and_where_we_seem_to_be() -> None:
    search, sends = asked()
    found, _ = answered(search, PEER, OWN, reply(sends[Way.PUBLIC], Place(OUTSIDE, 61000)), came_from=PUBLIC, now=0.1)
    assert found.path == Path(Way.PUBLIC, translated=True, seen=Place(OUTSIDE, 61000))


@pytest.mark.parametrize(("late", "way"), [(UPGRADE, Way.PRIVATE), (UPGRADE + 0.1, Way.PUBLIC)])
def test_the_private_way_is_taken_when_it_answers_just_after_the_public_one(late: float, way: Way) -> None:
    search, sends = asked()
    search, _ = answered(search, PEER, OWN, reply(sends[Way.PUBLIC]), came_from=PUBLIC, now=1.0)
    search, _ = answered(search, PEER, OWN, reply(sends[Way.PRIVATE]), came_from=PRIVATE, now=1.0 + late)
    assert search.path is not None
    assert search.path.way is way


def test_the_public_way_never_takes_the_place_of_the_private_one() -> None:
    search, sends = asked()
    search, _ = answered(search, PEER, OWN, reply(sends[Way.PRIVATE]), came_from=PRIVATE, now=0.1)
    after, why = answered(search, PEER, OWN, reply(sends[Way.PUBLIC]), came_from=PUBLIC, now=0.2)
    assert (after, why) == (search, "the way is known already")


def test_a_stranger_with_the_same_private_address_is_not_the_peer() -> None:
    search, sends = asked()
    stranger = Own(Party("north", "north.n1"), Place(PRIVATE, PORT), 1)
    said = answer(sends[Way.PRIVATE].request, stranger, Place(HERE, PORT))
    assert said.result is Result.UNKNOWN_CLUSTER
    _, why = answered(search, PEER, OWN, said, came_from=PRIVATE, now=0.1)
    assert why == "it is not the peer's answer to this gateway"
    _, why = answered(search, PEER, OWN, reply(sends[Way.PRIVATE]), came_from=PUBLIC, now=0.1)
    assert why == f"it came from {PUBLIC} instead of {PRIVATE}"


def test_another_gateway_of_the_same_cluster_says_so() -> None:
    _, sends = asked()
    other = Own(Party("west", "west.n2"), Place(PRIVATE, PORT), 1)
    assert answer(sends[Way.PRIVATE].request, other, Place(HERE, PORT)).result is Result.UNKNOWN_ENDPOINT


@pytest.mark.parametrize(("public", "path"), [
    (PUBLIC, Path(Way.PUBLIC, translated=True, answered=False)),
    (None, Path(Way.PRIVATE, translated=False, answered=False)),
    (PRIVATE, Path(Way.PRIVATE, translated=False, answered=False)),
])  # fmt: skip
def test_without_an_answer_what_is_published_decides(public: Address | None, path: Path) -> None:
    peer = replace(PEER, public=public)
    search, _ = asked(peer)
    assert tick(search, peer, OWN, GIVE_UP)[0].path == path


def test_an_answer_that_comes_after_all_counts() -> None:
    search, sends = asked()
    search, _ = tick(search, PEER, OWN, GIVE_UP)
    found, why = answered(search, PEER, OWN, reply(sends[Way.PRIVATE]), came_from=PRIVATE, now=GIVE_UP + 5)
    assert (found.path, why) == (Path(Way.PRIVATE, translated=False, seen=Place(HERE, PORT)), "")


def test_a_path_that_died_is_looked_for_again_and_old_answers_do_not_count() -> None:
    search, sends = asked()
    search, _ = answered(search, PEER, OWN, reply(sends[Way.PRIVATE]), came_from=PRIVATE, now=0.1)
    search = again(search, 50.0)
    assert search.path is None
    assert answered(search, PEER, OWN, reply(sends[Way.PRIVATE]), came_from=PRIVATE, now=50.1)[1].startswith(
        "nobody asked that"
    )
    search, more = tick(search, PEER, OWN, 50.1)
    assert len(more) == 2
    assert tick(search, PEER, OWN, 50.0 + GIVE_UP - 0.1)[0].path is None


@pytest.mark.parametrize(
    ("came_from", "target", "flags"),
    [
        (Place(HERE, PORT), PRIVATE, (False, False, False)),
        (Place(OUTSIDE, PORT), PRIVATE, (True, False, False)),
        (Place(HERE, 61000), PRIVATE, (False, True, False)),
        (Place(HERE, PORT), PUBLIC, (False, False, True)),
    ],
)
def test_what_was_translated_on_the_way(came_from: Place, target: Address, flags: tuple[bool, bool, bool]) -> None:
    _, sends = asked()
    request = replace(sends[Way.PRIVATE].request, target=Place(target, PORT))
    said = answer(request, THEIRS, came_from)
    assert (said.source_translated, said.port_translated, said.target_translated) == flags
    assert said.result is (Result.NAT_DETECTED if any(flags) else Result.OK)
    assert said.received_from == came_from


deliveries = st.lists(
    st.tuples(st.floats(0.0, 3.0), st.sampled_from(("lost", "private", "public", "both", "late", "again"))),
    max_size=40,
)


@given(deliveries, st.booleans())
def test_whatever_the_network_does_only_a_published_address_is_chosen(
    steps: list[tuple[float, str]], has_public: bool
) -> None:
    peer = PEER if has_public else replace(PEER, public=None)
    search, now = Search(since=0.0), 0.0
    kept: list[Send] = []
    seen: set[int] = set()
    for pause, what in steps:
        now += pause
        search, sends = tick(search, peer, OWN, now)
        fresh = {send.request.number for send in sends}
        assert not fresh & seen, "a number is never used twice"
        seen |= fresh
        due = [*kept, *sends] if what == "late" else [
            send for send in sends if what == "both" or (what == "private") == (send.to.address == PRIVATE)
        ]  # fmt: skip
        kept += sends
        for send in due if what not in ("lost", "again") else ():
            assert send.to.address is not None
            search, _ = answered(search, peer, OWN, reply(send), came_from=send.to.address, now=now)
        if what == "again":
            search = again(search, now)
        if search.path is not None:
            assert peer.address(search.path.way) is not None
    search, _ = tick(search, peer, OWN, now + GIVE_UP + 0.001)  # sums of floats are not exact
    assert search.path is not None, "it always comes to an end"
