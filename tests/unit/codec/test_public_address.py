"""Sources of public addresses as text: what is taken, what is refused and with which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.public_address import decode, encode
from mcnet.model.public_address import Kind, Source


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("", ()),
        (" , ", ()),
        ("198.51.100.7", (Source(Kind.ADDRESS, "198.51.100.7"),)),
        ("ipv4:198.51.100.7", (Source(Kind.ADDRESS, "198.51.100.7"),)),
        ("2001:db8::7", (Source(Kind.ADDRESS, "2001:db8::7"),)),
        ("ipv6:2001:DB8::7", (Source(Kind.ADDRESS, "2001:db8::7"),)),
        ("10.0.0.1", (Source(Kind.ADDRESS, "10.0.0.1"),)),
        ("dns:gw.example.com", (Source(Kind.DNS, "gw.example.com"),)),
        ("lb:submariner-gateway", (Source(Kind.LOAD_BALANCER, "submariner-gateway"),)),
        ("api:ip.example.com:8443/me", (Source(Kind.API, "ip.example.com:8443/me"),)),
        ("dns:a, dns:b ,dns:a", (Source(Kind.DNS, "a"), Source(Kind.DNS, "b"))),
    ],
)
def test_what_is_taken(text: str, sources: tuple[Source, ...]) -> None:
    assert decode(text) == sources
    assert decode(encode(sources)) == sources


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gw.example.com", "'gw.example.com' is no address and names no place to look one up"),
        ("ipv4:2001:db8::7", "'ipv4:2001:db8::7' is no IPv4 address"),
        ("ipv6:198.51.100.7", "'ipv6:198.51.100.7' is no IPv6 address"),
        ("127.0.0.1", "'127.0.0.1' is an address that nobody can send to from elsewhere"),
        ("fe80::1%eth0", "'fe80::1%eth0' is an address that nobody can send to from elsewhere"),
        ("224.0.0.1", "'224.0.0.1' is an address that nobody can send to from elsewhere"),
        ("dns:", "'dns:' names no host"),
        ("dns:a b", "'dns:a b' names no host"),
        ("lb:ns/gw", "'lb:ns/gw' names no Service"),
        ("api:http://x", "'api:http://x' names no host"),
        ("api:x/a b", "'api:x/a b' names no host"),
        (",".join(f"dns:n{number}" for number in range(9)), "9 places to look are more than 8"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match="^" + why.replace("(", r"\(").replace(".", r"\.")):
        decode(text)


@given(st.text(max_size=60))
def test_any_text_is_taken_or_refused_and_what_is_taken_can_be_written(text: str) -> None:
    try:
        sources = decode(text)
    except ValueError:
        return
    assert decode(encode(sources)) == sources
