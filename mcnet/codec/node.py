"""Node: what mcnet reads of Kubernetes' own Node objects. Nothing is ever written from here."""

from datetime import datetime
from typing import Final

from mcnet.codec import public_address
from mcnet.codec.fields import Fields, JsonObject, fields_of, plain_address, plain_network
from mcnet.model.kernel import Address
from mcnet.model.node import (
    DEFAULT_WEIGHT,
    DRAIN_ANNOTATION,
    GATEWAY_LABEL,
    NAT_MARK,
    PORT_BASE_ANNOTATION,
    PRIVATE_ADDRESS_ANNOTATION,
    PUBLIC_ADDRESS_ANNOTATION,
    PUBLIC_PORT_BASE_ANNOTATION,
    WEIGHT_ANNOTATION,
    WEIGHTS,
    Drain,
    Node,
)
from mcnet.model.ownership import PORT_BASES
from mcnet.model.public_address import Source

SHUTDOWN: Final = "node is shutting down"
"""What kubelets say in the condition Ready from the beginning of a shutdown on; nothing else tells it (Kubernetes,
pkg/kubelet/nodeshutdown, ShutdownStatus)."""


def decode(obj: JsonObject) -> Node:
    """The node; raises DecodeError. A wrong annotation of ours counts as none: see `annotation_problems`."""
    fields = fields_of(obj)
    metadata = fields.child("metadata")
    spec = fields.child("spec")
    single = spec.parsed("podCIDR", plain_network)
    drained = (_drain(metadata)[0], spec.flag("unschedulable"), _shuts_down(fields))
    drained_by = tuple(cause for cause, holds in zip(Drain, drained, strict=True) if holds)
    return Node(
        name=metadata.text("name"),
        uid=metadata.text("uid", ""),
        addresses=_addresses(fields),
        pod_prefixes=spec.prefixes("podCIDRs") or ((single,) if single else ()),
        gateway=metadata.child("labels").text(GATEWAY_LABEL, "") == "true",
        created=metadata.parsed("creationTimestamp", _seconds) or 0,
        private_address=_private_address(metadata)[0],
        public_sources=_sources(metadata)[0],
        port_base=_port(metadata, PORT_BASE_ANNOTATION)[0],
        public_port_base=_port(metadata, PUBLIC_PORT_BASE_ANNOTATION)[0],
        nat=metadata.child("labels").text(NAT_MARK, "") or metadata.child("annotations").text(NAT_MARK, ""),
        weight=_weight(metadata)[0],
        draining=bool(drained_by),
        drained_by=drained_by,
    )


def _shuts_down(fields: Fields) -> bool:
    """Whether the node's kubelet ends its pods since the machine is shut down (graceful node shutdown)."""
    return any(
        one.text("type", "") == "Ready" and one.text("status", "") == "False" and SHUTDOWN in one.text("message", "")
        for one in fields.child("status").children("conditions")
    )


def _seconds(text: str) -> int:
    """A time in seconds since the epoch. Raises ValueError."""
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except OverflowError as error:
        raise ValueError(f"{text!r} is too far away") from error


def annotation_problems(obj: JsonObject) -> tuple[str, ...]:
    """Why annotations of ours can't be used, as sentences."""
    metadata = fields_of(obj).child("metadata")
    ports = (_port(metadata, name)[1] for name in (PORT_BASE_ANNOTATION, PUBLIC_PORT_BASE_ANNOTATION))
    found = (_private_address(metadata), _sources(metadata), _weight(metadata), _drain(metadata))
    return tuple(filter(None, (*(problem for _, problem in found), *ports)))


def _addresses(fields: Fields) -> tuple[Address, ...]:
    """InternalIPs in the node's own order."""
    found = []
    for address in fields.child("status").children("addresses"):
        if address.text("type", "") == "InternalIP" and (value := address.parsed("address", plain_address)):
            found.append(value)
    return tuple(found)


def _sources(metadata: Fields) -> tuple[tuple[Source, ...] | None, str]:
    text = metadata.child("annotations").text(PUBLIC_ADDRESS_ANNOTATION, "")
    try:
        return (public_address.decode(text) if text else None), ""
    except ValueError as error:
        return None, f"annotation {PUBLIC_ADDRESS_ANNOTATION} of node {metadata.name}: {error}"


def _port(metadata: Fields, annotation: str) -> tuple[int, str]:
    text = metadata.child("annotations").text(annotation, "")
    if not text:
        return 0, ""
    if text.isascii() and text.isdigit() and int(text) in PORT_BASES:
        return int(text), ""
    wrong = f"{text!r} is not a port from {PORT_BASES.start} to {PORT_BASES.stop - 1}"
    return 0, f"annotation {annotation} of node {metadata.name}: {wrong}"


def _weight(metadata: Fields) -> tuple[int, str]:
    text = metadata.child("annotations").text(WEIGHT_ANNOTATION, "")
    if not text:
        return DEFAULT_WEIGHT, ""
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) in WEIGHTS:
        return int(text), ""
    wrong = f"{text!r} is not a weight from {WEIGHTS.start} to {WEIGHTS.stop - 1}"
    return DEFAULT_WEIGHT, f"annotation {WEIGHT_ANNOTATION} of node {metadata.name}: {wrong}"


def _drain(metadata: Fields) -> tuple[bool, str]:
    text = metadata.child("annotations").text(DRAIN_ANNOTATION, "")
    if text in ("", "true", "false"):
        return text == "true", ""
    return False, f'annotation {DRAIN_ANNOTATION} of node {metadata.name}: {text!r} is neither "true" nor "false"'


def _private_address(metadata: Fields) -> tuple[Address | None, str]:
    text = metadata.child("annotations").text(PRIVATE_ADDRESS_ANNOTATION, "")
    try:
        return (plain_address(text) if text else None), ""
    except ValueError:
        return None, f"annotation {PRIVATE_ADDRESS_ANNOTATION} of node {metadata.name}: {text!r} is not an address"
