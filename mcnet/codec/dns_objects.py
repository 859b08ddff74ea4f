"""What DNS reads of ServiceImports and EndpointSlices: the usable part, and a sentence about the rest.

The objects come from other clusters in the end: a port without a number or a name that DNS can't have must cost no
more than itself. Only an object whose own identity is unusable raises DecodeError.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from mcnet.codec.errors import DecodeError
from mcnet.codec.fields import Fields, JsonObject, fields_of, plain_address
from mcnet.model.dns import Host, Import, Name, Port, Slice
from mcnet.model.kernel import Address

SERVICE_NAME_LABEL: Final = "multicluster.kubernetes.io/service-name"
"""On each EndpointSlice of an import (KEP-1645): which ServiceImport of the same namespace it belongs to."""
SOURCE_CLUSTER_LABEL: Final = "multicluster.kubernetes.io/source-cluster"
LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A label of DNS as Kubernetes has them (RFC 1123), in lower case."""
_PORT_NAME: Final = re.compile(r"[a-z0-9-]{1,62}")
_PROTOCOLS: Final = frozenset({"tcp", "udp", "sctp"})
_MOST_CLUSTER_LABELS: Final = 2
_FAMILIES: Final = {"IPv4": 4, "IPv6": 6}

Value = TypeVar("Value")


def decode_import(obj: JsonObject) -> Import:
    """Raises DecodeError if its name or its type is none that DNS can serve."""
    fields = fields_of(obj)
    spec = fields.child("spec")
    problems: list[str] = []
    headless = _headless(spec)
    return Import(
        namespace=_label(fields.child("metadata"), "namespace"),
        name=_label(fields.child("metadata"), "name"),
        headless=headless,
        addresses=() if headless else _addresses(spec, "ips", problems),
        ports=_each(obj.get("spec"), "ports", spec, problems, _port),
        problems=tuple(problems),
    )


def decode_slice(obj: JsonObject) -> Slice:
    """Raises DecodeError if it does not say whose endpoints of which cluster it has."""
    fields = fields_of(obj)
    metadata = fields.child("metadata")
    labels = metadata.child("labels")
    problems: list[str] = []
    family = _family(fields)
    return Slice(
        namespace=_label(metadata, "namespace"),
        service=_label(labels, SERVICE_NAME_LABEL),
        cluster=_cluster(labels),
        hosts=_each(obj, "endpoints", fields, problems, lambda one: _host(one, family, problems)),
        ports=_each(obj, "ports", fields, problems, _port),
        problems=tuple(problems),
    )


def _headless(spec: Fields) -> bool:
    match spec.text("type"):
        case "ClusterSetIP":
            return False
        case "Headless":
            return True
        case other:
            raise spec.wrong("type", f"{other!r} is neither ClusterSetIP nor Headless")


def _family(fields: Fields) -> int:
    kind = fields.text("addressType")
    if kind not in _FAMILIES:
        raise fields.wrong("addressType", f"{kind!r} is neither IPv4 nor IPv6")
    return _FAMILIES[kind]


def _label(fields: Fields, key: str) -> str:
    text = fields.text(key)
    if not LABEL.fullmatch(text):
        raise fields.wrong(key, f"{text!r} can't be a label of a DNS name")
    return text


def _cluster(labels: Fields) -> Name:
    text = labels.text(SOURCE_CLUSTER_LABEL)
    parts = tuple(text.lower().split("."))
    if len(parts) > _MOST_CLUSTER_LABELS or not all(LABEL.fullmatch(part) for part in parts):
        raise labels.wrong(SOURCE_CLUSTER_LABEL, f"{text!r} can't be part of a DNS name")
    return parts


def _host(fields: Fields, family: int, problems: list[str]) -> Host | None:
    """None for one that is not ready; what says nothing of it is (discovery.k8s.io/v1, EndpointConditions)."""
    if not fields.child("conditions").flag("ready", default=True):
        return None
    addresses = _addresses(fields, "addresses", problems)
    fit = tuple(address for address in addresses if address.version == family)
    if len(fit) < len(addresses):
        problems.append(str(fields.wrong("addresses", f"not all of them are of IPv{family}, as the slice says")))
    hostname = fields.text("hostname", "").lower()
    if hostname and not LABEL.fullmatch(hostname):
        problems.append(str(fields.wrong("hostname", f"{hostname!r} can't be a label of a DNS name")))
        hostname = ""
    return Host(hostname, fit) if fit else None


def _port(fields: Fields) -> Port:
    number = fields.number("port")
    if not 0 < number < 65536:
        raise fields.wrong("port", f"{number} is not a port")
    name = fields.text("name", "").lower()
    if name and not _PORT_NAME.fullmatch(name):
        raise fields.wrong("name", f"{name!r} can't be part of a DNS name")
    protocol = fields.text("protocol", "TCP").lower()
    if protocol not in _PROTOCOLS:
        raise fields.wrong("protocol", f"{protocol!r} is none of TCP, UDP, SCTP")
    return Port(name, protocol, number)


def _addresses(fields: Fields, key: str, problems: list[str]) -> tuple[Address, ...]:
    found: dict[Address, None] = {}
    for index, text in enumerate(fields.texts(key)):
        try:
            found[plain_address(text)] = None
        except ValueError as error:
            problems.append(str(fields.wrong(f"{key}[{index}]", str(error))))
    return tuple(found)


def _each(
    obj: object, key: str, fields: Fields, problems: list[str], take: Callable[[Fields], Value | None]
) -> tuple[Value, ...]:
    """What `take` makes of each object of the list `key` of `obj`, which is that of `fields`; the same twice only
    once. What it can't take is named."""
    found: dict[Value, None] = {}
    items = obj.get(key) if isinstance(obj, Mapping) else None
    if not isinstance(items, list):
        if items is not None:
            problems.append(str(fields.wrong(key, "is not a list")))
        return ()
    path = f"{fields.path}.{key}".lstrip(".")
    for index, item in enumerate(items):
        try:
            value = take(Fields(item, fields.name, f"{path}[{index}]"))
        except DecodeError as error:
            problems.append(str(error))
        else:
            if value is not None:
                found[value] = None
    return tuple(found)
