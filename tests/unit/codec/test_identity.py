"""Identities: keys by the RFCs' own vectors, so that other implementations agree."""

import json
import string
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcnet.codec.endpoint import decode, encode, signed_form
from mcnet.codec.errors import DecodeError
from mcnet.codec.identity import PrivateIdentity, decode_secret, encode_secret, sign, verify
from mcnet.install.identity import generate
from mcnet.model.cluster import ClusterId, Identity
from mcnet.model.endpoint import DriverOffer, Endpoint
from tests.fakes.identities import signature_of
from tests.fakes.mutations import changed, damaged, mutations

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


OWN = PrivateIdentity(SIGNING, AGREEMENT)
SIGNED = encode(
    sign(
        replace(VALUE, prefixes=(IPv4Network("10.0.0.0/8"),), drivers=(DriverOffer("wireguard", 1, (("k", "v"),)),)),
        OWN,
    ),
    namespace="n",
)


def text_of(obj: dict[str, Any]) -> str:
    """What stands in the spec to the letter: Python holds 1, 1.0 and true for equal."""
    return json.dumps(obj["spec"], sort_keys=True)


def test_any_one_change_of_the_spec_breaks_the_signature() -> None:
    """Also those that leave the meaning, such as a number as text, another text for the same bytes, or a field that
    nobody knows."""
    wholes = [spec for _, spec in changed(SIGNED["spec"]) if isinstance(spec, dict)]
    others = [obj for spec in wholes if not same(obj := SIGNED | {"spec": spec})]
    assert len(others) > 700
    assert not any(verify(obj, OWN.public) for obj in others)
    assert verify(SIGNED, OWN.public)


def same(obj: dict[str, Any]) -> bool:
    """Whether the spec is the signed one; False for one too deep to be written."""
    try:
        return text_of(obj) == text_of(SIGNED)
    except RecursionError:
        return False


@settings(max_examples=40)
@given(mutations(SIGNED))
def test_what_is_changed_in_many_places_is_not_believed(obj: Any) -> None:
    try:
        decode(obj)
    except DecodeError:
        return
    assert verify(obj, OWN.public) == same(obj)


def test_any_damage_to_the_signature_breaks_it() -> None:
    signature = SIGNED["spec"]["signature"]
    texts = {data.decode(errors="surrogateescape") for data in damaged(signature.encode())} - {signature}
    texts |= {signature + more for more in (" ", "\n", "=", "A", "==")}
    letters = string.ascii_letters + string.digits + "+/"
    texts |= {f"{signature[:-3]}{last}==" for last in letters} - {signature}  # its lowest bits say nothing
    assert not any(verify(SIGNED | {"spec": SIGNED["spec"] | {"signature": text}}, OWN.public) for text in texts)


def test_any_damage_to_the_key_breaks_it() -> None:
    keys = [key for key in damaged(SIGNING_PUBLIC) if key != SIGNING_PUBLIC]
    assert not any(verify(SIGNED, Identity(key, AGREEMENT)) for key in keys)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_the_secret_comes_back(signing: bytes, agreement: bytes) -> None:
    assert decode_secret(encode_secret(made := PrivateIdentity(signing, agreement))) == made
