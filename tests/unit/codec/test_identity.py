"""Identities: keys by the RFCs' own vectors, so that other implementations agree."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mcnet.codec.endpoint import encode, signed_form
from mcnet.codec.identity import PrivateIdentity, sign, verify
from mcnet.install.identity import generate
from mcnet.model.cluster import ClusterId
from mcnet.model.endpoint import DriverOffer, Endpoint
from tests.fakes.identities import signature_of

# RFC 8032 7.1 test 1; RFC 7748 6.1 (Alice)
SIGNING = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
SIGNING_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
AGREEMENT = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f92ebc099c9c5d35e3a4e5c1e5a")
VALUE = Endpoint(
    ClusterId("west"), "node-1", 0, (IPv4Address("192.0.2.1"),), drivers=(DriverOffer("vxlan"),), sequence=3
)


def test_public_keys() -> None:
    assert PrivateIdentity(SIGNING, AGREEMENT).public.signing_key == SIGNING_PUBLIC


def test_the_canonical_form() -> None:
    """Frozen: another form would make every signature of a running clusterset invalid."""
    assert signed_form(VALUE) == (
        b'{"cluster":"west","drivers":[{"keyEpoch":0,"name":"vxlan"}],"gateway":"node-1","mtu":1500,"portBase":4500,'
        b'"privateAddresses":["192.0.2.1"],"protocolVersion":1,"rail":0,"sequence":3}'
    )


def test_changes_break_a_signature() -> None:
    identity = PrivateIdentity(SIGNING, AGREEMENT)
    signed = sign(VALUE, identity)
    assert verify(encode(signed, namespace="n"), identity.public)
    assert not verify(encode(replace(signed, mtu=1400), namespace="n"), identity.public)
    assert not verify(encode(replace(signed, signature=""), namespace="n"), identity.public)
    assert not verify(encode(replace(signed, signature="no base64!"), namespace="n"), identity.public)
    assert not verify(encode(signed, namespace="n"), generate().public)


def test_fields_of_a_newer_version_are_signed_too() -> None:
    identity = PrivateIdentity(SIGNING, AGREEMENT)
    obj = encode(VALUE, namespace="n")
    obj["spec"]["relay"] = {"name": "north"}
    obj["spec"]["signature"] = signature_of(obj["spec"], identity)
    assert verify(obj, identity.public)
    obj["spec"]["relay"] = {"name": "south"}
    assert not verify(obj, identity.public)


def test_generated_identities_differ() -> None:
    first, second = generate(), generate()
    assert len({first.signing, first.agreement, second.signing, second.agreement}) == 4
    assert verify(encode(sign(VALUE, first), namespace="n"), first.public)


def test_keys_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PrivateIdentity(b"short", AGREEMENT)
