"""A prober: ICMP echo to a set of targets at a fixed interval, answered by the kernels of the other side.

It sends, matches replies and feeds mcnet.plan.health, which judges; it knows nothing of cables or routes. A
missing device or an unreachable route is a loss like any other. A round whose own timer was late by half an
interval or more judges no loss: then this process was asleep, or the machine, not the path. But where another path
has answered what was sent in the same round or later, the machine was there, and only this process had no processor:
then a probe is lost that has waited for so much longer. So a busy machine notices later, and not never.

A reply to a probe that was counted as lost takes that back: round trips grow tenfold at once where a link is full.
One that was held back, and came together with others, says nothing of how long the way is (mcnet.plan.held).

No clock of these can be set (`Clock`); the system's tells one thing only, how long a reply lay in its socket, where
it was not when that was read before.

Replies wait in the sockets until the next round, since waking up for each would cost more than all else together;
the kernel has noted when each came. Only while a path is not up, about to be lost or marked they are looked for
sooner; and of a path about to be lost the last probe is then given no more time than its round trips take. The first
reply with a mark is read at once (mcnet.probe.mark_watch).
"""

import asyncio
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from mcnet.codec.icmp import TOKEN_BYTES, Echo, decode_reply, encode_request
from mcnet.model.kernel import Address
from mcnet.model.ownership import MARK_DSCP
from mcnet.model.probe import Mark, PathHealth, Standing, Target
from mcnet.plan import pace
from mcnet.plan.health import (
    History,
    has_answered,
    health,
    is_at_the_brink,
    observe_late_reply,
    observe_loss,
    observe_reply,
    patience,
    resumed,
)
from mcnet.plan.held import Arrivals, arrived
from mcnet.probe.mark_watch import MarkWatch
from mcnet.probe.sockets import Received, device_index, open_socket, receive, send

_SLACK: Final = 0.5
"""Share of an interval by which a round may be late and still judge."""
_EARLY: Final = 0.001
"""Seconds by which a timer may be early."""
_OVERDUE: Final = 3.0
"""Seconds for which a reply still counts whose probe was taken for lost: as long as full queues hold packets back."""
_SocketKey: TypeAlias = tuple[int, str, Address | None]
"""IP version, device, source."""
_MARKS: Final = {dscp: mark for mark, dscp in MARK_DSCP.items()}


def _boot_time() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds, by clocks that nobody sets. `awake` stands still while the machine is suspended, `passed` does not."""

    awake: Callable[[], float] = time.monotonic
    """CLOCK_MONOTONIC, which all processes of a machine share. Histories are in it: time in which nobody could probe
    is neither silence nor quiet."""
    passed: Callable[[], float] = _boot_time
    """CLOCK_BOOTTIME: by it a round is late."""


@dataclass(slots=True)
class _Path:
    """A target's history and the probes that wait for an answer, by number."""

    target: Target
    history: History
    waiting: dict[int, "_Probe"] = field(default_factory=dict)
    overdue: dict[int, "_Probe"] = field(default_factory=dict)
    """Those that were counted as lost a moment ago."""
    answered: int = 0
    """The newest round whose probe was answered."""
    arrivals: Arrivals = field(default_factory=Arrivals)


@dataclass(frozen=True, slots=True)
class _Probe:
    """When (`Clock.awake`) sending it `began` and was over (`sent`), and in which round."""

    began: float
    sent: float
    round: int


