"""What nft does not tell of other programs' tables, asked of the kernel itself: which rules bear our mark, and which
tables only their program may change.

iptables rewrites a rule's comment as an extension whose text nft shows in no form; and nft's JSON of Debian 12 lacks
the flags of tables. The messages are those of linux/netfilter/nf_tables.h; only what is needed is decoded.
"""

import re
import struct
from collections.abc import Iterator
from typing import Final

from mcnet.codec.nft_batch import attribute
from mcnet.kernel import nfnetlink
from mcnet.model.ownership import HOST_RULE_MARK

_SUBSYSTEM: Final = 10 << 8
_GETTABLE, _GETRULE = _SUBSYSTEM | 1, _SUBSYSTEM | 7
_FAMILY: Final = struct.Struct("=BBH")
_FAMILIES: Final = {"inet": 1, "ip": 2, "ip6": 10}
_NAME, _FLAGS, _HANDLE = 1, 2, 3
"""NFTA_TABLE_NAME and NFTA_RULE_TABLE, NFTA_TABLE_FLAGS, NFTA_RULE_HANDLE."""
_OWNER: Final = 2
"""NFT_TABLE_F_OWNER."""
_MARK: Final = re.compile(re.escape(HOST_RULE_MARK).encode() + rb"[\x21-\x7e]*")


def marks(family: str, table: str) -> dict[int, str]:
    """Our marks by the handles of the rules that bear them. Raises KernelError."""
    name = table.encode() + b"\0"
    found = {}
    for message in _dump(_GETRULE, family, attribute(_NAME, name)):
        attributes = dict(nfnetlink.attributes(message))
        mark = _MARK.search(message)
        # An old kernel ignores which table is asked for.
        if mark and attributes.get(_NAME) == name and _HANDLE in attributes:
            found[int.from_bytes(attributes[_HANDLE])] = mark[0].decode()
    return found


def owned_tables(family: str) -> frozenset[str]:
    """The tables with the flag `owner`. Raises KernelError."""
    return frozenset(
        attributes[_NAME].rstrip(b"\0").decode(errors="replace")
        for message in _dump(_GETTABLE, family, b"")
        for attributes in [dict(nfnetlink.attributes(message))]
        if _NAME in attributes and int.from_bytes(attributes.get(_FLAGS, b"")) & _OWNER
    )


def _dump(kind: int, family: str, body: bytes) -> Iterator[bytes]:
    """The bodies of all messages of a dump, without the family."""
    body = _FAMILY.pack(_FAMILIES[family], 0, 0) + body
    doing = f"read other programs' nft tables of family {family}"
    return (content[_FAMILY.size :] for content in nfnetlink.dump(kind, body, doing))
