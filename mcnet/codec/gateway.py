"""Gateway: what a gateway node reports of itself and its cables, all of it in the status subresource."""

from ipaddress import ip_address

from mcnet.codec.fields import Fields, JsonObject, fields_of, own_object, without_empty
from mcnet.model.cluster import ClusterId
from mcnet.model.gateway import Cable, CableState, Cause, Gateway, RoundTrip
from mcnet.model.node import DEFAULT_WEIGHT, Drain
from mcnet.model.traffic import Throughput


def bare(*, node: str, namespace: str) -> JsonObject:
    """The object without status: applied first, since a status can only be written to an object that is there."""
    return own_object("Gateway", name=node, namespace=namespace)


def encode(gateway: Gateway, *, namespace: str) -> JsonObject:
    """The body to apply to the subresource `status`."""
    status: JsonObject = {
        "cluster": gateway.cluster,
        "rail": gateway.rail,
        "version": gateway.version,
        "weight": gateway.weight,
        "draining": gateway.draining,
        "drainedBy": [cause.value for cause in gateway.drained_by],
        "problems": list(gateway.problems),
        "cables": [_cable(cable) for cable in gateway.cables],
    }
    return bare(node=gateway.node, namespace=namespace) | {"status": without_empty(status)}


def decode(obj: JsonObject) -> Gateway:
    """The report; of a gateway that has not reported yet an empty one. Raises DecodeError."""
    fields = fields_of(obj)
    status = fields.child("status")
    rail = status.number("rail", -1)
    return Gateway(
        node=fields.name,
        cluster=ClusterId(status.text("cluster", "")),
        rail=None if rail < 0 else rail,
        cables=tuple(_decode_cable(cable) for cable in status.children("cables")),
        problems=status.texts("problems"),
        version=status.text("version", ""),
        weight=status.number("weight", DEFAULT_WEIGHT),
        draining=status.flag("draining"),
        drained_by=tuple(cause for cause in Drain if cause.value in status.texts("drainedBy")),
    )


def _cable(cable: Cable) -> JsonObject:
    return without_empty(
        {
            "cluster": cable.cluster,
            "gateway": cable.gateway,
            "rail": cable.rail,
            "state": cable.state.value,
            "driver": cable.driver,
            "localAddress": str(cable.local_address or ""),
            "remoteAddress": str(cable.remote_address or ""),
            "device": cable.device,
            "userspace": cable.userspace or None,
            "path": cable.path,
            "roundTripSeconds": _round_trip(cable.round_trip) if cable.round_trip else None,
            "loss": cable.loss,
            "since": cable.since,
            "active": cable.active,
            "share": cable.share,
            "reason": cable.reason,
            "cause": cable.cause.value,
            "mtu": cable.mtu or None,
            "bitsPerSecond": _throughput(cable.throughput) if cable.throughput else None,
        }
    )


def _round_trip(times: RoundTrip) -> JsonObject:
    return {
        "last": times.last,
        "minimum": times.minimum,
        "average": times.average,
        "maximum": times.maximum,
        "deviation": times.deviation,
    }


def _throughput(rates: Throughput) -> JsonObject:
    return {"received": rates.received, "sent": rates.sent}


def _decode_cable(fields: Fields) -> Cable:
    """A gateway of a version that names no shares uses one cable for each cluster."""
    active = fields.flag("active")
    return Cable(
        cluster=ClusterId(fields.text("cluster")),
        gateway=fields.text("gateway"),
        rail=fields.number("rail"),
        state=fields.parsed("state", CableState) or CableState.CONNECTING,
        driver=fields.text("driver", ""),
        local_address=fields.parsed("localAddress", ip_address),
        remote_address=fields.parsed("remoteAddress", ip_address),
        device=fields.text("device", ""),
        userspace=fields.flag("userspace"),
        path=fields.text("path", "direct"),
        round_trip=_decode_round_trip(fields),
        loss=fields.decimal("loss"),
        since=fields.text("since", ""),
        active=active,
        share=fields.decimal("share", 1.0 if active else 0.0),
        reason=fields.text("reason", ""),
        cause=next((one for one in Cause if one.value == fields.text("cause", "")), Cause.NONE),
        mtu=fields.number("mtu", 0),
        throughput=_decode_throughput(fields),
    )


def _decode_round_trip(fields: Fields) -> RoundTrip | None:
    times = fields.child("roundTripSeconds")
    if not times.present("last"):
        return None
    return RoundTrip(
        *(times.decimal(key) for key in ("last", "minimum", "average", "maximum", "deviation")),
    )


def _decode_throughput(fields: Fields) -> Throughput | None:
    rates = fields.child("bitsPerSecond")
    if not rates.present("received"):
        return None
    return Throughput(rates.number("received"), rates.number("sent"))
