"""Pins: the ConfigMap in which a member keeps by which keys it knows the others, an entry of JSON per cluster."""

import json
from collections.abc import Mapping

from mcnet.codec.errors import DecodeError
from mcnet.codec.fields import Fields, JsonObject, base64_text, without_empty
from mcnet.model.cluster import CLUSTER_ID_PATTERN, ClusterId, Identity
from mcnet.model.member import MANAGED_LABEL
from mcnet.model.trust import PINS_NAME, Pin

KEY_BYTES = 32


def encode(pins: Mapping[ClusterId, Pin], *, namespace: str) -> JsonObject:
    """The object."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": PINS_NAME, "namespace": namespace, "labels": {MANAGED_LABEL: "mcnet"}},
        "data": {cluster: entry(pins[cluster]) for cluster in sorted(pins)},
    }


def entry(pin: Pin) -> str:
    """The text of one cluster: keys sorted, so that equal pins are equal texts."""
    value = without_empty(
        {
            **_keys(pin.identity),
            "sequences": dict(pin.sequences),
            "offered": _keys(pin.offered),
        }
    )
    return json.dumps(value, sort_keys=True)


def decode(obj: JsonObject | None) -> dict[ClusterId, Pin]:
    """By cluster; none without an object. An entry that can't be read is a pin without identity, never no pin: else
    whoever spoils it would have other keys taken for the first ones."""
    data = (obj or {}).get("data") or {}
    return {ClusterId(name): _pin(str(text)) for name, text in data.items() if CLUSTER_ID_PATTERN.fullmatch(name)}


def _pin(text: str) -> Pin:
    try:
        fields = Fields(json.loads(text), PINS_NAME)
        offered = fields.child("offered")
        return Pin(
            identity=_identity(fields) if fields.present("signingKey") else None,
            sequences=_sequences(fields.child("sequences")),
            offered=_identity(offered) if offered.present("signingKey") else None,
        )
    except (ValueError, RecursionError, DecodeError):
        return Pin(None)


def _sequences(fields: Fields) -> tuple[tuple[str, int], ...]:
    return tuple((gateway, fields.number(gateway)) for gateway in fields.names())


def _identity(fields: Fields) -> Identity:
    return Identity(fields.octets("signingKey", KEY_BYTES), fields.octets("agreementKey", KEY_BYTES))


def _keys(identity: Identity | None) -> JsonObject:
    if identity is None:
        return {}
    return {
        "signingKey": base64_text(identity.signing_key),
        "agreementKey": base64_text(identity.agreement_key),
    }
