"""A transaction of nf_tables that puts elements into sets, as the bytes of its netlink messages.

For what must be done at once: a program `nft` takes a tenth of a second to start on a busy node, these messages
nothing. Tables, chains, and sets of other types are the business of mcnet.codec.nft. Layouts are those of
linux/netfilter/nfnetlink.h and nf_tables.h; numbers of an attribute are in network byte order.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mcnet.codec.nft_elements import canonical
from mcnet.model.kernel import NftSet

_SUBSYSTEM: Final = 10
"""NFNL_SUBSYS_NFTABLES."""
_BEGIN, _END = 0x10, 0x11
"""NFNL_MSG_BATCH_BEGIN and _END: what is between is done whole or not at all."""
_NEW_ELEMENTS, _DELETE_ELEMENTS = _SUBSYSTEM << 8 | 12, _SUBSYSTEM << 8 | 14
"""NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM; the latter without elements empties the set."""
_REQUEST, _ACK, _CREATE = 0x1, 0x4, 0x400
_INET: Final = 1
"""NFPROTO_INET."""
_TABLE, _SET, _ELEMENTS = 1, 2, 3
"""NFTA_SET_ELEM_LIST_TABLE, _SET, _ELEMENTS."""
_ELEMENT, _KEY, _VALUE = 1, 1, 1
"""NFTA_LIST_ELEM, NFTA_SET_ELEM_KEY, NFTA_DATA_VALUE."""
_NESTED: Final = 0x8000
_HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")


@dataclass(frozen=True, slots=True)
class Batch:
    """What to send at once. The kernel answers the messages numbered `asked`, or says which one it refused."""

    data: bytes
    asked: frozenset[int]


def encode_elements(table: str, sets: Sequence[NftSet]) -> Batch | None:
    """Each of these sets of the table `inet TABLE` is to hold its elements, and no others. None where one of them is
    not of protocol numbers."""
    if any(item.type != "inet_proto" or item.flags for item in sets):
        return None
    messages = [(_BEGIN, _REQUEST, struct.pack("!BBH", 0, 0, _SUBSYSTEM))]
    messages += [message for item in sets for message in _set_messages(table, item)]
    messages += [(_END, _REQUEST, struct.pack("!BBH", 0, 0, _SUBSYSTEM))]
    data = b"".join(
        _HEADER.pack(_HEADER.size + len(body), kind, flags, number, 0) + body
        for number, (kind, flags, body) in enumerate(messages)
    )
    return Batch(data, frozenset(number for number, (_, flags, _) in enumerate(messages) if flags & _ACK))


def _set_messages(table: str, item: NftSet) -> Iterator[tuple[int, int, bytes]]:
    place = struct.pack("!BBH", _INET, 0, 0) + attribute(_TABLE, _name(table)) + attribute(_SET, _name(item.name))
    yield _DELETE_ELEMENTS, _REQUEST | _ACK, place
    if item.elements:
        keys = [int(element).to_bytes(1) for element in canonical(item.type, item.flags, item.elements)]
        elements = b"".join(_nested(_ELEMENT, _nested(_KEY, attribute(_VALUE, key))) for key in keys)
        yield _NEW_ELEMENTS, _REQUEST | _ACK | _CREATE, place + _nested(_ELEMENTS, elements)


def _name(text: str) -> bytes:
    return text.encode() + b"\0"


def _nested(kind: int, content: bytes) -> bytes:
    return attribute(_NESTED | kind, content)


def attribute(kind: int, content: bytes) -> bytes:
    """One attribute of a message, aligned to four bytes, which its length does not tell."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(content), kind) + content + bytes(-len(content) % 4)
