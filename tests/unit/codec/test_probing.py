"""Orders and news between a daemon and its prober: there and back, and nothing else is taken."""

from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.errors import DecodeError
from mcnet.codec.probing import News, Order, decode_news, decode_order, encode_news, encode_order
from mcnet.model.probe import Mark, PathHealth, Target
from tests.fakes.mutations import damaged

SECONDS = st.floats(0, 1e10)
PATHS = st.dictionaries(
    st.text(max_size=20),
    st.builds(
        PathHealth,
        state=st.sampled_from(["up", "down", "unknown"]),
        rtt_last=st.none() | SECONDS,
        rtt_min=st.none() | SECONDS,
        rtt_avg=st.none() | SECONDS,
        rtt_max=st.none() | SECONDS,
        rtt_stddev=st.none() | SECONDS,
        sent=st.integers(0, 100),
        lost=st.integers(0, 100),
        since=SECONDS,
        falls=st.integers(0, 1000),
        held_until=SECONDS,
        mark=st.sampled_from(Mark),
    ),
    max_size=4,
)
ADDRESSES = st.ip_addresses()
TARGETS = st.builds(
    Target,
    key=st.text(max_size=20),
    address=ADDRESSES,
    device=st.text(max_size=15),
    source=st.none() | ADDRESSES,
    losses=st.integers(0, 100),
    formerly=st.text(max_size=20),
)
ORDERS = st.builds(
    Order, st.integers(1, 1 << 40), st.floats(0.1, 60), st.integers(1, 100), st.frozensets(TARGETS, max_size=4), PATHS
)


@given(ORDERS)
def test_orders_there_and_back(order: Order) -> None:
    line = encode_order(order)
    assert line.count(b"\n") == 1
    assert decode_order(line) == order
    names = {(target, target.formerly) for target in order.targets}
    assert {(target, target.formerly) for target in decode_order(line).targets} == names, "not part of what is equal"


@given(st.integers(1, 1 << 40), PATHS)
def test_news_there_and_back(number: int, paths: dict[str, PathHealth]) -> None:
    line = encode_news(News(number, paths))
    assert line.count(b"\n") == 1
    assert decode_news(line) == News(number, paths)


ORDER = Order(7, 0.1, 3, frozenset({Target("a", ip_address("192.0.2.1"), "lo")}), {"a": PathHealth("up", since=1.0)})


def test_what_is_damaged_is_refused_or_is_another_one() -> None:
    for line in damaged(encode_order(ORDER)):
        with suppress(DecodeError):
            assert isinstance(decode_order(line), Order)
    for line in damaged(encode_news(News(7, ORDER.known))):
        with suppress(DecodeError):
            assert isinstance(decode_news(line), News)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"null",
        b"7",
        b"{}",
        b'{"news": 1, "paths": []}',
        b'{"news": 1, "paths": {"a": 1}}',
        b'{"news": 1, "paths": {"a": []}}',
        b'{"news": 1, "paths": {"a": ["up"]}}',
        b'{"news": 1, "paths": {"a": ["well", null, null, null, null, null, 0, 0, 0, 0, 0]}}',
        b'{"news": 1, "paths": {"a": ["up", "1", null, null, null, null, 0, 0, 0, 0, 0]}}',
        b'{"order": 1, "interval": 1, "multiplier": 3, "targets": [["a"]], "known": {}}',
        b'{"order": 1, "interval": 1, "multiplier": 3, "targets": [["a", "x", "lo", null]], "known": {}}',
    ],
)
def test_what_is_neither_is_refused(line: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_news(line)
    with pytest.raises(DecodeError):
        decode_order(line)
