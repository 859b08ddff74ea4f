"""Whatever other parties send, a decoder answers with a value or with its own error: a short sentence, no traceback.

Each begins from valid input with one thing wrong (tests/fakes/mutations.py), which comes further than noise does.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcnet.codec import (
    advert,
    broker,
    cluster,
    clusterset,
    endpoint,
    endpoint_slice,
    exported_service,
    farewell,
    gateway,
    identity,
    join_token,
    latency,
    latency_samples,
    look,
    member,
    node,
    node_state,
    pins,
    service,
    service_export,
    service_import,
    service_state,
)
from mcnet.codec.broker import BrokerCredential
from mcnet.codec.errors import LONGEST, DecodeError
from mcnet.model.broker import JoinToken
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet
from mcnet.model.endpoint import DriverOffer, Endpoint
from mcnet.model.gateway import Cable, CableState, Gateway, RoundTrip
from mcnet.model.latency import (
    Block,
    Estimate,
    Histogram,
    Measure,
    Path,
    PathResult,
    Place,
    Report,
    Series,
    Summary,
    Way,
)
from mcnet.model.look import Device, Drop, Missing, NodeLook, Seen, Translation, Tried, Tunnel
from mcnet.model.member import GatewayCount, Member
from mcnet.model.node import NodeState
from mcnet.model.service import ExportedService, Port, ServiceEndpoint, ServiceName, ServiceSlice, ServiceType
from mcnet.model.traffic import Throughput
from mcnet.model.trust import FAREWELL_ANNOTATION, Pin
from tests.fakes import service_objects
from tests.fakes.identities import identity_of, signed_object
from tests.fakes.mutations import OBJECTS, VALUES, changed, changed_texts, damaged, mutations

JsonObject = dict[str, Any]

WEST, EAST = ClusterId("west"), ClusterId("east")
KEYS, OTHER = identity_of("west"), identity_of("west", 2)
PREFIXES = (ip_network("10.0.0.0/8"), ip_network("fd00::/48"))
ADDRESSES = (ip_address("192.0.2.1"), ip_address("2001:db8::1"))
CLUSTER = cluster.encode(Cluster(WEST, PREFIXES, PREFIXES[:1], KEYS.public), namespace="n") | {
    "status": cluster.encode_status(
        version="1", requested_pod_prefixes=PREFIXES, requested_service_prefixes=PREFIXES[:1]
    )
}
ENDPOINT = signed_object(
    Endpoint(
        WEST, "n1", 1, ADDRESSES, ADDRESSES[:1], 4500, (DriverOffer("wireguard", 2, (("key", "value"),)),),
        ADDRESSES[0], ADDRESSES[1], 1400, PREFIXES, 7,  # type: ignore[arg-type]
    ),
    "n",
)  # fmt: skip
MEMBER = member.encode(
    Member(
        WEST, PREFIXES, PREFIXES[:1], given=("image",), image="i:1", pull_secrets=("default/registry",),
        node_selector=(("a", "b"),), tolerations=({"key": "a", "operator": "Exists"},),
        gateways=GatewayCount(2, auto=True),
        probe_interval=0.5, probe_multiplier=3, manage_host_firewall=True, discovery_on_nodes=1,
        key_epoch=4, underlay_mtu=1330,
    )
)  # fmt: skip
CABLE = Cable(
    EAST, "n9", 0, CableState.CONNECTED, "vxlan", *ADDRESSES, "mcnet-c0", True, "nat", RoundTrip(1, 1, 1, 1, 0), 0.5,
    "2026-01-31T12:00:00Z", True, "why", throughput=Throughput(9, 8),
)  # fmt: skip
GATEWAY = gateway.encode(Gateway("n1", WEST, 1, (CABLE,), ("problem",), "1"), namespace="n")
NODE_STATE = node_state.encode(
    NodeState("n1", ADDRESSES, ADDRESSES, ("problem",), (("ipv4/x", "1"),), "1", True), namespace="n"
)
NODE = {
    "metadata": {
        "name": "n1", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"mcnet.dev/gateway": "true"}, "annotations": {"mcnet.dev/private-address": "192.0.2.9"},
    },
    "spec": {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24"]},
    "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]},
}  # fmt: skip
PINS = pins.encode({WEST: Pin(KEYS.public, (("n1", 5),), OTHER.public)}, namespace="n")
FAREWELLS = {FAREWELL_ANNOTATION: farewell.encode([farewell.sign(WEST, KEYS), farewell.sign(WEST, OTHER)])}
LEASE = {"metadata": {"name": "west", "annotations": FAREWELLS}}
SECRET = broker.encode_secret(
    BrokerCredential("https://broker:6443", b"PEM", "token", "mcnet-broker", datetime(2026, 2, 1, tzinfo=UTC))
)
CLUSTERSET = clusterset.encode(ClusterSet("wireguard", 1, {frozenset({WEST, EAST}): "vxlan"}))

SUMMARY = Summary(10, 1, 5.0, 6.0, 7.0, 8.0, 9.0, 1.0)
MEASURE = Measure(
    protocol="icmp", family=4, nodes_family=4, pods=SUMMARY, nodes=SUMMARY, ratios={"p50": Estimate(1.25, 1.0, 2.0)},
    blocks=(Block({"p50": 5.0}, {"p50": 4.0}),), histogram=Histogram((1.0, 2.0), (9,), (10,)),
)  # fmt: skip
PLACES = Path(Place(WEST, "n1", "c", True), Place(EAST, "n2", "d"))
REPORT = latency.encode(
    Report(time="t", version="v", duration=10, interval=0.01, results=(PathResult(PLACES, (MEASURE,)),))
)

WEB = ServiceName("shop", "web")
RECORD = exported_service.encode(
    ExportedService(
        WEST, WEB, datetime(2026, 1, 31, 12, tzinfo=UTC), ServiceType.CLUSTERSET_IP,
        (Port("http", "TCP", 80, "kubernetes.io/h2c"),), "ClientIP", 60, "Local", "PreferClose", ("IPv4", "IPv6"),
        (("a.example/b", "c"),), (("d", "e"),), True, traffic="prefer-local", to=(EAST, WEST),
    ),
    namespace="n",
)  # fmt: skip
SLICE = endpoint_slice.encode_broker(
    ServiceSlice(
        "west.1", "IPv4", (Port("http", "TCP", 8080),), (ServiceEndpoint(ADDRESSES[:1], hostname="web-0"),)
    ),
    cluster=WEST, service=WEB, namespace="n",
)  # fmt: skip
POD_SLICE = SLICE | {
    "endpoints": [{"addresses": ["192.0.2.1"], "targetRef": {"kind": "Pod", "name": "web-0"}}],
}  # fmt: skip
SERVICE = {
    "metadata": {"name": "web", "namespace": "shop", "labels": {"a": "b"}},
    "spec": {
        "type": "ClusterIP", "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "ipFamilies": ["IPv4"],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP", "appProtocol": "http", "targetPort": 8080}],
        "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10}},
        "internalTrafficPolicy": "Cluster", "trafficDistribution": "PreferClose", "publishNotReadyAddresses": True,
    },
}  # fmt: skip
EXPORT = {
    "metadata": {
        "name": "web", "namespace": "shop", "creationTimestamp": "2026-01-31T12:00:00Z",
        "annotations": {
            "mcnet.dev/export-mode": "aggregate", "mcnet.dev/traffic": "local-only", "mcnet.dev/export-to": "east,b",
        },
    },
    "spec": {"exportedLabels": {"a": "b"}, "exportedAnnotations": {"c": "d"}},
}  # fmt: skip

DECODERS: dict[str, tuple[Callable[[JsonObject], object], JsonObject]] = {
    "broker-secret": (broker.decode_secret, SECRET),
    "cluster": (cluster.decode, CLUSTER),
    "cluster-requested": (cluster.decode_requested, CLUSTER),
    "clusterset": (clusterset.decode, CLUSTERSET),
    "endpoint": (endpoint.decode, ENDPOINT),
    "endpoint-slice": (endpoint_slice.decode, SLICE),
    "endpoint-slice-of-pods": (lambda obj: endpoint_slice.decode(obj, pod_names=True), POD_SLICE),
    "endpoint-slice-owner": (endpoint_slice.decode_owner, SLICE),
    "exported-service": (exported_service.decode, RECORD),
    "farewell": (farewell.decode, LEASE),
    "gateway": (gateway.decode, GATEWAY),
    "identity-secret": (identity.decode_secret, identity.encode_secret(KEYS)),
    "latency": (latency.decode, REPORT),
    "member": (member.decode, MEMBER),
    "node": (node.decode, NODE),
    "node-state": (node_state.decode, NODE_STATE),
    "pins": (pins.decode, PINS),
    "service": (service.decode, SERVICE),
    "service-export": (service_export.decode, EXPORT),
    "service-import-traffic": (service_import.traffic, EXPORT),
    "reported-export": (service_state.decode_export, service_objects.export(*service_objects.EXPORTED)),
    "reported-import": (service_state.decode_import, service_objects.service_import("east", "west")),
    "reported-endpoints": (
        service_state.decode_endpoints,
        service_objects.imported_slice("east", "192.0.2.1"),
    ),
}
"""Of API objects, and of a report."""

TARGET = latency_samples.Target(4, ADDRESSES[:1], 4000)
LOOK = NodeLook(
    "n1", 1.0, 2.0, "6.1", (Missing("a", "b", True, "c"),), {"a": "1"}, (Device("d", 1500, True, ("192.0.2.1/24",)),),
    ("UDP 4800",), {"mcnet": "whole"}, (Tried(Tunnel.CABLE, "e.n9", 3, 3, 1450, 1450),),
    (Seen(True, *ADDRESSES, 4500, 1, 1, 1, 0),), (Drop("c", ("p",), "w", True, "r"),),
    (Translation("c", 1, "s", "t", "w", True, "r"),), {"a": "b"},
)  # fmt: skip
JOIN = JoinToken(WEST, "b2b8", datetime(2026, 1, 2, tzinfo=UTC), "eyJhbGciOi.secret.sig")


def wrapped(body: str) -> str:
    """A join token whose inner JSON is `body`."""
    return join_token.PREFIX + broker.base64_text(body.encode(errors="surrogatepass")).replace("+", "-").replace(
        "/", "_"
    )


@dataclass(frozen=True, slots=True)
class Text:
    """A decoder of JSON text, how it is reached from that text, and the JSON value of a valid one."""

    decode: Callable[[str], object]
    valid: Any


TEXTS: dict[str, Text] = {
    "advert": Text(
        lambda text: advert.decode(text.encode(errors="surrogatepass")), json.loads(advert.encode("n1", 1, [WEST]))
    ),
    "farewell": Text(
        lambda text: farewell.decode({"metadata": {"annotations": {FAREWELL_ANNOTATION: text}}}),
        json.loads(FAREWELLS[FAREWELL_ANNOTATION]),
    ),
    "join-token": Text(
        lambda text: join_token.decode(wrapped(text)),
        {"cluster": "west", "broker": "b", "expires": "2026-01-02T00:00:00+00:00", "token": "t"},
    ),
    "listening": Text(
        latency_samples.decode_listening,
        json.loads(latency_samples.encode_listening(latency_samples.Listening(4000, ADDRESSES))),
    ),
    "order-of-samples": Text(
        latency_samples.decode_order,
        json.loads(
            latency_samples.encode_order(
                latency_samples.Order(
                    way=Way.PODS, duration=1, interval=0.1, targets=(TARGET,), follower=TARGET,
                    follower_targets=(TARGET,),
                )
            )
        ),
    ),
    "start-of-samples": Text(
        latency_samples.decode_start,
        json.loads(latency_samples.encode_start(latency_samples.Start(1.5, (TARGET,)))),
    ),
    "series": Text(
        latency_samples.decode_series,
        json.loads(next(latency_samples.encode_series([Series("icmp", 4, Way.PODS, (0.1, 0.2), (5.0, None))]))),
    ),
    "look": Text(look.decode_look, json.loads(look.encode_look(LOOK))),
    "pin": Text(lambda text: pins.decode({"data": {"west": text}}), json.loads(PINS["data"]["west"])),
    "token-lifetime": Text(
        lambda text: broker.token_lifetime(f".{wrapped(text).partition('.')[2]}."), {"iat": 1000, "exp": 4000}
    ),
}  # fmt: skip


def tried(decode: Callable[[Any], object], cases: Iterable[tuple[str, Any]]) -> int:
    """How many of the cases were refused. None may raise anything but DecodeError, or one of great length."""
    refused, faults = 0, []
    for what, case in cases:
        try:
            decode(case)
        except DecodeError as error:
            refused += 1
            if len(str(error)) > 4 * LONGEST:
                faults.append(f"{what}: {len(str(error))} characters")
        except Exception as error:
            faults.append(f"{what}: {error!r}"[:200])
    assert faults == []
    return refused


NEVER_REFUSED = {"farewell", "pin", "token-lifetime"}
"""What can't be read is none there: their docstrings say so."""


