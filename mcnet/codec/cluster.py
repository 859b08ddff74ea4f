"""Cluster: a member as the clusterset knows it. Its spec is the broker's, its status the member's."""

from mcnet.codec.fields import Fields, JsonObject, base64_text, fields_of, own_object, texts, without_empty
from mcnet.model.cluster import CLUSTER_ID_PATTERN, PROTOCOL_VERSION, Cluster, ClusterId, Identity, Requested
from mcnet.model.kernel import Network

KEY_BYTES = 32


def encode(cluster: Cluster, *, namespace: str) -> JsonObject:
    """The object without status (see `encode_status`)."""
    spec: JsonObject = {
        "id": cluster.id,
        "podPrefixes": texts(cluster.pod_prefixes),
        "servicePrefixes": texts(cluster.service_prefixes),
    }
    if cluster.identity:
        spec["identity"] = identity_fields(cluster.identity)
    return own_object("Cluster", name=cluster.id, namespace=namespace, cluster=cluster.id) | {
        "spec": without_empty(spec)
    }


def with_identity(obj: JsonObject, identity: Identity | None) -> JsonObject:
    """The object with other keys, or none, and all else as it is."""
    spec = {key: value for key, value in obj["spec"].items() if key != "identity"}
    return obj | {"spec": spec | ({"identity": identity_fields(identity)} if identity else {})}


def identity_fields(identity: Identity) -> JsonObject:
    """The keys as JSON has them, in Cluster.spec.identity and in pins."""
    return {
        "signingKey": base64_text(identity.signing_key),
        "agreementKey": base64_text(identity.agreement_key),
    }


def encode_status(
    *, version: str, requested_pod_prefixes: tuple[Network, ...], requested_service_prefixes: tuple[Network, ...]
) -> JsonObject:
    """The value of `status`: what the member runs and what it would like to have approved."""
    requested = without_empty(
        {
            "podPrefixes": texts(requested_pod_prefixes),
            "servicePrefixes": texts(requested_service_prefixes),
        }
    )
    return without_empty({"version": version, "protocolVersion": PROTOCOL_VERSION, "requested": requested})


def decode_requested(obj: JsonObject) -> Requested | None:
    """What the member asks for; None if its discovery has not said anything yet. Raises DecodeError."""
    status = fields_of(obj).child("status")
    if not status.present("requested"):
        return None
    requested = status.child("requested")
    return Requested(requested.prefixes("podPrefixes"), requested.prefixes("servicePrefixes"))


def decode(obj: JsonObject) -> Cluster:
    """The cluster; raises DecodeError, also if name and ID differ or the ID is not one."""
    fields = fields_of(obj)
    spec = fields.child("spec")
    return Cluster(
        id=decode_id(spec, "id", fields.name),
        pod_prefixes=spec.prefixes("podPrefixes"),
        service_prefixes=spec.prefixes("servicePrefixes"),
        identity=_identity(spec),
        version=fields.child("status").text("version", ""),
    )


def decode_id(spec: Fields, key: str, name: str = "") -> ClusterId:
    """A cluster ID in field `key`, equal to `name` if one is given."""
    text = spec.text(key)
    if not CLUSTER_ID_PATTERN.fullmatch(text):
        raise spec.wrong(key, f"{text!r} is not a cluster ID (a DNS label)")
    if name and text != name:
        raise spec.wrong(key, f"{text!r} does not fit the object's name")
    return ClusterId(text)


def _identity(spec: Fields) -> Identity | None:
    keys = spec.child("identity")
    return read_identity(keys) if keys.text("signingKey", "") else None


def read_identity(keys: Fields) -> Identity:
    """What `identity_fields` made. Raises DecodeError."""
    return Identity(keys.octets("signingKey", KEY_BYTES), keys.octets("agreementKey", KEY_BYTES))
