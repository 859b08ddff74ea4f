"""The netlink socket of netfilter: send a transaction, dump objects, errors as KernelError.

Bytes are made and read by those who know what is in them (mcnet.codec.nft_batch, mcnet.kernel.nft_marks).
"""

import errno
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final

from mcnet.codec.nft_batch import Batch
from mcnet.kernel.errors import translate

_NETLINK_NETFILTER: Final = 12
_REQUEST_DUMP: Final = 0x301
"""NLM_F_REQUEST | NLM_F_DUMP."""
_ERROR, _DONE = 2, 3
_HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
"""struct nlattr: length and kind."""
_LARGEST: Final = 1 << 17
"""Bytes read at once: no message of a dump is larger."""


def perform(batch: Batch, doing: str) -> None:
    """Have the kernel perform a transaction. Raises KernelError; then nothing changed.

    It returns when the kernel is through, and waits for other programs' transactions as rtnetlink does.
    """
    left = set(batch.asked)
    try:
        with _open() as opened:
            opened.send(batch.data)
            while left:
                # All answers are there as soon as it is sent: a missing one would be waited for in vain.
                for kind, number, content in messages(opened.recv(_LARGEST, socket.MSG_DONTWAIT)):
                    if kind == _ERROR:
                        _raise_refused(content)
                        left.discard(number)
    except OSError as error:
        raise translate(error, doing) from error


def dump(kind: int, body: bytes, doing: str) -> Iterator[bytes]:
    """The bodies of all messages of a dump. Raises KernelError."""
    try:
        with _open() as opened:
            opened.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST_DUMP, 1, 0) + body)
            while True:
                for answer, _, content in messages(opened.recv(_LARGEST)):
                    if answer == _DONE:
                        return
                    if answer == _ERROR:
                        _raise_refused(content)
                    yield content
    except OSError as error:
        raise translate(error, doing) from error


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Kind, number and body of each message; one that is cut ends the reading."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, _, number, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        yield kind, number, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and payload of each attribute, nested or not; one that is cut ends the reading."""
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3


def _open() -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    try:
        opened.bind((0, 0))
    except OSError:
        opened.close()
        raise
    return opened


def _raise_refused(content: bytes) -> None:
    """Raises OSError unless this struct nlmsgerr is an acknowledgement."""
    number = -int.from_bytes(content[:4], sys.byteorder, signed=True)
    if number:
        name = errno.errorcode.get(number, str(number))
        raise OSError(number, f"the kernel refuses it ({name})")
