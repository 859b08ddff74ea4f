"""NAT discovery datagrams: as Submariner's, and harmless whatever they hold."""

import contextlib
from ipaddress import ip_address
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.errors import DecodeError
from mcnet.codec.nat_discovery import MOST_BYTES, Party, Place, Request, Response, Result, decode, encode

parties = st.builds(Party, st.text(max_size=20), st.text(max_size=20))
places = st.builds(Place, st.none() | st.ip_addresses(), st.integers(0, 65535))
numbers = st.integers(0, 2**64 - 1)
requests = st.builds(Request, numbers, parties, parties, places, places)
responses = st.builds(
    Response, numbers, st.sampled_from(Result), parties, parties, st.booleans(), st.booleans(), st.booleans(), places
)


@given(requests | responses)
def test_round_trip(message: Request | Response) -> None:
    assert decode(encode(message)) == message


def _schema() -> Any:
    """The messages as the protobuf library knows them, by the field numbers of Submariner's natdiscovery.proto."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="natdiscovery.proto", syntax="proto3")
    text, number, wide, flag, kind = (
        field.TYPE_STRING, field.TYPE_UINT32, field.TYPE_UINT64, field.TYPE_BOOL, field.TYPE_MESSAGE,
    )  # fmt: skip
    shapes: dict[str, list[tuple[str, int, int, str]]] = {
        "Pair": [("IP", 1, text, ""), ("port", 2, number, "")],
        "Details": [("cluster_id", 1, text, ""), ("endpoint_id", 2, text, "")],
        "Request": [
            ("request_number", 1, wide, ""), ("sender", 2, kind, "Details"), ("receiver", 3, kind, "Details"),
            ("using_src", 4, kind, "Pair"), ("using_dst", 5, kind, "Pair"),
        ],
        "Response": [
            ("request_number", 1, wide, ""), ("response", 2, number, ""), ("sender", 3, kind, "Details"),
            ("receiver", 4, kind, "Details"), ("src_ip_nat_detected", 5, flag, ""),
            ("src_port_nat_detected", 6, flag, ""), ("dst_ip_nat_detected", 7, flag, ""),
            ("received_src", 8, kind, "Pair"),
        ],
        "Message": [("version", 1, number, ""), ("request", 2, kind, "Request"), ("response", 3, kind, "Response")],
    }  # fmt: skip
    for name, fields in shapes.items():
        made = file.message_type.add(name=name)
        for label, at, of, of_type in fields:
            one = made.field.add(name=label, number=at, type=of, label=field.LABEL_OPTIONAL)
            if of_type:
                one.type_name = f".{of_type}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Message"))


MESSAGE = _schema()


@given(requests)
def test_a_request_is_what_submariner_reads(sent: Request) -> None:
    read = MESSAGE.FromString(encode(sent))
    assert read.version == 1
    request = read.request
    assert request.request_number == sent.number
    assert (request.sender.cluster_id, request.sender.endpoint_id) == (sent.sender.cluster, sent.sender.endpoint)
    assert (request.receiver.cluster_id, request.receiver.endpoint_id) == (
        sent.receiver.cluster,
        sent.receiver.endpoint,
    )
    assert (request.using_src.IP, request.using_src.port) == (_text(sent.source), sent.source.port)
    assert (request.using_dst.IP, request.using_dst.port) == (_text(sent.target), sent.target.port)


@given(responses)
def test_a_response_is_what_submariner_reads_and_writes(sent: Response) -> None:
    read = MESSAGE.FromString(encode(sent))
    response = read.response
    assert (response.request_number, response.response) == (sent.number, sent.result.value)
    assert response.src_ip_nat_detected == sent.source_translated
    assert response.src_port_nat_detected == sent.port_translated
    assert response.dst_ip_nat_detected == sent.target_translated
    assert (response.received_src.IP, response.received_src.port) == (
        _text(sent.received_from),
        sent.received_from.port,
    )
    read.ClearField("version")  # Submariner sets none in its responses
    assert decode(read.SerializeToString()) == sent


def _text(place: Place) -> str:
    return str(place.address) if place.address is not None else ""


@given(st.binary(max_size=300))
def test_noise_never_raises_anything_else(datagram: bytes) -> None:
    with contextlib.suppress(DecodeError):
        decode(datagram)


@given(requests | responses, st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_datagram_never_raises_anything_else(message: Request | Response, at: int, octet: int) -> None:
    whole = bytearray(encode(message))
    whole[at % len(whole)] = octet
    for datagram in (bytes(whole), bytes(whole[: at % len(whole)])):
        with contextlib.suppress(DecodeError):
            decode(datagram)


@pytest.mark.parametrize(
    ("datagram", "words"),
    [
        (b"", "neither a request nor a response"),
        (b"\x08\x01", "neither a request nor a response"),
        (b"x" * (MOST_BYTES + 1), "has 1201 bytes"),
        (b"\x12\x7f", "is longer than the message"),
        (b"\x12" + b"\xff" * 11, "a number does not end"),
        (b"\x13\x00", "wire type 3"),
        (b"\x00\x01", "number 0"),
        (b"\x12\x04\x22\x02\x10\x01"[:-2] + b"\x0a\x00", "."),
    ],
)
def test_what_is_wrong_is_named(datagram: bytes, words: str) -> None:
    if words == ".":
        decode(datagram)  # an empty place is none
        return
    with pytest.raises(DecodeError, match=words):
        decode(datagram)


def test_a_port_that_is_none() -> None:
    good = encode(Request(1, Party(), Party(), Place(ip_address("192.0.2.1"), 65535)))
    assert isinstance(decode(good), Request)
    with pytest.raises(DecodeError, match="65536 is none"):
        decode(encode(Request(1, Party(), Party(), Place(ip_address("192.0.2.1"), 65536))))
