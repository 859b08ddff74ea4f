"""Settings of our WireGuard devices: read and brought to what is wanted, wherever a device lives. Nothing is decided
here. Making and deleting devices is mcnet.kernel.links'.
"""

from collections.abc import Iterable
from dataclasses import replace

from mcnet.kernel import wireguard_netlink, wireguard_userspace
from mcnet.model.kernel import Link
from mcnet.model.wireguard import WireguardDevice


async def read(links: Iterable[Link]) -> frozenset[WireguardDevice]:
    """The settings of those of `links` that are WireGuard devices and have a private key. Raises KernelError."""
    found = set()
    for link in links:
        if not link.wireguard:
            continue
        module = wireguard_userspace if link.userspace else wireguard_netlink
        answer = await module.read(link.name)
        if answer is not None and answer.device is not None:
            found.add(replace(answer.device, status=answer.status))
    return frozenset(found)


async def configure(old: WireguardDevice | None, new: WireguardDevice) -> None:
    """Bring a device from `old` to `new`; peers that stay keep their sessions. Raises KernelError."""
    module = wireguard_userspace if wireguard_userspace.is_held(new.name) else wireguard_netlink
    await module.configure(old, new)
