"""Node: what mcnet reads of Kubernetes' own Node objects. Nothing is ever written from here."""

from datetime import datetime

from mcnet.codec.fields import Fields, JsonObject, fields_of, plain_address, plain_network
from mcnet.model.kernel import Address
from mcnet.model.node import GATEWAY_LABEL, PRIVATE_ADDRESS_ANNOTATION, Node


def decode(obj: JsonObject) -> Node:
    """The node; raises DecodeError. A wrong private-address annotation counts as none: see `annotation_problem`."""
    fields = fields_of(obj)
    metadata = fields.child("metadata")
    spec = fields.child("spec")
    single = spec.parsed("podCIDR", plain_network)
    return Node(
        name=metadata.text("name"),
        uid=metadata.text("uid", ""),
        addresses=_addresses(fields),
        pod_prefixes=spec.prefixes("podCIDRs") or ((single,) if single else ()),
        gateway=metadata.child("labels").text(GATEWAY_LABEL, "") == "true",
        created=metadata.parsed("creationTimestamp", _seconds) or 0,
        private_address=_private_address(metadata)[0],
    )


def _seconds(text: str) -> int:
    """A time in seconds since the epoch. Raises ValueError."""
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except OverflowError as error:
        raise ValueError(f"{text!r} is too far away") from error


def annotation_problem(obj: JsonObject) -> str:
    """Why the private-address annotation can't be used, "" if there is none or it can."""
    return _private_address(fields_of(obj).child("metadata"))[1]


def _addresses(fields: Fields) -> tuple[Address, ...]:
    """InternalIPs in the node's own order."""
    found = []
    for address in fields.child("status").children("addresses"):
        if address.text("type", "") == "InternalIP" and (value := address.parsed("address", plain_address)):
            found.append(value)
    return tuple(found)


def _private_address(metadata: Fields) -> tuple[Address | None, str]:
    text = metadata.child("annotations").text(PRIVATE_ADDRESS_ANNOTATION, "")
    try:
        return (plain_address(text) if text else None), ""
    except ValueError:
        return None, f"annotation {PRIVATE_ADDRESS_ANNOTATION} of node {metadata.name}: {text!r} is not an address"
