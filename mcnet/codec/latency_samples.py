"""What the sampling pods are told and what they print: JSON, one object per line.

A container's log is cut into lines of 16 KiB by some runtimes, so a series travels in pieces.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from mcnet.codec.errors import DecodeError
from mcnet.codec.fields import finite
from mcnet.model.kernel import Address
from mcnet.model.latency import Series, Way

_FAULTS: Final = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What JSON of another shape, or with numbers beyond all measure, gives."""
PIECE: Final = 200
"""Samples per line."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send to: the first of `addresses`, all of one family, that answers; `port` is the server's."""

    family: int
    addresses: tuple[Address, ...]
    port: int


@dataclass(frozen=True, slots=True)
class Start:
    """What the leading sampler tells the following one: the start on the node's monotonic clock, and the targets."""

    at: float
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Listening:
    """What a pod says when it is ready: its port, and the addresses from which it would reach other networks."""

    port: int
    addresses: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The argument of a sampler. With `follower` it leads: it tells that one when to start and `follower_targets`."""

    way: Way
    duration: float
    interval: float
    targets: tuple[Target, ...] = ()
    follower: Target | None = None
    follower_targets: tuple[Target, ...] = ()


def encode_order(order: Order) -> str:
    return json.dumps(
        {
            "way": order.way.value,
            "duration": order.duration,
            "interval": order.interval,
            "targets": _targets(order.targets),
            "follower": _targets([order.follower] if order.follower else []),
            "followerTargets": _targets(order.follower_targets),
        }
    )


def decode_order(text: str) -> Order:
    """Raises DecodeError, as all of these."""
    with _Understood("an order"):
        value = json.loads(text)
        follower = _read_targets(value["follower"])
        return Order(
            way=Way(value["way"]),
            duration=finite(value["duration"]),
            interval=finite(value["interval"]),
            targets=_read_targets(value["targets"]),
            follower=follower[0] if follower else None,
            follower_targets=_read_targets(value["followerTargets"]),
        )


def encode_start(start: Start) -> str:
    return json.dumps({"at": start.at, "targets": _targets(start.targets)})


def decode_start(text: str) -> Start:
    with _Understood("a start"):
        value = json.loads(text)
        return Start(finite(value["at"]), _read_targets(value["targets"]))


def encode_listening(listening: Listening) -> str:
    return json.dumps({"port": listening.port, "addresses": [str(one) for one in listening.addresses]})


def decode_listening(line: str) -> Listening:
    with _Understood("a listening line"):
        value = json.loads(line)
        return Listening(_port(value["port"]), tuple(ip_address(one) for one in value["addresses"]))


def encode_series(series: Iterable[Series]) -> Iterator[str]:
    """The lines."""
    for one in series:
        for first in range(0, len(one.at), PIECE):
            piece = slice(first, first + PIECE)
            yield json.dumps(
                {
                    "protocol": one.protocol,
                    "family": one.family,
                    "way": one.way.value,
                    "at": [round(at, 4) for at in one.at[piece]],
                    "trips": [None if trip is None else round(trip, 1) for trip in one.trips[piece]],
                },
                separators=(",", ":"),
            )


def decode_series(text: str) -> tuple[Series, ...]:
    """The series in the order in which they begin; lines that are no JSON object with a protocol are passed over."""
    pieces: dict[tuple[str, int, Way], tuple[list[float], list[float | None]]] = {}
    with _Understood("a series"):
        for line in text.splitlines():
            if not line.startswith("{") or "protocol" not in (value := json.loads(line)):
                continue
            key = str(value["protocol"]), int(value["family"]), Way(value["way"])
            ats, trips = pieces.setdefault(key, ([], []))
            if len(value["at"]) != len(value["trips"]):
                raise ValueError("its times and round trips don't match")
            ats += [finite(at) for at in value["at"]]
            trips += [None if trip is None else max(0.1, finite(trip)) for trip in value["trips"]]
        return tuple(
            Series(protocol, family, way, tuple(at), tuple(trips))
            for (protocol, family, way), (at, trips) in pieces.items()
        )


def _targets(targets: Iterable[Target]) -> list[dict[str, Any]]:
    return [
        {"family": one.family, "addresses": [str(address) for address in one.addresses], "port": one.port}
        for one in targets
    ]


def _read_targets(values: list[dict[str, Any]]) -> tuple[Target, ...]:
    return tuple(
        Target(int(one["family"]), tuple(ip_address(each) for each in one["addresses"]), _port(one["port"]))
        for one in values
    )


def _port(value: Any) -> int:
    port = int(value)
    if not 0 < port < 1 << 16:
        raise ValueError(f"{port} is no port")
    return port


class _Understood:
    """Turns what goes wrong in reading `what` into DecodeError."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _FAULTS) and not isinstance(error, DecodeError):
            raise DecodeError(f"{self._what} is not understood: {type(error).__name__}: {error}") from error
