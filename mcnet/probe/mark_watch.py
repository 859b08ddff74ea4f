"""Tells at once that an echo reply bears a mark (mcnet.plan.soft_mark); what it says is read by mcnet.probe.ping.

A prober reads its sockets when a round is due, since waking up for each reply costs more than all else. A mark can't
wait for that: until it is read, flows go to a gateway that loses them. So the kernel wakes the prober for marked
replies alone, by sockets of their own with a filter; they cost nothing while no reply is marked.
"""

import asyncio
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from mcnet.codec.icmp import dscp_filter
from mcnet.model.ownership import MARK_DSCP
from mcnet.probe.sockets import attach_filter, open_socket

_ARRIVED: Final = 0.001
"""Seconds after which the same reply is in the prober's own socket too: they get it one after the other."""


class MarkWatch:
    """Wakes once per `arm`: who forges marks, or a mark that stays, costs no more than that."""

    def __init__(self, wake: Callable[[], object]) -> None:
        """`wake` is called from the running loop."""
        self._wake = wake
        self._sockets: dict[tuple[int, str], socket.socket] = {}
        self._waking: asyncio.TimerHandle | None = None

    def arm(self, devices: Collection[tuple[int, str]]) -> None:
        """Wake as soon as a marked reply comes by one of `devices` (IP version, name), and not again until this is
        called anew. A device that can't be watched is left out: its replies are read with the next round."""
        for key in set(self._sockets) - set(devices):
            self._close(key)
        for key in devices:
            if key not in self._sockets:
                with suppress(OSError):
                    self._open(key)

    def forget(self, device: tuple[int, str]) -> None:
        """Nothing can be sent by `device`: it may be another one of the same name when it is armed anew."""
        if device in self._sockets:
            self._close(device)

    def close(self) -> None:
        """Watch no longer, and don't wake."""
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        for key in list(self._sockets):
            self._close(key)

    def _open(self, key: tuple[int, str]) -> None:
        version, device = key
        opened = open_socket(version, device, None)
        try:
            attach_filter(opened, dscp_filter(version, MARK_DSCP.values()))
            asyncio.get_running_loop().add_reader(opened, self._arrived)
        except OSError:
            opened.close()
            raise
        self._sockets[key] = opened

    def _close(self, key: tuple[int, str]) -> None:
        opened = self._sockets.pop(key)
        asyncio.get_running_loop().remove_reader(opened)
        opened.close()

    def _arrived(self) -> None:
        self.close()
        self._waking = asyncio.get_running_loop().call_later(_ARRIVED, self._wake)
