"""Values survive their objects: decode(encode(value)) is the value, for any value."""

import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mcnet.codec import (
    cluster,
    clusterset,
    endpoint,
    endpoint_slice,
    exported_service,
    gateway,
    member,
    node_state,
)
from mcnet.codec.identity import PrivateIdentity, sign, verify
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet, Identity
from mcnet.model.endpoint import DriverOffer, Endpoint
from mcnet.model.gateway import Cable, CableState, Cause, Gateway, RoundTrip
from mcnet.model.member import GatewayCount, Member
from mcnet.model.node import NodeState
from mcnet.model.public_address import Kind, Source
from mcnet.model.service import ExportedService, Port, ServiceEndpoint, ServiceSlice
from tests.fakes.services import EAST, WEB, exports

ids = st.sampled_from(["west", "east", "a", "x-1"]).map(ClusterId)
nodes = st.sampled_from(["node-1", "ip-10-0-0-1.ec2.internal"])
networks = st.lists(
    st.sampled_from([IPv4Network("10.0.0.0/8"), IPv4Network("192.0.2.0/24"), IPv6Network("fd00::/48")]), max_size=3
).map(tuple)
address = st.sampled_from([IPv4Address("192.0.2.1"), IPv4Address("10.0.0.1"), IPv6Address("2001:db8::1")])
addresses = st.lists(address, max_size=2).map(tuple)
keys = st.binary(min_size=32, max_size=32)
word = st.text("abc -.", max_size=6)
drivers = st.sampled_from(["vxlan", "wireguard"])
seconds = st.floats(0, 10, allow_nan=False)

clustersets = st.builds(
    ClusterSet, drivers, st.integers(1, 3),
    st.dictionaries(st.frozensets(ids, min_size=2, max_size=2), drivers, max_size=3),
)  # fmt: skip
clusters = st.builds(Cluster, ids, networks, networks, st.none() | st.builds(Identity, keys, keys))
offers = st.builds(
    DriverOffer, drivers, st.integers(0, 1),
    st.dictionaries(word.filter(bool), word, max_size=2).map(lambda data: tuple(sorted(data.items()))),
)  # fmt: skip
endpoints = st.builds(
    Endpoint, ids, nodes, st.integers(0, 7), addresses, addresses, st.integers(1, 65505),
    st.lists(offers, max_size=2).map(tuple), st.none() | st.just(IPv4Address("245.0.0.1")),
    st.none() | st.just(IPv6Address("fd00::1")), st.integers(576, 65535), networks, st.integers(0, 2**62),
    public_port_base=st.sampled_from([0, 1, 30000, 65505]), nat=st.sampled_from(["", "eim", "symmetric"]),
    weight=st.integers(0, 100),
)  # fmt: skip
cables = st.builds(
    Cable, ids, nodes, st.integers(0, 7), st.sampled_from(CableState), drivers, st.none() | address,
    st.none() | address, word, st.booleans(), st.sampled_from(["direct", "nat"]),
    st.none() | st.builds(RoundTrip, seconds, seconds, seconds, seconds, seconds),
    st.floats(0, 1), st.sampled_from(["", "2026-01-31T12:00:00Z"]), st.booleans(), word,
    st.sampled_from(Cause), st.sampled_from([0, 1280, 1354]), st.floats(0, 1),
)  # fmt: skip
reports = st.builds(
    Gateway, nodes, ids, st.none() | st.integers(0, 7), st.lists(cables, max_size=3).map(tuple),
    st.lists(word, max_size=2).map(tuple), word, st.integers(1, 100), st.booleans(),
)  # fmt: skip
states = st.builds(
    NodeState, nodes, addresses, addresses, st.lists(word, max_size=2).map(tuple),
    st.dictionaries(st.sampled_from(["ipv4/ip_forward", "core/x"]), word).map(lambda d: tuple(sorted(d.items()))),
    word, st.booleans(),
)  # fmt: skip
sources = st.lists(
    st.sampled_from(
        [
            Source(Kind.ADDRESS, "198.51.100.7"),
            Source(Kind.ADDRESS, "2001:db8::7"),
            Source(Kind.DNS, "gw.example.com"),
            Source(Kind.LOAD_BALANCER, "gw"),
            Source(Kind.API, "ip.example.com/me"),
        ]
    ),
    max_size=3,
    unique=True,
).map(tuple)
members = st.builds(
    Member, ids, networks, networks, st.integers(1, 65505), st.sampled_from(["overlay", "cni"]),
    word.filter(bool), word.filter(bool), word.filter(bool), st.booleans(), st.integers(0, 2),
    st.lists(st.sampled_from(["image", "pod-cidr"]), max_size=2, unique=True).map(tuple),
    st.sampled_from(["", "registry.example/mcnet:1"]), st.sampled_from(["IfNotPresent", "Always", "Never"]),
    st.lists(st.just("default/registry"), max_size=1).map(tuple),
    st.dictionaries(word.filter(bool), word, max_size=2).map(lambda data: tuple(sorted(data.items()))),
    st.lists(
        st.sampled_from([{"operator": "Exists"}, {"key": "a", "operator": "Equal", "value": "b"}]),
        max_size=2,
    ).map(tuple),
    st.builds(GatewayCount, st.integers(1, 8), st.booleans()),
    st.sampled_from([0, 1330, 9000]), st.sampled_from([0, 30, 90]), st.integers(0, 9),
    st.sampled_from([0.0, 0.1, 2.5]), st.integers(0, 100), sources, st.booleans(),
    st.booleans(),
)  # fmt: skip


