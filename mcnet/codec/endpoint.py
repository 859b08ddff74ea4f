"""Endpoint: a gateway as other clusters see it, and the bytes that its signature covers."""

import json
from ipaddress import IPv4Address, IPv6Address

from mcnet.codec.cluster import decode_id
from mcnet.codec.fields import Fields, JsonObject, fields_of, own_object, texts, without_empty
from mcnet.model.cluster import PROTOCOL_VERSION
from mcnet.model.endpoint import DriverOffer, Endpoint, endpoint_name
from mcnet.model.node import DEFAULT_WEIGHT, WEIGHTS
from mcnet.model.ownership import MAX_RAILS


def encode(endpoint: Endpoint, *, namespace: str) -> JsonObject:
    """The object, with the signature as it is in `endpoint`."""
    spec = _spec(endpoint) | without_empty({"signature": endpoint.signature})
    return own_object("Endpoint", name=endpoint.name, namespace=namespace, cluster=endpoint.cluster) | {"spec": spec}


def canonical(spec: JsonObject) -> bytes:
    """What is signed: the spec without signature as JSON, keys sorted, no white space, ASCII.

    Of the spec as it travels, fields of newer versions included: who does not know them can check it all the same.
    """
    signed = {key: value for key, value in spec.items() if key != "signature"}
    return json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def signed_form(endpoint: Endpoint) -> bytes:
    """The canonical form of what `encode` makes of the endpoint."""
    return canonical(_spec(endpoint))


def decode(obj: JsonObject) -> Endpoint:
    """The endpoint; raises DecodeError, also if the name is not `CLUSTER.GATEWAY`."""
    fields = fields_of(obj)
    spec = fields.child("spec")
    cluster, gateway = decode_id(spec, "cluster"), spec.text("gateway")
    if fields.name != endpoint_name(cluster, gateway):
        raise spec.wrong("cluster", f"{cluster!r} and gateway {gateway!r} do not fit the object's name")
    return Endpoint(
        cluster=cluster,
        gateway=gateway,
        rail=_within(spec, "rail", range(MAX_RAILS)),
        private_addresses=spec.addresses("privateAddresses"),
        public_addresses=spec.addresses("publicAddresses"),
        port_base=_within(spec, "portBase", range(1, 65536 - 30), 4500),
        public_port_base=_within(spec, "publicPortBase", range(65536 - 30), 0),
        nat=spec.text("nat", ""),
        drivers=tuple(_offer(offer) for offer in spec.children("drivers")),
        cable_address4=spec.parsed("cableAddress4", IPv4Address),
        cable_address6=spec.parsed("cableAddress6", IPv6Address),
        mtu=_within(spec, "mtu", range(576, 65536), 1500),
        prefixes=spec.prefixes("prefixes"),
        sequence=spec.number("sequence", 0),
        protocol_version=spec.number("protocolVersion", PROTOCOL_VERSION),
        signature=spec.text("signature", ""),
        weight=_within(spec, "weight", range(WEIGHTS.stop), DEFAULT_WEIGHT),
    )


def _spec(endpoint: Endpoint) -> JsonObject:
    return without_empty(
        {
            "protocolVersion": endpoint.protocol_version,
            "cluster": endpoint.cluster,
            "gateway": endpoint.gateway,
            "rail": endpoint.rail,
            "privateAddresses": texts(endpoint.private_addresses),
            "publicAddresses": texts(endpoint.public_addresses),
            "portBase": endpoint.port_base,
            "publicPortBase": endpoint.public_port_base or None,
            "nat": endpoint.nat,
            "drivers": [
                without_empty({"name": offer.name, "keyEpoch": offer.key_epoch, "data": dict(offer.data)})
                for offer in endpoint.drivers
            ],
            "cableAddress4": str(endpoint.cable_address4 or ""),
            "cableAddress6": str(endpoint.cable_address6 or ""),
            "mtu": endpoint.mtu,
            "prefixes": texts(endpoint.prefixes),
            "sequence": endpoint.sequence,
            # Left out where it is usual: what signs an Endpoint stays as it was before there were weights.
            "weight": endpoint.weight if endpoint.weight != DEFAULT_WEIGHT else None,
        }
    )


def _offer(fields: Fields) -> DriverOffer:
    return DriverOffer(fields.text("name"), fields.number("keyEpoch", 0), fields.mapping("data"))


def _within(spec: Fields, key: str, allowed: range, default: int | None = None) -> int:
    value = spec.number(key, default)
    if value not in allowed:
        raise spec.wrong(key, f"{value} is not within {allowed.start} to {allowed.stop - 1}")
    return value
