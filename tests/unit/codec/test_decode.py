"""What can't be understood is named: the object, the field, the fault."""

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pytest

from mcnet.codec import broker, cluster, clusterset, endpoint, gateway, identity, member, node, node_state
from mcnet.codec.broker import BrokerCredential, Lifetime
from mcnet.codec.errors import DecodeError
from mcnet.codec.fields import base64_text
from mcnet.codec.identity import PrivateIdentity
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.gateway import Gateway
from mcnet.model.member import Member
from mcnet.model.node import Node, NodeState
from mcnet.model.public_address import Kind, Source

WEST = ClusterId("west")
KEYS = PrivateIdentity(b"s" * 32, b"a" * 32)
OBJECTS: dict[str, dict[str, Any]] = {
    "clusterset": clusterset.encode(ClusterSet()),
    "cluster": cluster.encode(Cluster(WEST, (), (), KEYS.public), namespace="n"),
    "endpoint": endpoint.encode(Endpoint(WEST, "node-1", 0, (IPv4Address("192.0.2.1"),)), namespace="n"),
    "member": member.encode(Member(WEST, (), ())),
    "gateway": gateway.encode(Gateway("node-1", WEST, 0), namespace="n"),
    "node_state": node_state.encode(NodeState("node-1"), namespace="n"),
    "node": {"metadata": {"name": "n1"}},
}
DECODERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "clusterset": clusterset.decode, "cluster": cluster.decode, "endpoint": endpoint.decode,
    "member": member.decode, "gateway": gateway.decode, "node_state": node_state.decode, "node": node.decode,
}  # fmt: skip

