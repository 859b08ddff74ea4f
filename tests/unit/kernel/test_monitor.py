"""Events as bytes: tables and devices that are ours are told from others', damaged messages come to an end."""

import struct
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.kernel import monitor
from mcnet.kernel.monitor import _concerns_us, _filters, _messages
from tests.fakes.mutations import damaged

NEW_RULE = 10 << 8 | 6


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def of_table(name: bytes) -> bytes:
    return struct.pack("=BBHHH", 2, 0, 0, 5 + len(name), 1) + name + b"\0"


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        (NEW_RULE, of_table(b"filter"), True),
        (NEW_RULE, of_table(b"kube-proxy"), False),
        (NEW_RULE, of_table(b"nat"), False),
        (10 << 8 | 12, of_table(b"filter"), False),  # elements of a set
        (11 << 8 | 6, of_table(b"filter"), False),  # no nf_tables
        (NEW_RULE, b"", False),
    ],
)
def test_changes_of_tables(kind: int, body: bytes, expected: bool) -> None:
    assert _filters(kind, body) == expected


def test_neighbours_of_other_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor.socket, "if_indextoname", {3: "mcnet-vx", 4: "eth0"}.__getitem__)
    ours, others = (struct.pack("=BxxxiHBB", 2, index, 0, 0, 0) for index in (3, 4))
    assert [_concerns_us(28, ours), _concerns_us(28, others), _concerns_us(16, others), _concerns_us(28, b"")] == [
        True, False, True, True,
    ]  # fmt: skip


def judged(data: bytes) -> int:
    """How many messages are in it; each is judged."""
    most = len(data) // 4 + 1
    found = list(islice(_messages(data), most))
    for kind, body in found:
        _filters(kind, body)
        _concerns_us(kind, body)
    return most - len(found)


@given(st.binary(max_size=200))
def test_any_bytes_come_to_an_end(data: bytes) -> None:
    assert judged(data) > 0


def test_damaged_ones_come_to_an_end() -> None:
    data = message(28, struct.pack("=BxxxiHBB", 2, 1, 0, 0, 0)) + message(NEW_RULE, of_table(b"filter"))
    assert len(list(_messages(data))) == 2
    assert all(judged(one) > 0 for one in damaged(data))
