"""Decode many objects: one that can't be decoded is left out and named, the others go on."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from mcnet.codec.errors import DecodeError

Value = TypeVar("Value")


def decode_all(
    decoder: Callable[[dict[str, Any]], Value], objects: Iterable[dict[str, Any]], problems: list[str]
) -> tuple[Value, ...]:
    """The values of those that `decoder` accepts; a sentence for each other one is added to `problems`."""
    values = []
    for found in objects:
        try:
            values.append(decoder(found))
        except DecodeError as error:
            problems.append(str(error))
    return tuple(values)
