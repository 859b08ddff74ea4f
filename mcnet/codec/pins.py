"""Pins: the ConfigMap in which a member keeps by which keys it knows the others, an entry of JSON per cluster."""

import json
from collections.abc import Mapping

from mcnet.codec.cluster import identity_fields, read_identity
from mcnet.codec.fields import Fields, JsonObject, without_empty
from mcnet.model.cluster import CLUSTER_ID_PATTERN, ClusterId
from mcnet.model.member import MANAGED_LABEL
from mcnet.model.trust import PINS_NAME, Pin


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
            **(identity_fields(pin.identity) if pin.identity else {}),
            "sequences": dict(pin.sequences),
            "offered": identity_fields(pin.offered) if pin.offered else {},
        }
    )
    return json.dumps(value, sort_keys=True)


def decode(obj: JsonObject | None) -> dict[ClusterId, Pin]:
    """By cluster; none without an object. An entry that can't be read is a pin without identity, never no pin: else
    whoever spoils it would have other keys taken for the first ones. Raises DecodeError where not even the clusters
    can be told."""
    data = Fields(obj or {}, PINS_NAME).child("data")
    return {ClusterId(name): _pin(data, name) for name in data.names() if CLUSTER_ID_PATTERN.fullmatch(name)}


def _pin(data: Fields, name: str) -> Pin:
    try:
        fields = Fields(json.loads(data.text(name)), PINS_NAME)
        offered = fields.child("offered")
        return Pin(
            identity=read_identity(fields) if fields.present("signingKey") else None,
            sequences=_sequences(fields.child("sequences")),
            offered=read_identity(offered) if offered.present("signingKey") else None,
        )
    except (ValueError, RecursionError):
        return Pin(None)


def _sequences(fields: Fields) -> tuple[tuple[str, int], ...]:
    return tuple((gateway, fields.number(gateway)) for gateway in fields.names())
