"""ServiceImports and EndpointSlices: the usable part is taken, what is wrong is named, nothing is fatal."""

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given

from mcnet.codec.dns_objects import SERVICE_NAME_LABEL, SOURCE_CLUSTER_LABEL, decode_import, decode_slice
from mcnet.codec.errors import DecodeError
from mcnet.model.dns import Host, Import, Port, Slice
from mcnet.plan.dns_zone import Options, Zone, service
from tests.fakes.imports import endpoint, headless_object, import_object, slice_object
from tests.fakes.mutations import OBJECTS, changed, mutations, put

HTTPS = {"name": "HTTPS", "protocol": "TCP", "port": 443, "appProtocol": "https"}
IMPORT = import_object("web", "shop", ips=["10.1.2.3", "fd00::1"], ports=[HTTPS, {"port": 53, "protocol": "UDP"}])
SLICE = slice_object(
    "web-1", "shop", "web", "west",
    [endpoint("10.9.0.1", hostname="A"), endpoint("10.9.0.2", ready=None), endpoint("10.9.0.3", ready=False)],
    ports=[HTTPS],
)  # fmt: skip


def test_an_import() -> None:
    assert decode_import(IMPORT) == Import(
        "shop", "web", False, (IPv4Address("10.1.2.3"), IPv6Address("fd00::1")),
        (Port("https", "tcp", 443), Port("", "udp", 53)),
    )  # fmt: skip


def test_a_headless_import_has_no_addresses_whatever_it_says() -> None:
    assert decode_import(put(IMPORT, ("spec", "type"), "Headless")).addresses == ()
    assert decode_import(headless_object("db", "shop")).headless


def test_a_slice() -> None:
    assert decode_slice(SLICE) == Slice(
        "shop", "web", ("west",),
        (Host("a", (IPv4Address("10.9.0.1"),)), Host("", (IPv4Address("10.9.0.2"),))),
        (Port("https", "tcp", 443),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("spec", "ports", 0, "port"), None, "spec.ports[0].port: is missing"),
        (("spec", "ports", 0, "port"), 65536, "65536 is not a port"),
        (("spec", "ports", 0, "name"), "a_b", "'a_b' can't be part of a DNS name"),
        (("spec", "ports", 0, "protocol"), "QUIC", "'quic' is none of TCP, UDP, SCTP"),
        (("spec", "ports"), {}, "spec.ports: is not a list"),
        (("spec", "ports", 0), None, "spec.ports[0]: is not an object"),
        (("spec", "ips", 1), "fe80::1%eth0", "has a zone"),
        (("spec", "ips", 1), "x", "'x' does not appear to be an IPv4 or IPv6 address"),
    ],
)  # fmt: skip
def test_a_part_of_an_import_that_is_wrong_is_left_out(path: tuple[str | int, ...], value: object, why: str) -> None:
    found = decode_import(put(IMPORT, path, value))
    assert found.addresses[0] == IPv4Address("10.1.2.3")
    assert len(found.problems) == 1
    assert why in found.problems[0]
    assert found.problems[0].startswith("web: ")


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("endpoints", 0, "addresses", 0), "fd00::1", "not all of them are of IPv4"),
        (("endpoints", 0, "addresses", 0), "x", "endpoints[0].addresses[0]"),
        (("endpoints", 0, "addresses"), "10.9.0.1", "endpoints[0].addresses: is not a list"),
        (("endpoints", 0, "conditions", "ready"), "yes", "is not of type bool"),
        (("endpoints", 0), "x", "endpoints[0]: is not an object"),
    ],
)  # fmt: skip
def test_an_endpoint_that_is_wrong_is_left_out(path: tuple[str | int, ...], value: object, why: str) -> None:
    found = decode_slice(put(SLICE, path, value))
    assert found.hosts == (Host("", (IPv4Address("10.9.0.2"),)),)
    assert len(found.problems) == 1
    assert why in found.problems[0]


def test_a_hostname_that_is_none_leaves_its_endpoint() -> None:
    found = decode_slice(put(SLICE, ("endpoints", 0, "hostname"), "a.b"))
    assert found.hosts[0] == Host("", (IPv4Address("10.9.0.1"),))
    assert found.problems == ("web-1: endpoints[0].hostname: 'a.b' can't be a label of a DNS name",)


@pytest.mark.parametrize(
    ("obj", "path", "value"),
    [
        (IMPORT, ("metadata", "name"), "a.b"), (IMPORT, ("metadata", "name"), "x" * 64),
        (IMPORT, ("metadata", "namespace"), None), (IMPORT, ("spec", "type"), "ExternalName"),
        (IMPORT, ("spec",), 5), (IMPORT, ("spec", "type"), None),
        (SLICE, ("metadata", "labels", SERVICE_NAME_LABEL), ""), (SLICE, ("metadata", "labels"), None),
        (SLICE, ("metadata", "labels", SOURCE_CLUSTER_LABEL), "a.b.c"),
        (SLICE, ("metadata", "labels", SOURCE_CLUSTER_LABEL), "-a"),
        (SLICE, ("metadata", "labels", SOURCE_CLUSTER_LABEL), ""),
        (SLICE, ("addressType",), "FQDN"), (SLICE, ("addressType",), None),
    ],
)  # fmt: skip
def test_an_object_without_identity_is_refused_whole(
    obj: dict[str, Any], path: tuple[str | int, ...], value: object
) -> None:
    with pytest.raises(DecodeError):
        (decode_import if obj is IMPORT else decode_slice)(put(obj, path, value))


def survives(imported: object, own: object) -> None:
    """Whatever was decoded can be served."""
    try:
        first = decode_import(imported)  # type: ignore[arg-type]
        second = decode_slice(own)  # type: ignore[arg-type]
    except DecodeError:
        return
    made = service(first, [second], Options(cluster_names=True))
    Zone().changed({(first.namespace, first.name): made}, [])
    assert all(len(problem) < 1000 for problem in (*first.problems, *second.problems))


def test_one_thing_wrong_anywhere() -> None:
    for _, obj in changed(IMPORT):
        survives(obj, SLICE)
    for _, obj in changed(SLICE):
        survives(IMPORT, obj)
        survives(put(IMPORT, ("spec", "type"), "Headless"), obj)


@given(mutations(IMPORT), mutations(SLICE))
def test_several_things_wrong(imported: object, own: object) -> None:
    survives(imported, own)


@given(OBJECTS, OBJECTS)
def test_any_json(imported: object, own: object) -> None:
    survives(imported, SLICE)
    survives(IMPORT, own)