BAD: list[tuple[str, str, object, str]] = [
    ("clusterset", "spec.driverExceptions", [{"clusters": ["a"], "driver": "v"}],
     "mcnet: spec.driverExceptions[0].clusters: must name two clusters"),
    ("clusterset", "spec.protocolVersion", "1", "mcnet: spec.protocolVersion: '1' is not of type int"),
    ("cluster", "spec", 5, "west: spec: is not an object"),
    ("cluster", "spec.id", "West", "west: spec.id: 'West' is not a cluster ID (a DNS label)"),
    ("cluster", "spec.id", "east", "west: spec.id: 'east' does not fit the object's name"),
    ("cluster", "spec.podPrefixes", "10.0.0.0/8", "west: spec.podPrefixes: is not a list"),
    ("cluster", "spec.podPrefixes", ["10.0.0.1/8"], "west: spec.podPrefixes[0]: 10.0.0.1/8 has host bits set"),
    ("cluster", "spec.podPrefixes", [5], "west: spec.podPrefixes[0]: 5 is not a text"),
    ("cluster", "spec.identity.signingKey", "!", "west: spec.identity.signingKey: is not base64"),
    ("cluster", "spec.identity.signingKey", "AAAA",
     "west: spec.identity.signingKey: has 3 bytes instead of 32"),
    ("endpoint", "spec.privateAddresses", ["fe80::1%x } drop; "],
     "west.node-1: spec.privateAddresses[0]: 'fe80::1%x } drop; ' has a zone"),
    ("endpoint", "spec.prefixes", ["fe80::%x/64"], "west.node-1: spec.prefixes[0]: 'fe80::%x/64' has a zone"),
    ("endpoint", "spec.rail", 8, "west.node-1: spec.rail: 8 is not within 0 to 7"),
    ("endpoint", "spec.rail", True, "west.node-1: spec.rail: True is not of type int"),
    ("endpoint", "spec.rail", None, "west.node-1: spec.rail: is missing"),
    ("endpoint", "spec.weight", 101, "west.node-1: spec.weight: 101 is not within 0 to 100"),
    ("endpoint", "spec.portBase", 65506, "west.node-1: spec.portBase: 65506 is not within 1 to 65505"),
    ("endpoint", "spec.cableAddress4", "fd00::1",
     "west.node-1: spec.cableAddress4: Expected 4 octets in 'fd00::1'"),
    ("endpoint", "spec.gateway", "node-2",
     "west.node-1: spec.cluster: 'west' and gateway 'node-2' do not fit the object's name"),
    ("endpoint", "spec.drivers", [{"name": "v", "data": {"a": 1}}],
     "west.node-1: spec.drivers[0].data.a: 1 is not of type str"),
    ("member", "spec.delivery", "pigeon", "mcnet: spec.delivery: 'pigeon' is neither of overlay, cni"),
    ("gateway", "status.cables", [{"cluster": "e", "gateway": "g", "rail": 0, "state": "odd"}],
     "node-1: status.cables[0].state: 'odd' is not a valid CableState"),
    ("gateway", "status.cables", [{"cluster": "e", "gateway": "g", "rail": 0, "loss": "x"}],
     "node-1: status.cables[0].loss: 'x' is not a number"),
    ("gateway", "status.cables", [{"cluster": "e", "gateway": "g", "rail": 0, "loss": float("nan")}],
     "node-1: status.cables[0].loss: nan is not a finite number"),
    ("member", "spec.probeIntervalSeconds", 10**400, "mcnet: spec.probeIntervalSeconds: inf is not a finite number"),
    ("member", "spec.image", ["a"], "mcnet: spec.image: a list is not of type str"),
    ("member", "spec.image", {"a": 1}, "mcnet: spec.image: an object is not of type str"),
    ("endpoint", "spec.rail", "x" * 1000, f"west.node-1: spec.rail: '{'x' * 298}…"),
    ("endpoint", "metadata.name", ["west.node-1"],
     "(no name): spec.cluster: 'west' and gateway 'node-1' do not fit the object's name"),
    ("node", "metadata.creationTimestamp", "0001-01-01",
     "n1: metadata.creationTimestamp: year 0 is out of range"),
    ("node_state", "status.ready", "yes", "node-1: status.ready: 'yes' is not of type bool"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "field", "value", "message"), BAD, ids=[f"{case[0]}-{case[1]}-{case[2]}" for case in BAD]
)
def test_faults_are_named(kind: str, field: str, value: object, message: str) -> None:
    obj = copy.deepcopy(OBJECTS[kind])
    DECODERS[kind](obj)
    *path, last = field.split(".")
    target = obj
    for part in path:
        target = target[part]
    target[last] = value
    with pytest.raises(DecodeError) as caught:
        DECODERS[kind](obj)
    assert str(caught.value) == message


@pytest.mark.parametrize("kind", sorted(DECODERS))
@pytest.mark.parametrize("obj", [{}, {"metadata": 5}, {"metadata": {"name": "x"}, "spec": [], "status": "x"}])
def test_nonsense_is_no_crash(kind: str, obj: dict[str, Any]) -> None:
    with suppress(DecodeError):
        DECODERS[kind](obj)


def test_reports_that_are_not_there_yet_are_empty() -> None:
    assert gateway.decode(gateway.bare(node="n1", namespace="n")) == Gateway("n1", ClusterId(""), None)
    assert node_state.decode(node_state.bare(node="n1", namespace="n")) == NodeState("n1")


NODE = {
    "metadata": {
        "name": "n1",
        "uid": "u",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"mcnet.dev/gateway": "true"},
        "annotations": {"mcnet.dev/private-address": "192.0.2.9"},
    },
    "spec": {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24", "fd00::/64"]},
    "status": {
        "addresses": [
            {"type": "Hostname", "address": "n1"},
            {"type": "InternalIP", "address": "2001:db8::1"},
            {"type": "InternalIP", "address": "192.0.2.1"},
            {"type": "ExternalIP", "address": "198.51.100.1"},
        ]
    },
}


def test_a_node() -> None:
    assert node.decode(NODE) == Node(
        "n1",
        "u",
        (IPv6Address("2001:db8::1"), IPv4Address("192.0.2.1")),
        (IPv4Network("10.1.0.0/24"), IPv6Network("fd00::/64")),
        gateway=True,
        created=1767225600,
        private_address=IPv4Address("192.0.2.9"),
    )
    assert node.annotation_problems(NODE) == ()


