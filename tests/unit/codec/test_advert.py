"""Adverts: what is said is understood, anything else is refused without harm."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec import advert
from mcnet.codec.errors import DecodeError
from mcnet.model.cluster import ClusterId, cluster_number

IDS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True).map(ClusterId)


@given(
    st.text(max_size=63),
    st.integers(0, 7),
    st.frozensets(IDS, max_size=20),
    st.dictionaries(IDS, st.integers(1280, 65535), max_size=5),
)
def test_round_trip(gateway: str, rail: int, reach: frozenset[ClusterId], narrow: dict[ClusterId, int]) -> None:
    decoded = advert.decode(advert.encode(gateway, rail, reach, narrow))
    sizes = {cluster_number(cluster): size for cluster, size in narrow.items()}
    assert decoded == advert.Advert(gateway, rail, frozenset(map(cluster_number, reach)), sizes)


def test_one_of_an_older_gateway_says_nothing_of_sizes() -> None:
    assert advert.decode(b'{"mcnet":1,"gateway":"n","rail":0,"reach":[7]}').narrow == {}


def test_a_hundred_clusters_fit_one_packet() -> None:
    datagram = advert.encode("n" * 63, 7, [ClusterId(f"cluster-{number}") for number in range(100)])
    assert len(datagram) < 1280 - 40 - 8


@pytest.mark.parametrize(
    "datagram",
    [b"", b"\xff\x00", b"[]", b"{}", b"7", b'{"mcnet":2,"gateway":"n","rail":0,"reach":[]}',
     b'{"mcnet":1,"gateway":"n","rail":0,"reach":"x"}', b'{"mcnet":1,"gateway":"n","rail":"x","reach":[]}',
     b'{"mcnet":1,"gateway":"n","rail":0,"reach":[true]}', b'{"mcnet":1,"gateway":"n","rail":1e400,"reach":[]}',
     b'{"mcnet":1,"gateway":[],"rail":0,"reach":[]}', b'{"mcnet":1,"gateway":"n","rail":true,"reach":[]}',
     b'{"mcnet":1,"gateway":"n","rail":0,"reach":[],"narrow":[]}',
     b'{"mcnet":1,"gateway":"n","rail":0,"reach":[],"narrow":{"7":true}}',
     b'{"mcnet":1,"gateway":"n","rail":0,"reach":[],"narrow":{"7":0}}',
     b'{"mcnet":1,"gateway":"n","rail":0,"reach":[],"narrow":{"x":1300}}',
     b'{"mcnet":1,"gateway":"n","rail":0,"reach":[],"narrow":{"7":65536}}',
     b"[" * 65507],
)  # fmt: skip
def test_anything_else_is_refused(datagram: bytes) -> None:
    with pytest.raises(DecodeError):
        advert.decode(datagram)


@given(st.binary(max_size=200))
def test_noise_never_raises_anything_else(datagram: bytes) -> None:
    with contextlib.suppress(DecodeError):
        advert.decode(datagram)
