"""ClusterSet: the options of the whole clusterset."""

from mcnet.codec.fields import JsonObject, fields_of, own_object, without_empty
from mcnet.model.cluster import PROTOCOL_VERSION, ClusterId, ClusterSet
from mcnet.model.member import BROKER_NAMESPACE, CLUSTERSET_NAME


def encode(clusterset: ClusterSet, *, namespace: str = BROKER_NAMESPACE) -> JsonObject:
    """The object; exceptions for pairs are sorted, so that equal values give equal objects."""
    pairs = sorted((sorted(pair), driver) for pair, driver in clusterset.drivers_for_pairs.items())
    spec = {
        "defaultDriver": clusterset.default_driver,
        "protocolVersion": clusterset.protocol_version,
        "driverExceptions": [{"clusters": pair, "driver": driver} for pair, driver in pairs],
    }
    return own_object("ClusterSet", name=CLUSTERSET_NAME, namespace=namespace) | {"spec": without_empty(spec)}


def decode(obj: JsonObject) -> ClusterSet:
    """The options; raises DecodeError."""
    spec = fields_of(obj).child("spec")
    drivers = {}
    for exception in spec.children("driverExceptions"):
        pair = frozenset(ClusterId(name) for name in exception.texts("clusters"))
        if len(pair) != 2:
            raise exception.wrong("clusters", "must name two clusters")
        drivers[pair] = exception.text("driver")
    return ClusterSet(
        default_driver=spec.text("defaultDriver", "vxlan"),
        protocol_version=spec.number("protocolVersion", PROTOCOL_VERSION),
        drivers_for_pairs=drivers,
    )