@pytest.mark.parametrize("kind", sorted(DECODERS))
def test_an_object_with_one_thing_wrong(kind: str) -> None:
    decode, valid = DECODERS[kind]
    decode(valid)
    assert bool(tried(decode, changed(valid))) == (kind not in NEVER_REFUSED)


@settings(max_examples=15)
@given(st.data())
@pytest.mark.parametrize("kind", sorted(DECODERS))
def test_an_object_with_many_things_wrong(kind: str, data: st.DataObject) -> None:
    decode, valid = DECODERS[kind]
    tried(decode, [("mutated", data.draw(mutations(valid) | OBJECTS))])


@pytest.mark.parametrize("kind", sorted(TEXTS))
def test_a_text_with_one_thing_wrong(kind: str) -> None:
    text = TEXTS[kind]
    text.decode(json.dumps(text.valid))
    assert bool(tried(text.decode, changed_texts(text.valid))) == (kind not in NEVER_REFUSED)


@pytest.mark.parametrize("kind", sorted(TEXTS))
def test_a_damaged_text(kind: str) -> None:
    text = TEXTS[kind]
    cases = (
        (repr(case), case.decode(errors="surrogateescape"))
        for case in damaged(json.dumps(text.valid, separators=(",", ":")).encode())
    )
    assert bool(tried(text.decode, cases)) == (kind not in NEVER_REFUSED)


@settings(max_examples=15)
@given(st.data())
@pytest.mark.parametrize("kind", sorted(TEXTS))
def test_a_text_with_many_things_wrong(kind: str, data: st.DataObject) -> None:
    text = TEXTS[kind]
    made = json.dumps(data.draw(mutations(text.valid) | VALUES))
    tried(text.decode, [(made, made)])