port = st.builds(
    Port, st.sampled_from(["", "http", "a-1"]), st.sampled_from(["TCP", "UDP", "SCTP"]), st.integers(1, 65535),
    st.sampled_from(["", "http", "kubernetes.io/h2c"]),
)  # fmt: skip
slices = st.builds(
    ServiceSlice, st.just("east.1"), st.just("IPv4"),
    st.lists(port, max_size=3, unique_by=lambda one: one.name).map(tuple),
    st.lists(
        st.builds(
            ServiceEndpoint,
            st.lists(st.sampled_from([IPv4Address("10.1.0.1"), IPv4Address("10.1.0.2")]), min_size=1).map(tuple),
            st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["", "web-0"]),
        ),
        max_size=3,
    ).map(tuple),
)  # fmt: skip


def over_the_wire(obj: dict[str, Any]) -> dict[str, Any]:
    """As it comes back, with what newer versions may have added."""
    received: dict[str, Any] = json.loads(json.dumps(obj))
    for part in ("spec", "status"):
        if part in received:
            received[part]["fromTheFuture"] = {"x": [1]}
    return received


@settings(max_examples=50)
@given(clustersets, clusters, members)
def test_specs(options: ClusterSet, one: Cluster, settings_of_one: Member) -> None:
    assert clusterset.decode(over_the_wire(clusterset.encode(options))) == options
    assert cluster.decode(over_the_wire(cluster.encode(one, namespace="n"))) == one
    assert member.decode(over_the_wire(member.encode(settings_of_one))) == settings_of_one


@settings(max_examples=50)
@given(reports, states)
def test_statuses(report: Gateway, state: NodeState) -> None:
    assert gateway.decode(over_the_wire(gateway.encode(report, namespace="n"))) == report
    assert node_state.decode(over_the_wire(node_state.encode(state, namespace="n"))) == state


@settings(max_examples=50)
@given(endpoints, keys, keys)
def test_endpoints_and_their_signatures(value: Endpoint, signing: bytes, agreement: bytes) -> None:
    identity = PrivateIdentity(signing, agreement)
    signed = sign(value, identity)
    sent = over_the_wire(endpoint.encode(signed, namespace="n"))
    received = endpoint.decode(sent)
    assert received == value
    assert received.signature == signed.signature
    assert endpoint.signed_form(received) == endpoint.signed_form(value)
    assert not verify(sent, identity.public), "the wire has put a field in"
    plain = json.loads(json.dumps(endpoint.encode(signed, namespace="n")))
    assert endpoint.canonical(plain["spec"]) == endpoint.signed_form(value)
    assert verify(plain, identity.public)


@settings(max_examples=50)
@given(endpoints, endpoints, keys)
def test_a_signature_is_for_one_value_only(first: Endpoint, second: Endpoint, key: bytes) -> None:
    identity = PrivateIdentity(key, key)
    signature = sign(first, identity).signature
    forged = endpoint.encode(second, namespace="n")
    forged["spec"]["signature"] = signature
    assert verify(forged, identity.public) == (first == second)
    assert (endpoint.signed_form(first) == endpoint.signed_form(second)) == (first == second)


@settings(max_examples=50)
@given(exports(EAST), slices)
def test_exports(record: ExportedService, made: ServiceSlice) -> None:
    assert exported_service.decode(over_the_wire(exported_service.encode(record, namespace="n"))) == record
    obj = over_the_wire(endpoint_slice.encode_broker(made, cluster=EAST, service=WEB, namespace="n"))
    assert endpoint_slice.decode(obj) == made
    assert endpoint_slice.decode_owner(obj) == (EAST, WEB)
