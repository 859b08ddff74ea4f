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
    if urlsplit(server).scheme != "https" or not urlsplit(server).hostname:
        raise DecodeError("broker-info", "server", f"is not an https URL: {server!r}")
    options = document.get("clusterSet") or {}
    if not isinstance(options, dict):
        raise DecodeError("broker-info", "clusterSet", "is not a mapping")
    return BrokerInfo(
        server=server,
        ca=_ca(document),
        id=_text(options, "id", where="clusterSet."),
        namespace=str(document.get("namespace") or BROKER_NAMESPACE),
        default_driver=str(options.get("defaultDriver") or "vxlan"),
    )


def _document(text: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DecodeError("broker-info", "", "is not YAML") from error
    if not isinstance(document, dict) or document.get("kind") != FILE_KIND:
        found = document.get("kind") if isinstance(document, dict) else None
        raise DecodeError("broker-info", "kind", f"is {found!r}, not {FILE_KIND!r}")
    version = document.get("apiVersion")
    if version != f"{API_GROUP}/{API_VERSION}":
        raise DecodeError("broker-info", "apiVersion", f"is {version!r}; this mcnet reads {API_GROUP}/{API_VERSION}")
    return document


def _text(document: dict[str, Any], name: str, where: str = "") -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise DecodeError("broker-info", where + name, "is missing" if value is None else f"is {value!r}")
    return value


def _ca(document: dict[str, Any]) -> bytes:
    try:
        ca = base64.b64decode(str(document.get("ca") or ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError("broker-info", "ca", "is not base64") from error
    if ca and b"-----BEGIN CERTIFICATE-----" not in ca:
        raise DecodeError("broker-info", "ca", "holds no PEM certificate")
    return ca
