"""Ports and names of services, which Service, ServiceImport, EndpointSlice and our own record write alike."""

import re
from typing import Final

from mcnet.codec.fields import Fields, JsonObject, without_empty
from mcnet.model.service import DNS_LABEL, Port, ServiceName

PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
MOST_PORTS: Final = 100
"""As many as an EndpointSlice may have (discovery.k8s.io/v1)."""
_APP_PROTOCOL: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_./]{0,251}[A-Za-z0-9])?")
"""Label syntax, with or without a prefix (core/v1 ServicePort)."""


def decode_ports(fields: Fields, key: str) -> tuple[Port, ...]:
    """The ports in the list `key`; raises DecodeError, also if two have one name."""
    items = fields.children(key)
    if len(items) > MOST_PORTS:
        raise fields.wrong(key, f"has {len(items)} ports, more than {MOST_PORTS}")
    ports = tuple(_port(item) for item in items)
    if len({port.name for port in ports}) < len(ports):
        raise fields.wrong(key, "two ports have one name")
    return ports


def encode_port(port: Port) -> JsonObject:
    """The name too if it is empty: what the API server adds by itself must not look like a difference."""
    made: JsonObject = {"name": port.name, "protocol": port.protocol, "port": port.port}
    return made | without_empty({"appProtocol": port.app_protocol})


def decode_name(fields: Fields, key: str, default: str | None = None) -> str:
    """A DNS label, or the default. Raises DecodeError."""
    text = fields.text(key, default)
    if text != default and not DNS_LABEL.fullmatch(text):
        raise fields.wrong(key, f"{text!r} is not a DNS label")
    return text


def decode_service(fields: Fields, namespace: str = "namespace", name: str = "name") -> ServiceName:
    """The service that two fields name. Raises DecodeError."""
    return ServiceName(decode_name(fields, namespace), decode_name(fields, name))


def one_of(fields: Fields, key: str, allowed: tuple[str, ...], default: str = "") -> str:
    """A text out of `allowed`, or the default. Raises DecodeError."""
    text = fields.text(key, default)
    if text != default and text not in allowed:
        raise fields.wrong(key, f"{text!r} is none of {', '.join(allowed)}")
    return text


def _port(fields: Fields) -> Port:
    number = fields.number("port")
    if not 1 <= number <= 65535:
        raise fields.wrong("port", f"{number} is not a port number")
    app_protocol = fields.text("appProtocol", "")
    if app_protocol and not _APP_PROTOCOL.fullmatch(app_protocol):
        raise fields.wrong("appProtocol", f"{app_protocol!r} is not an application protocol")
    return Port(decode_name(fields, "name", ""), one_of(fields, "protocol", PROTOCOLS, "TCP"), number, app_protocol)
