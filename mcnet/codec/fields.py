"""Reads typed fields out of JSON objects, and says precisely which one is wrong. Unknown fields are tolerated.

What fields a kind has stands in the module of that kind.
"""

import base64
import binascii
import ipaddress
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from mcnet.codec.errors import DecodeError
from mcnet.model.kernel import Address, Network
from mcnet.model.member import API_GROUP, API_VERSION, CLUSTER_LABEL

JsonObject: TypeAlias = dict[str, Any]
Value = TypeVar("Value")


def plain_address(text: str) -> Address:
    """An address without a zone ("%eth0"), which could be any text and means nothing elsewhere. Raises ValueError."""
    return ipaddress.ip_address(_zoneless(text))


def plain_network(text: str) -> Network:
    """A prefix whose address has no zone. Raises ValueError."""
    return ipaddress.ip_network(_zoneless(text))


def finite(value: Any) -> float:
    """A number as JSON has them; Python's reading of it also gives NaN, infinity and integers beyond a float. Raises
    ValueError for those, ValueError or TypeError for what is none at all."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{number} is not a finite number")
    return number


def _zoneless(text: str) -> str:
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    return text


class Fields:
    """A JSON object within an API object; `name` is the API object's and `path` leads here."""

    def __init__(self, data: object, name: str, path: str = "") -> None:
        self.name = name
        self.path = path
        if not isinstance(data, Mapping):
            raise DecodeError(name, path or "object", "is not an object")
        self._data = data

    def wrong(self, key: str, why: str) -> DecodeError:
        """The error for a field here."""
        return DecodeError(self.name, self._field(key), why)

    def child(self, key: str) -> "Fields":
        """The object in `key`; an empty one if it is missing."""
        return Fields(self._data.get(key) or {}, self.name, self._field(key))

    def children(self, key: str) -> list["Fields"]:
        """The objects in the list `key`; none if it is missing."""
        return [Fields(item, self.name, f"{self._field(key)}[{index}]") for index, item in enumerate(self._list(key))]

    def text(self, key: str, default: str | None = None) -> str:
        return self._typed(key, str, default)

    def number(self, key: str, default: int | None = None) -> int:
        return self._typed(key, int, default)

    def decimal(self, key: str, default: float = 0.0) -> float:
        value = self._data.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(key, f"{_shown(value)} is not a number")
        try:
            return finite(value)
        except ValueError as error:
            raise self.wrong(key, str(error)) from error

    def flag(self, key: str, default: bool = False) -> bool:
        return self._typed(key, bool, default)

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self._each(key, lambda text: text))

    def mapping(self, key: str) -> tuple[tuple[str, str], ...]:
        """A map of texts, sorted."""
        child = self.child(key)
        return tuple((name, child.text(name)) for name in sorted(child._data))

    def names(self) -> list[str]:
        """The fields that are here, sorted."""
        return sorted(map(str, self._data))

    def addresses(self, key: str) -> tuple[Address, ...]:
        return tuple(self._each(key, plain_address))

    def prefixes(self, key: str) -> tuple[Network, ...]:
        return tuple(self._each(key, plain_network))

    def present(self, key: str) -> bool:
        return self._data.get(key) is not None

    def parsed(self, key: str, parse: Callable[[str], Value]) -> Value | None:
        """The text in `key` through `parse`, None if it is missing or empty."""
        text = self.text(key, "")
        try:
            return parse(text) if text else None
        except ValueError as error:
            raise self.wrong(key, str(error)) from error

    def octets(self, key: str, length: int) -> bytes:
        """Base64 of exactly `length` bytes."""
        try:
            value = base64.b64decode(self.text(key), validate=True)
        except (binascii.Error, ValueError) as error:
            raise self.wrong(key, "is not base64") from error
        if len(value) != length:
            raise self.wrong(key, f"has {len(value)} bytes instead of {length}")
        return value

    def _field(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _typed(self, key: str, kind: type[Value], default: Value | None) -> Value:
        value = self._data.get(key)
        if value is None:
            if default is None:
                raise self.wrong(key, "is missing")
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(key, f"{_shown(value)} is not of type {kind.__name__}")
        return value

    def _list(self, key: str) -> Sequence[object]:
        value = self._data.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self.wrong(key, "is not a list")
        return value

    def _each(self, key: str, parse: Callable[[str], Value]) -> list[Value]:
        values = []
        for index, text in enumerate(self._list(key)):
            field = f"{key}[{index}]"
            if not isinstance(text, str):
                raise self.wrong(field, f"{_shown(text)} is not a text")
            try:
                values.append(parse(text))
            except ValueError as error:
                raise self.wrong(field, str(error)) from error
        return values


def metadata_name(obj: JsonObject) -> str:
    """The object's name for messages, whatever it looks like."""
    metadata = obj.get("metadata") if isinstance(obj, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name if isinstance(name, str) else "(no name)"


def _shown(value: object) -> str:
    """A wrong value for messages; what holds others only by its kind, since it may be deeper than can be shown."""
    match value:
        case Mapping():
            return "an object"
        case list():
            return "a list"
        case _:
            return repr(value)


def fields_of(obj: JsonObject) -> Fields:
    """The whole object."""
    return Fields(obj, metadata_name(obj))


def own_object(kind: str, *, name: str, namespace: str, cluster: str = "") -> JsonObject:
    """An object of our group without content; `cluster` becomes the owner's label."""
    metadata: JsonObject = {"name": name, "namespace": namespace}
    if cluster:
        metadata["labels"] = {CLUSTER_LABEL: cluster}
    return {"apiVersion": f"{API_GROUP}/{API_VERSION}", "kind": kind, "metadata": metadata}


def texts(values: Sequence[object]) -> list[str]:
    """Addresses or prefixes as JSON has them."""
    return [str(value) for value in values]


def octets_of(text: str, length: int) -> bytes | None:
    """What `text` is the base64 of, None unless that is exactly `length` bytes."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return value if len(value) == length else None


def base64_text(data: bytes) -> str:
    """Standard base64."""
    return base64.b64encode(data).decode()


def without_empty(data: JsonObject) -> JsonObject:
    """Without what is empty text, empty list, empty object or null: `false` and 0 stay."""
    return {key: value for key, value in data.items() if value not in ("", [], {}, None)}
