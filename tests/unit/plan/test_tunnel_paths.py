"""Where packets end, from what both ends saw: each fault as a row of counts."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.look import NodeLook, Path, Seen, Tried, Tunnel
from mcnet.plan.tunnel_paths import End, Stage, answered_in_part, judge

A, B = ip_address("192.0.2.1"), ip_address("192.0.2.2")
PATH = Path(Tunnel.OVERLAY, "b", "mcnet-vx", ip_address("244.0.0.2"), ip_address("244.0.0.1"), A, B, 4800)
TRIED = Tried(Tunnel.OVERLAY, "b", sent=40, answered=0, device_mtu=1450, largest=None)
WHOLE = replace(TRIED, sent=3, answered=3, largest=1450)
BACK = replace(TRIED, peer="a")


def seen(*, outgoing: bool, from_a: bool, requests: int = 0, replies: int = 0) -> Seen:
    source, target = (A, B) if from_a else (B, A)
    return Seen(outgoing, source, target, 4800, requests + replies, requests, replies)


def end(name: str, tried: Tried | None, *counts: Seen, window: tuple[float, float] = (0.0, 12.0)) -> End:
    return End(name, NodeLook(name, *window, tried=(tried,) if tried else (), seen=counts))


def told(near: End, far: End) -> list[tuple[str, str, Stage]]:
    return [(one.source.name, one.target.name, one.stage) for one in judge(PATH, near, far)]


A_SENDS = seen(outgoing=True, from_a=True, requests=40)
B_SENDS = seen(outgoing=True, from_a=False, requests=40)
AT_B = seen(outgoing=False, from_a=True, requests=40)
AT_A = seen(outgoing=False, from_a=False, requests=40)
A_BOTH = seen(outgoing=True, from_a=True, requests=40, replies=40)
B_BOTH = seen(outgoing=True, from_a=False, requests=40, replies=40)
AT_B_BOTH = seen(outgoing=False, from_a=True, requests=40, replies=40)
AT_A_BOTH = seen(outgoing=False, from_a=False, requests=40, replies=40)


def test_answered_both_ways_is_fine() -> None:
    assert told(end("a", WHOLE), end("b", replace(WHOLE, peer="a"))) == []
    assert told(end("a", WHOLE), End("b", None, "gone")) == []


@pytest.mark.parametrize(
    ("near", "far", "expected"),
    [
        # A's output drops: nothing leaves A. B's requests come in, A's replies don't get out either.
        ((), (B_SENDS,), [("a", "b", Stage.NOT_SENT)]),
        ((AT_A,), (B_SENDS,), [("a", "b", Stage.NOT_SENT), ("b", "a", Stage.DROPPED)]),
        # The network drops A's packets: B's requests arrive and are answered, the answers are lost.
        ((A_BOTH, AT_A), (B_SENDS,), [("a", "b", Stage.LOST)]),
        # The network drops both ways.
        ((A_SENDS,), (B_SENDS,), [("a", "b", Stage.LOST), ("b", "a", Stage.LOST)]),
        # B's input drops: A answers B's requests.
        ((A_BOTH, AT_A), (B_SENDS, AT_B_BOTH), [("a", "b", Stage.DROPPED)]),
        # B answers, but its answers are lost; B's own requests too.
        ((A_SENDS,), (B_BOTH, AT_B), [("b", "a", Stage.LOST)]),
        # A takes no answers (an input rule for replies only).
        ((A_BOTH, AT_A_BOTH), (B_BOTH, AT_B_BOTH), [("a", "b", Stage.DROPPED), ("b", "a", Stage.DROPPED)]),
    ],
)
def test_each_place(near: tuple[Seen, ...], far: tuple[Seen, ...], expected: list[tuple[str, str, Stage]]) -> None:
    found = told(end("a", TRIED, *near), end("b", BACK, *far))
    if ("a", "b", Stage.NOT_SENT) in expected:
        # That nothing leaves A explains all that B sees.
        assert found[0] == ("a", "b", Stage.NOT_SENT)
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("device", "asked", "answered"),
    [
        ("mcnet-vx", "echo requests", "echo replies"),
        ("mcnet-cw0a", "WireGuard handshakes", "answers to WireGuard handshakes"),
        ("ipsec1811939328", "IKE requests", "IKE responses"),
    ],
)
def test_what_was_seen_is_called_by_its_name(device: str, asked: str, answered: str) -> None:
    path = replace(PATH, device=device)
    (dropped,) = judge(path, end("a", TRIED, A_BOTH, AT_A), end("b", BACK, B_SENDS, AT_B_BOTH))
    assert f": 40 {asked} from 192.0.2.1" in dropped.said
    (refused, _) = judge(path, end("a", TRIED, A_BOTH, AT_A_BOTH), end("b", BACK, B_BOTH, AT_B_BOTH))
    assert f": 40 {answered} from 192.0.2.1" in refused.said


def test_a_pluto_that_waits_for_the_other_is_no_fault() -> None:
    """Only one side of a Libreswan cable begins: what the other does not send says nothing."""
    path = replace(PATH, device="ipsec1811939328")
    (lost,) = judge(path, end("a", TRIED), end("b", BACK, B_SENDS))
    assert (lost.source.name, lost.stage) == ("b", Stage.LOST)
    (unknown,) = judge(path, end("a", TRIED), end("b", BACK))
    assert unknown.stage is Stage.UNKNOWN
    assert "no Child SA carries the echoes to 192.0.2.2" in unknown.said


def test_both_sides_of_a_nat_are_counted_by_what_each_sees() -> None:
    """A is 10.0.0.5 at home and 203.0.113.9 for B, at another port."""
    home, seen_as = ip_address("10.0.0.5"), ip_address("203.0.113.9")
    path = replace(PATH, outer_source=home, port=4500)
    back = replace(PATH, peer="a", outer_source=B, outer_target=seen_as, port=7001, back_port=4500)
    near = end("a", TRIED, Seen(True, home, B, 4500, 80, 40, 40), Seen(False, B, home, 4500, 40, 40, 0))
    far = end("b", BACK, Seen(False, seen_as, B, 4500, 40, 40, 0), Seen(True, B, seen_as, 7001, 40, 40, 0))
    (dropped,) = judge(replace(path, back_port=4500), near, far, back)
    assert (dropped.source.name, dropped.stage) == ("a", Stage.DROPPED)
    assert "from 203.0.113.9 to UDP 4500" in dropped.said
    (lost,) = judge(path, near, end("b", BACK, Seen(True, B, seen_as, 7001, 40, 40, 0)), back)
    assert (lost.source.name, lost.stage) == ("a", Stage.LOST)
    assert "UDP 4500 from 10.0.0.5 to 192.0.2.2" in lost.said


def test_a_missing_device_is_named() -> None:
    missing = replace(TRIED, device_mtu=0, sent=0, refused="No such device")
    (found, *_) = judge(PATH, end("a", missing), end("b", BACK, B_SENDS))
    assert (found.stage, found.said) == (Stage.NO_DEVICE, "it has no device mcnet-vx: nothing can be sent")


def test_what_the_kernel_said_is_quoted() -> None:
    refused = replace(TRIED, refused="Operation not permitted")
    (found, *_) = judge(PATH, end("a", refused), end("b", BACK, B_SENDS, window=(0.0, 12.0)))
    assert found.said == (
        "not sent: none of 40 echoes to UDP 4800 of 192.0.2.2 left its interfaces (Operation not permitted)"
    )


@pytest.mark.parametrize("window", [(12.0, 24.0), (10.5, 22.0), (0.0, 1.9)])
def test_not_watched_at_the_same_time_is_not_lost(window: tuple[float, float]) -> None:
    assert told(end("a", TRIED, A_SENDS), end("b", BACK, B_SENDS, window=window)) == [("a", "b", Stage.UNKNOWN)]


def test_the_other_end_unseen() -> None:
    (found,) = judge(PATH, end("a", TRIED, A_SENDS), End("b", None, "no context leads to it"))
    assert found.stage is Stage.LOST
    assert found.said == (
        "none of 40 echoes was answered (UDP 4800 from 192.0.2.1 to 192.0.2.2), and nothing came back; b can't be "
        "looked at: no context leads to it"
    )


def test_packets_that_cannot_be_watched() -> None:
    blind = End("b", NodeLook("b", 0, 12, tried=(BACK,), faults={"capture": "Operation not permitted"}))
    assert [stage for _, _, stage in told(end("a", TRIED, A_SENDS), blind)] == [Stage.UNKNOWN]


def test_few_answers() -> None:
    assert answered_in_part(PATH, end("a", replace(TRIED, answered=2))) == (
        "2 of 40 echoes to UDP 4800 of 192.0.2.2 were answered"
    )
    assert answered_in_part(PATH, end("a", WHOLE)) == ""
    assert answered_in_part(PATH, end("a", TRIED)) == ""


counts = st.builds(
    Seen, st.booleans(), st.sampled_from([A, B]), st.sampled_from([A, B]), st.sampled_from([4800, 4520]),
    st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 2000),
)  # fmt: skip
tries = st.none() | st.builds(
    Tried, st.just(Tunnel.OVERLAY), st.sampled_from(["a", "b"]), st.integers(0, 50), st.integers(0, 50),
    st.sampled_from([0, 1450]), st.none() | st.integers(576, 1450),
)  # fmt: skip
ends = st.builds(
    lambda tried, found, window: End(
        "x", NodeLook("x", *sorted(window), tried=(tried,) if tried else (), seen=tuple(found))
    ),
    tries,
    st.lists(counts, max_size=4),
    st.tuples(st.floats(0, 20), st.floats(0, 20)),
) | st.just(End("x", None, "gone"))


@given(ends, ends)
def test_whatever_was_seen_is_judged(near: End, far: End) -> None:
    found = judge(PATH, near, far)
    tried = [one for end_ in (near, far) if end_.look for one in end_.look.tried]
    assert len(found) <= 2
    assert found == () or tried
