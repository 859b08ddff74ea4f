"""What goes into the sampling pods and comes out of them."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.errors import DecodeError
from mcnet.codec.latency_samples import (
    PIECE,
    Listening,
    Order,
    Start,
    Target,
    decode_listening,
    decode_order,
    decode_series,
    decode_start,
    encode_listening,
    encode_order,
    encode_series,
    encode_start,
)
from mcnet.model.latency import Series, Way

TARGETS = st.lists(
    st.builds(
        lambda address, port: Target(address.version, (address,), port), st.ip_addresses(), st.integers(1, 65535)
    ),
    max_size=2,
).map(tuple)
TRIPS = st.none() | st.integers(1, 10**8).map(lambda tenths: tenths / 10)
SERIES = st.builds(
    lambda protocol, family, way, trips: Series(
        protocol, family, way, tuple(number / 100 for number in range(len(trips))), tuple(trips)
    ),
    st.sampled_from(["icmp", "tcp"]), st.sampled_from([4, 6]), st.sampled_from(Way),
    st.lists(TRIPS, min_size=1, max_size=3 * PIECE),
)  # fmt: skip


@given(TARGETS, TARGETS, st.sampled_from(Way))
def test_orders_survive(targets: tuple[Target, ...], others: tuple[Target, ...], way: Way) -> None:
    order = Order(
        way=way, duration=10, interval=0.01, targets=targets, follower=targets[0] if targets else None,
        follower_targets=others,
    )  # fmt: skip
    assert decode_order(encode_order(order)) == order
    assert decode_start(encode_start(Start(1.5, others))) == Start(1.5, others)


@given(st.lists(st.ip_addresses(), max_size=2).map(tuple))
def test_a_listening_line_survives(addresses: tuple[object, ...]) -> None:
    made = Listening(4000, addresses)  # type: ignore[arg-type]
    assert decode_listening(encode_listening(made)) == made


@given(st.lists(SERIES, max_size=3, unique_by=lambda one: (one.protocol, one.family, one.way)))
def test_series_survive_with_other_lines_between(made: list[Series]) -> None:
    lines = list(encode_series(made))
    assert max(map(len, lines), default=0) < 16 * 1024
    text = "\n".join(['{"port": 1, "addresses": []}', *lines, "a warning", ""])
    assert decode_series(text) == tuple(made)


def test_a_round_trip_below_the_clock_is_not_zero() -> None:
    text = '{"protocol":"icmp","family":4,"way":"pods","at":[0.1],"trips":[0.0]}'
    assert decode_series(text)[0].trips == (0.1,)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"port": "x", "addresses": []}', '{"port":1,"addresses":["x"]}'])
def test_what_is_not_understood(text: str) -> None:
    with pytest.raises(DecodeError, match="is not understood"):
        decode_listening(text)
    with pytest.raises(DecodeError, match="is not understood"):
        decode_start(text)
    with pytest.raises(DecodeError, match="is not understood"):
        decode_order(text)


@pytest.mark.parametrize("port", ["0", "-1", "65536", "1e400", "NaN", "[]"])
def test_ports_are_ports(port: str) -> None:
    with pytest.raises(DecodeError, match="is not understood"):
        decode_listening(f'{{"port": {port}, "addresses": []}}')
    with pytest.raises(DecodeError, match="is not understood"):
        decode_start(f'{{"at": 1, "targets": [{{"family": 4, "addresses": [], "port": {port}}}]}}')


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e400", "1" + "0" * 400])
def test_numbers_are_finite(number: str) -> None:
    with pytest.raises(DecodeError, match="is not understood"):
        decode_start(f'{{"at": {number}, "targets": []}}')
    for at, trip in ((number, "1"), ("1", number)):
        with pytest.raises(DecodeError, match="is not understood"):
            decode_series(f'{{"protocol":"icmp","family":4,"way":"pods","at":[{at}],"trips":[{trip}]}}')


def test_a_series_has_a_time_for_each_round_trip() -> None:
    with pytest.raises(DecodeError, match="don't match"):
        decode_series('{"protocol":"icmp","family":4,"way":"pods","at":[0.1,0.2],"trips":[1.0]}')


def test_a_broken_series_is_not_understood() -> None:
    with pytest.raises(DecodeError, match="a series is not understood"):
        decode_series('{"protocol": "icmp"}')


def test_addresses_are_addresses() -> None:
    assert decode_listening('{"port": 5, "addresses": ["fd00::1"]}').addresses == (ip_address("fd00::1"),)
