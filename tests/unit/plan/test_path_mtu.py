"""Paths that carry less than promised: black holes, fragments, and none of both."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.look import NodeLook, Path, Seen, Tried, Tunnel
from mcnet.plan.path_mtu import Narrow, narrow

A, B = ip_address("192.0.2.1"), ip_address("192.0.2.2")
PATH = Path(Tunnel.CABLE, "west.w1", "mcnet-cv", ip_address("245.0.0.2"), ip_address("245.0.0.1"), A, B, 4520)
PATH6 = replace(PATH, outer_source=ip_address("2001:db8::1"), outer_target=ip_address("2001:db8::2"))


def look(largest: int | None, answered: int = 3, mtu: int = 1450, seen: tuple[Seen, ...] = ()) -> NodeLook:
    return NodeLook("n1", 0, 1, tried=(Tried(Tunnel.CABLE, "west.w1", 3, answered, mtu, largest),), seen=seen)


def fragment(size: int, *, outgoing: bool = False, back: bool = False) -> Seen:
    return Seen(outgoing, *((B, A) if back else (A, B)), 4520, 5, 5, 0, size)


def test_the_whole_size_is_fine() -> None:
    assert narrow(PATH, look(1450), NodeLook("n2", 0, 1)) is None
    assert narrow(PATH, look(1450), None) is None


def test_what_was_not_answered_is_another_checks_matter() -> None:
    assert narrow(PATH, look(None, answered=0), None) is None
    assert narrow(PATH, NodeLook("n1", 0, 1), None) is None


def test_a_black_hole_is_measured() -> None:
    assert narrow(PATH, look(1350), None) == Narrow(True, 1450, 1350, 1400)
    assert narrow(PATH6, look(1330, mtu=1430), None) == Narrow(True, 1430, 1330, 1400)


@pytest.mark.parametrize(("device", "overhead"), [("mcnet-cv", 50), ("mcnet-cw0a", 60), ("ipsec1811939328", 65)])
def test_what_a_driver_needs_of_a_packet_is_counted(device: str, overhead: int) -> None:
    path = replace(PATH, device=device)
    assert narrow(path, look(1300), None) == Narrow(True, 1450, 1300, 1300 + overhead)


def test_fragments_are_seen_where_they_arrive() -> None:
    expected = Narrow(False, 1450, 1346, 1396)
    assert narrow(PATH, look(1450), NodeLook("n2", 0, 1, seen=(fragment(1396),))) == expected
    assert narrow(PATH, look(1450, seen=(fragment(1396, back=True),)), None) == expected
    # What leaves in fragments, or travels between others, is not this path.
    assert narrow(PATH, look(1450, seen=(fragment(1396, outgoing=True),)), None) is None
    stranger = replace(fragment(1396), source=ip_address("192.0.2.9"))
    assert narrow(PATH, look(1450), NodeLook("n2", 0, 1, seen=(stranger,))) is None


def test_a_network_too_small_for_any_tunnel() -> None:
    found = narrow(PATH, look(None), None)
    assert found is not None
    assert not found.settable


@given(st.integers(1280, 9000), st.integers(576, 9000), st.integers(0, 9000))
def test_the_proposed_underlay_always_fits(mtu: int, largest: int, size: int) -> None:
    found = narrow(PATH, look(min(largest, mtu), mtu=mtu), NodeLook("n2", 0, 1, seen=(fragment(size),)))
    if found is not None:
        assert found.carried + 50 == found.underlay
