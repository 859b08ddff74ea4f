"""A path that a prober probes, in time that passes at once: what happens to it, to the machine and to its clocks is a
list of troubles. The prober runs as it is, on an event loop of its own, with other sockets and clocks."""

import asyncio
import selectors
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, Literal, TypeAlias, TypeVar

import pytest

from mcnet.probe import ping
from mcnet.probe.ping import Clock
from mcnet.probe.sockets import Received

Result = TypeVar("Result")
Kind: TypeAlias = Literal[
    "set", "suspended", "stalled", "stalled reading", "stalled sending", "cut", "held", "whole", "long"
]


@dataclass(frozen=True, slots=True)
class Trouble:
    """At `moment` (seconds the machine was awake): the system's clock is set `seconds` forwards (or backwards); the
    machine is suspended; the prober's process gets no processor, between two rounds, after it has read a socket or
    before it sends; the path is cut, holds back what is sent, or is whole again, when all that it held back goes;
    its round trips take `seconds` from now on."""

    moment: float
    kind: Kind
    seconds: float = 0.0


@dataclass
class ProbedPath:
    """One path of `round_trip` seconds. Replies that are on their way when the machine is suspended are lost."""

    round_trip: float
    troubles: list[Trouble] = field(default_factory=list)
    awake: float = 1000.0
    """The clock of the machine while it is awake, at first that long after its boot."""
    slept: float = 0.0
    wall: float = 1.8e9
    """By how much the system's clock is ahead of `awake`."""
    whole: bool = True
    holds: bool = False
    held: list[bytes] = field(default_factory=list)
    """The replies to what has been held back."""
    reading: float = 0.0
    """Seconds for which the process will be stalled when it has read."""
    sending: float = 0.0
    """The same before it sends."""
    coming: list[tuple[float, bytes]] = field(default_factory=list)
    """When the next replies come."""
    here: list[tuple[float, bytes]] = field(default_factory=list)
    """The replies in the socket, and the system's time at which they came."""

    def clock(self) -> Clock:
        return Clock(awake=lambda: self.awake, passed=lambda: self.awake + self.slept)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Let every prober send by this path."""
        patch.setattr(ping, "open_socket", lambda *_: self)
        patch.setattr(ping, "send", lambda _, request, address, device: self._send(request))
        patch.setattr(ping, "receive", lambda _: self._receive())

    def close(self) -> None:
        """As a socket's."""

    def run(self, body: Coroutine[Any, Any, Result]) -> Result:
        """What `body` returns, in no time."""
        loop = _Loop(self)
        try:
            return loop.run_until_complete(body)
        finally:
            loop.close()

    def passes(self, seconds: float) -> None:
        """Time passes, and what is to happen in it does."""
        end = self.awake + seconds
        while self.troubles and self.troubles[0].moment <= end:
            trouble = self.troubles.pop(0)
            self._until(max(trouble.moment, self.awake))
            match trouble.kind:
                case "set":
                    self.wall += trouble.seconds
                case "suspended":
                    self.coming.clear()
                    self.slept += trouble.seconds
                    self.wall += trouble.seconds
                case "stalled":
                    end += trouble.seconds
                case "stalled reading":
                    self.reading += trouble.seconds
                case "stalled sending":
                    self.sending += trouble.seconds
                case "long":
                    self.round_trip = trouble.seconds
                case "held":
                    self.holds = True
                case "cut" | "whole":
                    self.whole, self.holds = trouble.kind == "whole", False
                    self.coming += [(self.awake + self.round_trip, reply) for reply in self.held if self.whole]
                    self.held = []
        self._until(max(end, self.awake))

    def _until(self, moment: float) -> None:
        for when, reply in [one for one in self.coming if one[0] <= moment]:
            self.here.append((when + self.wall, reply))
        self.coming = [one for one in self.coming if one[0] > moment]
        self.awake = moment

    def _send(self, request: bytes) -> None:
        seconds, self.sending = self.sending, 0.0
        self.passes(seconds)
        # An IPv4 header, and the request as the reply (RFC 792).
        reply = bytes([0x45]) + bytes(19) + bytes([0]) + request[1:]
        if self.holds:
            self.held.append(reply)
        elif self.whole:
            self.coming.append((self.awake + self.round_trip, reply))

    def _receive(self) -> Received | None:
        if not self.here:
            seconds, self.reading = self.reading, 0.0
            self.passes(seconds)
            return None
        came, reply = self.here.pop(0)
        return Received(ADDRESS, reply, max(0.0, self.awake + self.wall - came))


ADDRESS = IPv4Address("192.0.2.1")


def in_order(base: float, troubles: Iterable[tuple[float, Kind, float]]) -> list[Trouble]:
    """Troubles from (seconds since the one before, kind, seconds), the first one after `base`."""
    found, moment = [], base
    for pause, kind, seconds in troubles:
        moment += pause
        found.append(Trouble(moment, kind, seconds))
        moment += seconds if kind.startswith("stalled") else 0
    return found


class _Selector(selectors.SelectSelector):
    """Waits by letting time pass."""

    def __init__(self, path: ProbedPath) -> None:
        super().__init__()
        self._path = path

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._path.passes(max(0.0, timeout or 0.0))
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, path: ProbedPath) -> None:
        super().__init__(_Selector(path))
        self._path = path

    def time(self) -> float:
        return self._path.awake
