"""errno to KernelError, and what an error number means. Nobody else looks at errno, nobody looks at texts."""

import errno
import os
from typing import Final

from mcnet.model.errors import KernelError

_GONE: Final = frozenset({errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.ENXIO, errno.EADDRNOTAVAIL})
"""What the kernel answers when the object to delete, or the device it sits on, is not there."""

_HINTS: Final = {
    errno.EPERM: "run with the capabilities NET_ADMIN and NET_RAW",
    errno.EACCES: "run with the capabilities NET_ADMIN and NET_RAW",
    errno.EOPNOTSUPP: "run `mcnet diagnose`: the node's kernel lacks a feature",
    errno.EAFNOSUPPORT: "switch IPv6 on in the node's kernel, or use IPv4 only",
}


def translate(error: BaseException, doing: str) -> KernelError:
    """`error` of netlink, a socket or a file as a KernelError that says what was being done."""
    number = number_of(error)
    detail = _detail(error) or (os.strerror(number) if number else str(error))
    return KernelError(f"{doing}: {detail}", _HINTS.get(number, ""), errno=number)


def number_of(error: BaseException) -> int:
    """The error number that `error` carries, 0 if none. pyroute2's NetlinkError calls it `code`."""
    for name in ("errno", "code"):
        number = getattr(error, name, None)
        if isinstance(number, int):
            return number
    return 0


def is_gone(error: KernelError) -> bool:
    """Whether the kernel says that the object is not there: fine for a removal."""
    return error.errno in _GONE


def is_there(error: KernelError) -> bool:
    """Whether the kernel says that something is there already under this key."""
    return error.errno == errno.EEXIST


def is_unknown_kind(error: KernelError) -> bool:
    """Whether the kernel does not know the kind of the device that it was to make."""
    return error.errno == errno.EOPNOTSUPP


def is_denied(error: KernelError) -> bool:
    """Whether a capability is missing: that says nothing about the kernel or its objects."""
    return error.errno in (errno.EPERM, errno.EACCES)


def _detail(error: BaseException) -> str:
    """The kernel's own sentence (extended ack), the last argument of a NetlinkError."""
    text = error.args[-1] if error.args else ""
    return text if isinstance(text, str) else ""
