"""The file broker-info.mcnet: YAML, versioned, checked field by field. Reading the file itself is the caller's."""

import base64
import binascii
from typing import Any
from urllib.parse import urlsplit

import yaml

from mcnet.codec.errors import DecodeError
from mcnet.model.broker import BrokerInfo
from mcnet.model.member import API_GROUP, API_VERSION, BROKER_NAMESPACE

FILE_KIND = "BrokerInfo"


def encode(info: BrokerInfo) -> str:
    """The file's text."""
    document = {
        "apiVersion": f"{API_GROUP}/{API_VERSION}",
        "kind": FILE_KIND,
        "server": info.server,
        "ca": base64.b64encode(info.ca).decode(),
        "namespace": info.namespace,
        "clusterSet": {"id": info.id, "defaultDriver": info.default_driver},
    }
    return (
        "# Where the broker of this clusterset is. It holds no secret: joining also takes a token\n"
        "# (`mcnet token create CLUSTER`, by the broker's admin).\n" + yaml.safe_dump(document, sort_keys=False)
    )


def decode(text: str) -> BrokerInfo:
    """The broker that the file's text names. Raises DecodeError that says what is wrong with it."""
    document = _document(text)
    server = _text(document, "server")
    if not _is_https(server):
        raise DecodeError("broker-info", "server", f"is not an https URL: {server!r}")
    options = document.get("clusterSet") or {}
    if not isinstance(options, dict):
        raise DecodeError("broker-info", "clusterSet", "is not a mapping")
    return BrokerInfo(
        server=server,
        ca=_ca(document),
        id=_text(options, "id", "clusterSet."),
        namespace=_optional(document, "namespace") or BROKER_NAMESPACE,
        default_driver=_optional(options, "defaultDriver", "clusterSet.") or "vxlan",
    )


def _document(text: str) -> dict[str, Any]:
    try:
        # All scalars as texts: nothing that looks like a time or a number, and can't be made one, is in the way.
        document = yaml.load(text, yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise DecodeError("broker-info", "", "is not YAML") from error
    if not isinstance(document, dict) or document.get("kind") != FILE_KIND:
        found = document.get("kind") if isinstance(document, dict) else None
        raise DecodeError("broker-info", "kind", f"is {_shown(found)}, not {FILE_KIND!r}")
    version = document.get("apiVersion")
    if version != f"{API_GROUP}/{API_VERSION}":
        raise DecodeError(
            "broker-info", "apiVersion", f"is {_shown(version)}; this mcnet reads {API_GROUP}/{API_VERSION}"
        )
    return document


def _text(document: dict[str, Any], name: str, where: str = "") -> str:
    value = _optional(document, name, where)
    if not value:
        raise DecodeError("broker-info", where + name, "is missing")
    return value


def _optional(document: dict[str, Any], name: str, where: str = "") -> str:
    """ "" if it is missing."""
    value = document.get(name) or ""
    try:
        value.encode()
    except (AttributeError, UnicodeEncodeError) as error:  # no text, or with half a character, escaped
        raise DecodeError("broker-info", where + name, "is no text") from error
    return str(value)


def _shown(value: object) -> str:
    """What holds others is only named: aliases make a few lines endless."""
    return repr(value) if isinstance(value, str | None) else "no text"


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port, or an address in brackets, that is none
        return False


def _ca(document: dict[str, Any]) -> bytes:
    text = _optional(document, "ca")
    try:
        ca = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError("broker-info", "ca", "is not base64") from error
    if ca and b"-----BEGIN CERTIFICATE-----" not in ca:
        raise DecodeError("broker-info", "ca", "holds no PEM certificate")
    return ca
