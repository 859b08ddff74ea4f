"""Several paths of one prober, whose rounds and looks come when a test says, on time or late."""

import errno
from ipaddress import IPv4Address

import pytest

from mcnet.model.probe import Target
from mcnet.probe import ping
from mcnet.probe.ping import Clock, Prober
from mcnet.probe.sockets import Received


class Several:
    """Paths to some addresses, of which those in `cut` do not answer; rounds come when the test says."""

    def __init__(self, patch: pytest.MonkeyPatch, count: int) -> None:
        self.addresses = [IPv4Address(f"192.0.2.{number}") for number in range(1, count + 1)]
        self.cut: set[IPv4Address] = set()
        self.refused: set[IPv4Address] = set()
        """Those to which nothing can be sent."""
        self.closed = 0
        """How often a socket was closed, with what had come to it."""
        self.awake = self.slept = 100.0
        self._here: list[tuple[float, IPv4Address, bytes]] = []
        patch.setattr(ping, "open_socket", lambda *_: self)
        patch.setattr(ping, "send", lambda _, request, address, device: self._send(request, address))
        patch.setattr(ping, "receive", lambda _: self._receive())
        patch.setattr(ping, "device_index", lambda _: 7)
        clock = Clock(awake=lambda: self.awake, passed=lambda: self.awake + self.slept)
        self.prober = Prober(interval=0.1, multiplier=3, clock=clock)
        self.prober.set_targets(frozenset(Target(str(one), one, "d") for one in self.addresses))
        for _ in range(5):
            self.round(0.1)
        assert self.states() == ["up"] * count

    def _send(self, request: bytes, address: IPv4Address) -> None:
        if address in self.refused:
            raise OSError(errno.ENOKEY, "required key not available")
        if address not in self.cut:
            self._here.append((self.awake + 0.001, address, bytes([0x45]) + bytes(19) + bytes([0]) + request[1:]))

    def _receive(self) -> Received | None:
        if not self._here:
            return None
        came, address, reply = self._here.pop()
        return Received(address, reply, self.awake - came)

    def close(self) -> None:
        """As a socket's."""
        self.closed += 1
        self._here.clear()

    def forget(self, address: IPv4Address) -> None:
        """What `address` has answered does not arrive."""
        self._here = [one for one in self._here if one[1] != address]

    def round(self, after: float, *, slept: float = 0.0) -> None:
        """The next round, `after` seconds since the last one, for some of which the machine was suspended."""
        self.awake += after - slept
        self.slept += slept
        self.prober._round(after - 0.1)

    def look(self, late: float = 0.0, *, round_late: float = 0.0, slept: float = 0.0) -> None:
        """Some time after a round, for some of which the machine was suspended."""
        self.awake += 0.05 + late - slept
        self.slept += slept
        self.prober._look(round_late, late)

    def states(self) -> list[str]:
        return [self.prober.snapshot()[str(one)].state for one in self.addresses]
