"""One netlink session: send a request, dump objects, errors as KernelError.

Every message is built by the module that owns its kind (links, routes, ...); nothing here knows what a route
is. Dumps are filtered by the kernel where it can (NETLINK_GET_STRICT_CHK, Linux 4.20), so that a node with a
full BGP table costs nothing.
"""

import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from mcnet.kernel.errors import is_gone, translate
from mcnet.kernel.messages import MESSAGE_CLASSES
from mcnet.model.errors import KernelError
from mcnet.model.kernel import Address

_REQUEST: Final = 0x1
_ACK: Final = 0x4
_DUMP: Final = 0x300
REPLACE: Final = 0x100
EXCLUSIVE: Final = 0x200
CREATE: Final = 0x400

FAMILIES: Final = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}
VERSIONS: Final = {family: version for version, family in FAMILIES.items()}


class Session:
    """An open rtnetlink socket in the network namespace of the calling thread."""

    def __init__(self, socket_: Any) -> None:
        self._socket = socket_

    async def request(self, message: Any, command: int, flags: int = 0, *, doing: str) -> list[Any]:
        """Send one request, wait for the kernel's acknowledgement; the answer's messages. Raises KernelError."""
        return await self._send(message, command, _REQUEST | _ACK | flags, doing)

    async def dump(self, message: Any, command: int, *, doing: str) -> list[Any]:
        """All objects that match `message`: none where the table or device asked for is not there.

        Raises KernelError.
        """
        try:
            return await self._send(message, command, _REQUEST | _DUMP, doing)
        except KernelError as error:
            if is_gone(error):
                return []
            raise

    async def _send(self, message: Any, command: int, flags: int, doing: str) -> list[Any]:
        try:
            answer = await self._socket.nlm_request(message, command, flags)
            return [reply async for reply in answer]
        except (NetlinkError, OSError) as error:
            raise translate(error, doing) from error


@asynccontextmanager
async def open_session() -> AsyncIterator[Session]:
    """A session for one round of reading or writing."""
    async with AsyncIPRoute(strict_check=True, ext_ack=True, groups=0) as handle:
        handle.marshal.msg_map.update(MESSAGE_CLASSES)
        yield Session(handle)


def build(message: Any, fields: dict[str, int], attributes: list[tuple[str, Any]]) -> Any:
    """Fill a pyroute2 message: header fields by name, attributes in order."""
    for name, value in fields.items():
        message[name] = value
    message["attrs"] = [list(attribute) for attribute in attributes]
    return message


def family_of(address: Address) -> int:
    """The kernel's number of the address family (AF_INET, AF_INET6)."""
    return FAMILIES[address.version]


def device_index(name: str) -> int:
    """The index of the device `name`. Raises KernelError (ENODEV)."""
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        missing = OSError(errno.ENODEV, f"no device {name}")
        raise translate(missing, f"look up device {name}") from error


def device_names() -> dict[int, str]:
    """The names of all devices by index."""
    return dict(socket.if_nameindex())
