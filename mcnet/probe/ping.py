"""A prober: ICMP echo to a set of targets at a fixed interval, answered by the kernels of the other side.

It sends, matches replies and feeds mcnet.plan.health, which judges; it knows nothing of cables or routes. A
missing device or an unreachable route is a loss like any other. A round whose own timer was late by half an
interval or more judges no loss: then this process was asleep, not the path.
"""

import asyncio
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from mcnet.codec.icmp import TOKEN_BYTES, Echo, decode_reply, encode_request
from mcnet.model.kernel import Address
from mcnet.plan.health import History, PathHealth, health, observe_loss, observe_reply, patience
from mcnet.probe.sockets import open_socket, receive, send

_SLACK: Final = 0.5
"""Share of an interval by which a round may be late and still judge."""


@dataclass(frozen=True, slots=True)
class Target:
    """A path to probe: `address` over `device`, from `source` if given. `key` names it in the results."""

    key: str
    address: Address
    device: str
    source: Address | None = None


@dataclass(slots=True)
class _Path:
    """A target's history and the probes that wait for an answer: sending time (monotonic) by number."""

    target: Target
    history: History
    waiting: dict[int, float] = field(default_factory=dict)


class Prober:
    """Probes a changing set of targets until `run` is cancelled."""

    def __init__(
        self, *, interval: float = 1.0, multiplier: int = 3, on_change: Callable[[], object] | None = None
    ) -> None:
        """`interval` in seconds; a path is down after `multiplier` losses in a row; `on_change` is called after
        a path's state changed."""
        self.changed = asyncio.Event()
        """Set when a path's state changed; the reader clears it."""
        self._interval = interval
        self._multiplier = multiplier
        self.on_change = on_change
        """Called after a path's state changed."""
        self._token = secrets.token_bytes(TOKEN_BYTES)
        self._identifier = secrets.randbelow(1 << 16)
        self._number = 0
        self._paths: dict[str, _Path] = {}
        self._sockets: dict[tuple[int, str, Address | None], socket.socket] = {}

    def set_pace(self, *, interval: float, multiplier: int) -> None:
        """Probe at this pace from the next round on; paths keep their histories."""
        self._interval = interval
        self._multiplier = multiplier

    def set_targets(self, targets: frozenset[Target]) -> None:
        """Probe exactly `targets` from now on; a target that stays keeps its history, a changed one starts anew."""
        kept = {path.target: path for path in self._paths.values()}
        now = time.time()
        self._paths = {
            target.key: kept.get(target) or _Path(target, History(since=now))
            for target in sorted(targets, key=lambda target: target.key)
        }
        wanted = {_socket_key(target) for target in targets}
        for key in set(self._sockets) - wanted:
            self._close(key)

    def snapshot(self) -> dict[str, PathHealth]:
        """The health of every target, by key. Times of change are seconds since the epoch."""
        return {key: health(path.history) for key, path in self._paths.items()}

    async def run(self) -> None:
        """Probe until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            while True:
                await asyncio.sleep(max(0.0, due - loop.time()))
                late = loop.time() - due
                self._round(punctual=late < _SLACK * self._interval)
                due = due + self._interval if late < self._interval else loop.time() + self._interval
        finally:
            for key in list(self._sockets):
                self._close(key)

    def _round(self, *, punctual: bool) -> None:
        for key in list(self._sockets):
            self._drain(key)
        before = self._states()
        for path in self._paths.values():
            self._judge(path, punctual=punctual)
            self._probe(path)
        self._announce(before)

    def _judge(self, path: _Path, *, punctual: bool) -> None:
        """Count probes that waited long enough as lost; after a late round nothing can be said of any."""
        if not punctual:
            path.waiting.clear()
            return
        # Half an interval of tolerance: this round and the sending round were each a little late.
        limit = patience(path.history, self._interval) - self._interval / 2
        now = time.monotonic()
        for number, sent in list(path.waiting.items()):
            if now - sent >= limit:
                del path.waiting[number]
                path.history = observe_loss(path.history, multiplier=self._multiplier, now=time.time())

    def _probe(self, path: _Path) -> None:
        self._number = (self._number + 1) & 0xFFFFFFFF
        target = path.target
        path.waiting[self._number] = time.monotonic()
        request = encode_request(target.address.version, Echo(self._token, self._identifier, self._number))
        key = _socket_key(target)
        try:
            send(self._socket(key), request, target.address, target.device)
        except OSError:
            # No device, no route, a full queue: no reply will come, which is what counts. The socket may be
            # bound to a device that was re-created, so the next round opens another.
            self._close(key)

    def _socket(self, key: tuple[int, str, Address | None]) -> socket.socket:
        if key not in self._sockets:
            opened = open_socket(*key)
            self._sockets[key] = opened
            asyncio.get_running_loop().add_reader(opened, partial(self._readable, key))
        return self._sockets[key]

    def _close(self, key: tuple[int, str, Address | None]) -> None:
        opened = self._sockets.pop(key, None)
        if opened is not None:
            asyncio.get_running_loop().remove_reader(opened)
            opened.close()

    def _readable(self, key: tuple[int, str, Address | None]) -> None:
        before = self._states()
        self._drain(key)
        self._announce(before)

    def _drain(self, key: tuple[int, str, Address | None]) -> None:
        """Take the replies that wait on a socket."""
        opened = self._sockets[key]
        while True:
            try:
                received = receive(opened)
            except OSError:
                # An error of an earlier packet (ENETDOWN, EHOSTUNREACH): reading it has cleared it.
                return
            if received is None:
                return
            echo = decode_reply(key[0], received.data)
            if echo is not None and (echo.token, echo.identifier) == (self._token, self._identifier):
                self._count(echo.number, received.sender, received.delay)

    def _count(self, number: int, sender: Address, delay: float) -> None:
        """Both ends of the round trip are monotonic; only the short wait in the socket is wall-clock time."""
        now = time.monotonic()
        for path in self._paths.values():
            if path.target.address == sender and number in path.waiting:
                elapsed = now - path.waiting.pop(number)
                rtt = elapsed - delay if delay < elapsed else elapsed
                path.history = observe_reply(path.history, rtt, now=time.time())

    def _states(self) -> Mapping[str, str]:
        return {key: path.history.state for key, path in self._paths.items()}

    def _announce(self, before: Mapping[str, str]) -> None:
        if self._states() != before:
            self.changed.set()
            if self.on_change is not None:
                self.on_change()


def _socket_key(target: Target) -> tuple[int, str, Address | None]:
    return target.address.version, target.device, target.source
