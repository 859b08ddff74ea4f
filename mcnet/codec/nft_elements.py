"""Elements of nft sets in one canonical text, whether written by us or read back from `nft -j`.

nft prints the same element in more than one way (a prefix or a range, a name or a number, merged or not), so
both sides go through this module before they are compared. Tables are the business of mcnet.codec.nft.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, Final

_ADDRESSES: Final = {"ipv4_addr": IPv4Address, "ipv6_addr": IPv6Address}
_PROTOCOLS: Final = {"icmp": 1, "tcp": 6, "udp": 17, "esp": 50, "ipv6-icmp": 58, "icmpv6": 58}
_NUMBERS: Final = frozenset({"inet_service", "mark", "inet_proto"})


def canonical(kind: str, flags: Sequence[str], elements: Iterable[Any]) -> list[str]:
    """The elements of a set of type `kind`, sorted, each once. An element is text in nft's language or a value
    of nft's JSON. Overlapping and adjacent intervals of a set of one field are merged, as the packets see them.
    """
    types = [field.strip() for field in kind.split(".")]
    rows = [_fields(types, element) for element in elements]
    if len(types) == 1 and "interval" in flags and types[0] in _ADDRESSES:
        return [_text(types[0], low, high) for low, high in _merge(_bounds(types[0], row[0]) for row in rows)]
    return sorted({" . ".join(_field(kind, value) for kind, value in zip(types, row, strict=True)) for row in rows})


def _fields(types: list[str], element: Any) -> list[Any]:
    """One element as a list of values, one per type."""
    if isinstance(element, dict) and "elem" in element:
        return _fields(types, element["elem"]["val"])
    if isinstance(element, dict) and "concat" in element:
        return list(element["concat"])
    if isinstance(element, str) and len(types) > 1:
        return [part.strip() for part in element.split(" . ")]
    return [element]


def _field(kind: str, value: Any) -> str:
    if kind in _ADDRESSES:
        return _text(kind, *_bounds(kind, value))
    if isinstance(value, dict):
        return "-".join(_field(kind, bound) for bound in value["range"])
    text = str(value).strip().strip('"')
    if kind not in _NUMBERS:
        return text.lower() if kind == "ether_addr" else text
    return "-".join(_number(part) for part in (text.split("-") if text not in _PROTOCOLS else [text]))


def _number(text: str) -> str:
    if text in _PROTOCOLS:
        return str(_PROTOCOLS[text])
    try:
        return str(int(text, 0))
    except ValueError:
        return text


def _bounds(kind: str, value: Any) -> tuple[int, int]:
    """First and last address of an address, prefix or range."""
    address = _ADDRESSES[kind]
    if isinstance(value, dict) and "range" in value:
        low, high = value["range"]
        return int(address(low)), int(address(high))
    text = f"{value['prefix']['addr']}/{value['prefix']['len']}" if isinstance(value, dict) else str(value).strip()
    if "/" in text:
        network = ip_network(text)
        return int(network.network_address), int(network.broadcast_address)
    first, _, last = text.partition("-")
    return int(address(first.strip())), int(address((last or first).strip()))


def _merge(bounds: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(bounds):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _text(kind: str, low: int, high: int) -> str:
    address = _ADDRESSES[kind]
    return str(address(low)) if low == high else f"{address(low)}-{address(high)}"