def test_a_node_behind_nat() -> None:
    behind = copy.deepcopy(NODE)
    behind["metadata"]["annotations"] |= {  # type: ignore[index]
        "mcnet.dev/public-address": "198.51.100.7, lb:gw",
        "mcnet.dev/port-base": "4600",
        "mcnet.dev/public-port-base": "30000",
        "mcnet.dev/nat": "symmetric",
    }
    read = node.decode(behind)
    assert read.public_sources == (Source(Kind.ADDRESS, "198.51.100.7"), Source(Kind.LOAD_BALANCER, "gw"))
    assert (read.port_base, read.public_port_base, read.nat) == (4600, 30000, "symmetric")
    assert node.annotation_problems(behind) == ()


@pytest.mark.parametrize(("active", "share"), [(True, 1.0), (False, 0.0)])
def test_a_cable_of_a_gateway_that_knows_no_shares(active: bool, share: float) -> None:
    report = gateway.encode(Gateway("node-1", WEST, 0), namespace="n")
    report["status"]["cables"] = [{"cluster": "e", "gateway": "g", "rail": 0, "state": "connected", "active": active}]
    (cable,) = gateway.decode(report).cables
    assert (cable.active, cable.share) == (active, share)


@pytest.mark.parametrize(
    ("annotations", "spec", "weight", "draining"),
    [
        ({}, {}, 100, False),
        ({"gateway-weight": "1"}, {}, 1, False),
        ({"gateway-weight": "100", "gateway-drain": "false"}, {"unschedulable": False}, 100, False),
        ({"gateway-weight": "50", "gateway-drain": "true"}, {}, 50, True),
        ({}, {"unschedulable": True}, 100, True),
    ],
)
def test_a_gateways_weight(annotations: dict[str, str], spec: dict[str, bool], weight: int, draining: bool) -> None:
    marked = copy.deepcopy(NODE)
    marked["metadata"]["annotations"] |= {f"mcnet.dev/{name}": value for name, value in annotations.items()}  # type: ignore[index]
    marked["spec"] |= spec  # type: ignore[operator]
    read = node.decode(marked)
    assert (read.weight, read.draining) == (weight, draining)
    assert node.annotation_problems(marked) == ()


@pytest.mark.parametrize(
    ("status", "message", "draining"),
    [
        ("True", "kubelet is posting ready status", False),
        ("False", "container runtime is down", False),
        ("False", "node is shutting down", True),
        ("False", "[container runtime is down, node is shutting down]", True),
        ("True", "node is shutting down", False),
    ],
)
def test_a_node_that_is_shut_down_drains(status: str, message: str, draining: bool) -> None:
    going = copy.deepcopy(NODE)
    going["status"]["conditions"] = [  # type: ignore[index]
        {"type": "MemoryPressure", "status": "False"},
        {"type": "Ready", "status": status, "reason": "KubeletNotReady", "message": message},
    ]
    assert node.decode(going).draining is draining


@pytest.mark.parametrize("weight", ["0", "101", "-1", "1.5", "much", "²", "9" * 5000])
def test_a_wrong_weight_counts_as_none(weight: str) -> None:
    odd = copy.deepcopy(NODE)
    odd["metadata"]["annotations"] |= {"mcnet.dev/gateway-weight": weight, "mcnet.dev/gateway-drain": "yes"}  # type: ignore[index]
    read = node.decode(odd)
    assert (read.weight, read.draining) == (100, False)
    assert node.annotation_problems(odd) == (
        f"annotation mcnet.dev/gateway-weight of node n1: {weight!r} is not a weight from 1 to 100",
        'annotation mcnet.dev/gateway-drain of node n1: \'yes\' is neither "true" nor "false"',
    )


