"""States and policies of the kernel's IPsec as `ip xfrm` lists them, as far as needed to remove those of ours that a
process left behind. The words are ip-xfrm(8)'s.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mcnet.model.ownership import is_libreswan_if_id

_ADDRESS: Final = r"[0-9a-fA-F.:]+"
_HEAD = re.compile(rf"src ({_ADDRESS}(?:/\d+)?) dst ({_ADDRESS}(?:/\d+)?)\b")
_SPI = re.compile(r"proto esp spi (0x[0-9a-f]+)")
_DIRECTION = re.compile(r"\bdir (in|out|fwd)\b")
_IF_ID = re.compile(r"^\s*if_id (0x[0-9a-f]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Entry:
    source: str
    target: str
    body: str
    if_id: int


def _entries(listing: str) -> Iterator[_Entry]:
    """Each entry begins at the left edge, what follows of it is indented."""
    for part in re.split(r"\n(?=\S)", listing):
        head, found = _HEAD.match(part), _IF_ID.search(part)
        if head and found:
            yield _Entry(head[1], head[2], part, int(found[1], 16))


def forget_states(listing: str) -> tuple[str, ...]:
    """Arguments of `ip` that remove our states from what `ip xfrm state` lists."""
    return tuple(
        f"xfrm state delete src {entry.source} dst {entry.target} proto esp spi {spi[1]}"
        for entry in _entries(listing)
        if is_libreswan_if_id(entry.if_id) and (spi := _SPI.search(entry.body))
    )


def forget_policies(listing: str) -> tuple[str, ...]:
    """Arguments of `ip` that remove our policies from what `ip xfrm policy` lists."""
    return tuple(
        f"xfrm policy delete src {entry.source} dst {entry.target} dir {direction[1]} if_id {entry.if_id:#x}"
        for entry in _entries(listing)
        if is_libreswan_if_id(entry.if_id) and (direction := _DIRECTION.search(entry.body))
    )