class Prober:
    """Probes a changing set of targets until `run` is cancelled."""

    def __init__(
        self,
        *,
        interval: float = 1.0,
        multiplier: int = 3,
        on_change: Callable[[], object] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`interval` in seconds; a path is down after `multiplier` losses in a row; `on_change` is called after
        a path's state changed."""
        self.problem = ""
        """Nothing keeps this one from probing (mcnet.probe.supervised)."""
        self.changed = asyncio.Event()
        """Set when a path's state changed; the reader clears it."""
        self._interval = interval
        self._multiplier = multiplier
        self.on_change = on_change
        """Called after a path's state changed."""
        self._token = secrets.token_bytes(TOKEN_BYTES)
        self._identifier = secrets.randbelow(1 << 16)
        self._number = 0
        self._rounds = 0
        self._clock = clock or Clock()
        self._slept = self._clock.passed() - self._clock.awake()
        """For how long the machine had been suspended since its start when the last round began."""
        self._looked = self._clock.awake()
        """When the sockets were read last."""
        self._news = False
        """Whether a path's standing changed since it was announced."""
        self._paths: dict[str, _Path] = {}
        self._asked: dict[int, _Path] = {}
        """Whose probe a number is."""
        self._sockets: dict[_SocketKey, socket.socket] = {}
        self._bound: dict[_SocketKey, int] = {}
        """The index of the device to which each is bound: one made anew has another."""
        self._devices: frozenset[tuple[int, str]] = frozenset()
        """The IP version and the name of each device by which probes go."""
        self._watch = MarkWatch(self._read)

    def set_pace(self, *, interval: float, multiplier: int) -> None:
        """Probe at this pace from the next round on; paths keep their histories."""
        self._interval = interval
        self._multiplier = multiplier

    def set_targets(self, targets: frozenset[Target], known: Mapping[str, PathHealth] | None = None) -> None:
        """Probe exactly `targets` from now on; a target that stays or is `formerly` another one keeps its history, a
        changed one starts anew.

        `known` is, by key, what an earlier prober said of targets that are new to this one.
        """
        kept = {path.target: path for path in self._paths.values()}
        for target in targets:
            former = self._paths.get(target.formerly)
            if target not in kept and former is not None and target.is_formerly(former.target):
                former.target = target
                kept[target] = former
        now = self._clock.awake()
        before = known or {}
        self._paths = {
            target.key: kept.get(target)
            or _Path(target, resumed(before[target.key], now=now) if target.key in before else History(since=now))
            for target in sorted(targets, key=lambda target: target.key)
        }
        self._asked = {number: path for path in self._paths.values() for number in (*path.waiting, *path.overdue)}
        wanted = {_socket_key(target) for target in targets}
        self._devices = frozenset(key[:2] for key in wanted)
        for key in set(self._sockets) - wanted:
            self._close(key)

    def snapshot(self, keys: Iterable[str] | None = None) -> dict[str, PathHealth]:
        """The health of the targets `keys`, or of all, by key. Times of change are `Clock.awake`'s."""
        return {key: health(self._paths[key].history) for key in (self._paths if keys is None else keys)}

    def standings(self) -> dict[str, Standing]:
        """Of every target, by key, what is announced when it changes."""
        return {key: _standing(path.history) for key, path in self._paths.items()}

    async def run(self) -> None:
        """Probe until cancelled."""
        passed = self._clock.passed
        due = passed()
        try:
            while True:
                await asyncio.sleep(max(0.0, due - passed()))
                late = passed() - due
                if not any(path.history.state == "up" and path.history.mark for path in self._paths.values()):
                    self._watch.arm(self._devices)
                self._round(late)
                if any(map(self._is_urgent, self._paths.values())):
                    look = passed() + min(pace.LOOK, self._interval / 2)
                    await asyncio.sleep(look - passed())
                    self._look(late, passed() - look)
                due = due + self._interval if late < self._interval else passed() + self._interval
        finally:
            self._watch.close()
            for key in list(self._sockets):
                self._close(key)

    def _round(self, late: float) -> None:
        """One that begins `late` seconds after it was due."""
        now = self._clock.awake()
        slept = self._suspended(now)
        self._slept += slept
        self._drain()
        waited = late if late >= _SLACK * self._interval else 0.0
        certain = self._certain(late, slept)
        for path in self._paths.values():
            self._judge(path, certain(path), patience(path.history, self._interval) + waited, now)
        self._rounds += 1
        for path in self._paths.values():
            self._probe(path)
        self._announce()

    def _is_urgent(self, path: _Path) -> bool:
        """Whether its answers are looked for soon."""
        if path.history.state != "up" or path.history.mark:
            return True
        return is_at_the_brink(path.history, multiplier=self._losses(path))

    def _look(self, round_late: float, late: float) -> None:
        """Some time after a round: read what has come, and judge what is about to be lost. By how many seconds the
        round and this look were late."""
        now = self._clock.awake()
        slept = self._suspended(now)
        self._drain()
        waited = late if late >= _SLACK * self._interval else 0.0
        certain = self._certain(max(round_late, late), slept)
        for path in self._paths.values():
            if is_at_the_brink(path.history, multiplier=self._losses(path)):
                limit = patience(path.history, min(pace.LOOK, self._interval / 2)) - _EARLY + waited
                self._judge(path, certain(path), limit + self._interval / 2, now, forget=False)
        self._announce()

    def _read(self) -> None:
        """Take in what has come, between rounds."""
        self._drain()
        self._announce()

    def _suspended(self, now: float) -> float:
        """For how many seconds the machine was since the last round began; `now` is `Clock.awake`'s."""
        return self._clock.passed() - now - self._slept

    def _certain(self, late: float, slept: float) -> Callable[[_Path], int]:
        """The round up to which a path's losses are its own: all where nothing was late; else the newest that another
        path has answered, and none after a suspend."""
        slack = _SLACK * self._interval
        if slept >= slack:
            return lambda _: 0
        if late < slack:
            return lambda _: self._rounds
        second, first = sorted((0, 0, *(path.answered for path in self._paths.values())))[-2:]
        return lambda path: second if path.answered == first else first

    def _losses(self, path: _Path) -> int:
        """How many in a row take it down."""
        return path.target.losses or self._multiplier

    def _judge(self, path: _Path, certain: int, limit: float, now: float, *, forget: bool = True) -> None:
        """Count probes as lost that had waited for `limit` seconds at `now`, until when all replies have been read.
        Of those sent after the round `certain` nothing can be said: they are forgotten, or `forget` leaves them to
        the next round."""
        for number, probe in list(path.overdue.items()):
            if now - probe.sent > _OVERDUE:
                del path.overdue[number]
                self._asked.pop(number, None)
        for number, probe in list(path.waiting.items()):
            # Half an interval of tolerance: this round and the sending round were each a little late.
            if probe.round > certain:
                if forget:
                    self._forget(path, number)
            elif now - probe.sent >= limit - self._interval / 2:
                del path.waiting[number]
                path.overdue[number] = probe
                self._learn(path, observe_loss(path.history, multiplier=self._losses(path), now=now))

    def _forget(self, path: _Path, number: int) -> None:
        """Neither an answer to this probe nor that there is none says anything."""
        del path.waiting[number]
        self._asked.pop(number, None)

    def _probe(self, path: _Path) -> None:
        self._number = (self._number + 1) & 0xFFFFFFFF
        target = path.target
        began = self._clock.awake()
        self._asked[self._number] = path
        request = encode_request(target.address.version, Echo(self._token, self._identifier, self._number))
        key = _socket_key(target)
        try:
            send(self._socket(key), request, target.address, target.device)
        except OSError:
            # No device, no route, no key, a full queue: no reply will come, which is what counts.
            if not self._is_bound(key):
                self._close(key)
        path.waiting[self._number] = _Probe(began, self._clock.awake(), self._rounds)

    def _socket(self, key: _SocketKey) -> socket.socket:
        if key not in self._sockets:
            self._sockets[key] = open_socket(*key)
            self._bound[key] = device_index(key[1])
        return self._sockets[key]

    def _is_bound(self, key: _SocketKey) -> bool:
        """Whether its socket is there and bound to the device that has the name now."""
        return key in self._sockets and self._bound[key] == device_index(key[1]) != 0

    def _close(self, key: _SocketKey) -> None:
        """Open anew for the next probe. Others of the same device may be waiting for answers by the same socket."""
        opened = self._sockets.pop(key, None)
        if opened is not None:
            opened.close()
        self._watch.forget(key[:2])

    def _drain(self) -> None:
        """Take the replies that wait on all sockets."""
        began = self._clock.awake()
        for key, opened in self._sockets.items():
            self._drain_one(key[0], opened)
        self._looked = began

    def _drain_one(self, version: int, opened: socket.socket) -> None:
        while True:
            try:
                received = receive(opened)
            except OSError:
                # An error of an earlier packet (ENETDOWN, EHOSTUNREACH): reading it has cleared it.
                return
            if received is None:
                return
            echo = decode_reply(version, received.data)
            if echo is not None and (echo.token, echo.identifier) == (self._token, self._identifier):
                self._count(echo.number, received)

    def _count(self, number: int, received: Received) -> None:
        """Only the wait in the socket, `received.delay`, is by a clock that may have been set meanwhile."""
        path = self._asked.get(number)
        if path is None or path.target.address != received.sender:
            return
        del self._asked[number]
        now = self._clock.awake()
        late = number in path.overdue
        probe = path.overdue.pop(number) if late else path.waiting.pop(number)
        path.answered = max(path.answered, probe.round)
        elapsed, lay = now - probe.began, min(received.delay, now - self._looked)
        rtt = elapsed - lay if lay < elapsed else elapsed
        path.arrivals, held = arrived(path.arrivals, sent=probe.sent, came=now - lay)
        mark = _MARKS.get(received.dscp, Mark.NONE)
        observe = observe_late_reply if late else observe_reply
        if not has_answered(path.history):
            # Its other end is new, or back: it was not there for what was sent before.
            for earlier in [one for one, asked in path.waiting.items() if asked.round < probe.round]:
                self._forget(path, earlier)
        self._learn(path, observe(path.history, rtt, now=now, mark=mark, held=held))

    def _learn(self, path: _Path, history: History) -> None:
        self._news = self._news or _standing(path.history) != _standing(history)
        path.history = history

    def _announce(self) -> None:
        if self._news:
            self._news = False
            self.changed.set()
            if self.on_change is not None:
                self.on_change()


def _standing(history: History) -> Standing:
    return history.state, history.answers, history.mark


def _socket_key(target: Target) -> _SocketKey:
    return target.address.version, target.device, target.source