def test_an_endpoint_of_usual_weight_is_signed_as_before_there_were_weights() -> None:
    usual = Endpoint(WEST, "node-1", 0, (IPv4Address("192.0.2.1"),))
    plain = endpoint.encode(usual, namespace="n")
    assert "weight" not in plain["spec"]
    assert endpoint.decode(plain).weight == 100
    drained = endpoint.encode(replace(usual, weight=0), namespace="n")
    assert drained["spec"]["weight"] == 0
    assert endpoint.decode(drained).weight == 0


def test_a_node_with_little() -> None:
    assert node.decode({"metadata": {"name": "n1"}, "spec": {"podCIDR": "10.1.0.0/24"}}) == Node(
        "n1", "", (), (IPv4Network("10.1.0.0/24"),)
    )


def test_a_wrong_annotation_does_not_cost_the_node() -> None:
    odd = copy.deepcopy(NODE)
    odd["metadata"]["annotations"]["mcnet.dev/private-address"] = "here"  # type: ignore[index]
    assert node.decode(odd).private_address is None
    odd["metadata"]["annotations"] |= {  # type: ignore[index]
        "mcnet.dev/public-address": "dns:",
        "mcnet.dev/port-base": "80",
        "mcnet.dev/public-port-base": "many",
    }
    read = node.decode(odd)
    assert (read.public_sources, read.port_base, read.public_port_base) == (None, 0, 0)
    assert node.annotation_problems(odd) == (
        "annotation mcnet.dev/private-address of node n1: 'here' is not an address",
        "annotation mcnet.dev/public-address of node n1: 'dns:' names no host",
        "annotation mcnet.dev/port-base of node n1: '80' is not a port from 1024 to 65500",
        "annotation mcnet.dev/public-port-base of node n1: 'many' is not a port from 1024 to 65500",
    )


def test_the_identitys_secret() -> None:
    secret = identity.encode_secret(KEYS)
    assert identity.decode_secret(secret) == KEYS
    assert "115" not in repr(KEYS)
    assert "signing" not in repr(KEYS)
    secret["data"]["signing"] = base64_text(b"short")
    with pytest.raises(DecodeError, match=r"data\.signing: has 5 bytes instead of 32") as caught:
        identity.decode_secret(secret)
    assert "short" not in str(caught.value)


CREDENTIAL = BrokerCredential(
    "https://broker:6443", b"PEM", "secret-token", "mcnet-broker", datetime(2026, 2, 1, tzinfo=UTC)
)


def test_the_brokers_secret() -> None:
    secret = broker.encode_secret(CREDENTIAL)
    assert broker.decode_secret(secret) == CREDENTIAL
    assert "secret-token" not in repr(CREDENTIAL)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("token", b"", "mcnet-broker: data.token: is missing"),
        ("server", b"", "mcnet-broker: data.server: is missing"),
        ("expires", b"2026-02-01T00:00:00", "mcnet-broker: data.expires: has no time zone"),
        ("expires", b"soon", "mcnet-broker: data.expires: is not an RFC 3339 time"),
        ("token", b"\xff", "mcnet-broker: data.token: is not base64 of a text"),
    ],
)
def test_a_broken_secret_of_the_broker(key: str, value: bytes, message: str) -> None:
    secret = broker.encode_secret(CREDENTIAL)
    secret["data"][key] = base64_text(value)
    with pytest.raises(DecodeError) as caught:
        broker.decode_secret(secret)
    assert str(caught.value) == message


def test_a_tokens_life() -> None:
    claims = base64_text(b'{"iat": 1000, "exp": 4000}').rstrip("=")
    lifetime = broker.token_lifetime(f"head.{claims}.signature")
    begin, end = (datetime.fromtimestamp(seconds, UTC) for seconds in (1000, 4000))
    assert lifetime == Lifetime(begin, end)
    assert lifetime.renewal == begin + timedelta(seconds=1000)


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.e30.c", "a.W10.c", "a.eyJpYXQiOiJ4IiwiZXhwIjoxfQ.c"])
def test_other_tokens_tell_nothing(token: str) -> None:
    assert broker.token_lifetime(token) is None
