"""Orders and looks survive the way to a pod and back; nonsense is refused, not half understood."""

from dataclasses import fields
from ipaddress import ip_address, ip_network
from typing import get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcnet.codec.errors import DecodeError
from mcnet.codec.look import decode_look, decode_order, encode_look, encode_order
from mcnet.model.look import (
    Device,
    Drop,
    Missing,
    NodeLook,
    Order,
    Path,
    Seen,
    Translation,
    Tried,
    Tunnel,
)

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(0, 1 << 32)
times = st.floats(0, 2e9, allow_nan=False)
addresses = st.ip_addresses()
networks = addresses.map(ip_network)
paths = st.builds(
    Path,
    st.sampled_from(Tunnel),
    names,
    names,
    addresses,
    addresses,
    addresses,
    addresses,
    st.integers(1, 65535),
    st.integers(0, 65535),
)


def tuples(of: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(of, max_size=3).map(tuple)


orders = st.builds(
    Order, names, tuples(paths), tuples(names), tuples(numbers), tuples(numbers), st.booleans(), tuples(names),
    numbers,
    tuples(numbers), tuples(numbers), tuples(numbers), tuples(networks), tuples(networks), tuples(names), names,
)  # fmt: skip
looks = st.builds(
    NodeLook,
    node=names, began=times, ended=times, release=names,
    missing=tuples(st.builds(Missing, names, names, st.booleans(), names)),
    sysctls=st.dictionaries(names, names, max_size=3),
    devices=tuples(st.builds(Device, names, numbers, st.booleans(), tuples(names))),
    taken_ports=tuples(names),
    tables=st.dictionaries(names, names, max_size=3),
    tried=tuples(
        st.builds(Tried, st.sampled_from(Tunnel), names, numbers, numbers, numbers, st.none() | numbers, names)
    ),
    seen=tuples(st.builds(Seen, st.booleans(), addresses, addresses, numbers, numbers, numbers, numbers, numbers)),
    drops=tuples(st.builds(Drop, names, tuples(names), names, st.booleans(), names)),
    translations=tuples(st.builds(Translation, names, numbers, names, names, names, st.booleans(), names)),
    faults=st.dictionaries(names, names, max_size=3),
)  # fmt: skip


@given(orders)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_an_order_comes_back(order: Order) -> None:
    assert decode_order(encode_order(order)) == order


@given(looks)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_look_comes_back_behind_other_lines(look: NodeLook) -> None:
    assert decode_look("a warning of some library\n" + encode_look(look) + "\n") == look


def test_every_field_is_tried_above() -> None:
    assert {one.name for one in fields(NodeLook)} == set(get_type_hints(NodeLook))
    assert len(fields(Order)) == 15


def test_the_order_of_a_gateway_of_500_nodes_fits_an_argument() -> None:
    address = ip_address("fd6d:636e:6574:1:89ab:cdef:123:4567")
    many = tuple(
        Path(Tunnel.OVERLAY, f"node-{number:04}.example.com", "mcnet-vx", address + number, address,
             ip_address("2001:db8::1"), ip_address("2001:db8::1") + number, 4800)
        for number in range(500)
    )  # fmt: skip
    text = encode_order(Order("gateway", many))
    assert len(text) < 1 << 17
    assert decode_order(text).paths == many


@pytest.mark.parametrize("text", ["", "{}", "null", "eA==", "%", encode_order(Order("n1"))[:-8]])
def test_what_is_no_order_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        decode_order(text)


@pytest.mark.parametrize(
    "text", ["", "\n", "{}", "[]", "null", '{"node": "n1"}', encode_look(NodeLook("n1", 0, 1))[:-2]]
)
def test_what_is_no_look_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        decode_look(text)
