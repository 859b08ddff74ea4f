"""What a daemon and the process that probes for it tell each other: one line of JSON each, over two pipes.

Both ends are of one version, since the daemon starts the process. All the same a line that is not understood is
refused: then the process is started anew.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from ipaddress import ip_address
from typing import Any

from mcnet.codec.errors import DecodeError
from mcnet.model.probe import Mark, PathHealth, Target

LONGEST_LINE = 64 << 20
"""Bytes: thousands of paths."""
_FIELDS = len(fields(PathHealth))


@dataclass(frozen=True, slots=True)
class Order:
    """From the daemon: all that is to be probed from now on, and how. Orders are numbered from 1 on; `known` is what
    an earlier process has said of the targets, by key."""

    number: int
    interval: float
    multiplier: int
    targets: frozenset[Target]
    known: Mapping[str, PathHealth] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class News:
    """From the process: the health of some paths or all, by key, under the order of that number."""

    number: int
    paths: Mapping[str, PathHealth]


def encode_order(order: Order) -> bytes:
    """The line for it."""
    targets = [_target(target) for target in sorted(order.targets, key=lambda target: target.key)]
    body = {
        "order": order.number, "interval": order.interval, "multiplier": order.multiplier,
        "targets": targets, "known": _paths(order.known),
    }  # fmt: skip
    return _line(body)


def decode_order(line: bytes) -> Order:
    """The order in `line`. Raises DecodeError."""
    try:
        body = json.loads(line)
        return Order(
            number=int(body["order"]),
            interval=float(body["interval"]),
            multiplier=int(body["multiplier"]),
            targets=frozenset(_decode_target(found) for found in body["targets"]),
            known=_health(body["known"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DecodeError(f"order to the prober not understood: {error}") from error


def encode_news(news: News) -> bytes:
    """The line for it."""
    return _line({"news": news.number, "paths": _paths(news.paths)})


def decode_news(line: bytes) -> News:
    """The news in `line`. Raises DecodeError."""
    try:
        body = json.loads(line)
        return News(int(body["news"]), _health(body["paths"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DecodeError(f"news of the prober not understood: {error}") from error


def _target(target: Target) -> list[Any]:
    source = str(target.source) if target.source else None
    return [target.key, str(target.address), target.device, source, target.losses, target.formerly]


def _decode_target(found: Sequence[Any]) -> Target:
    key, address, device, source, losses, formerly = found
    return Target(
        key=str(key),
        address=ip_address(address),
        device=str(device),
        source=ip_address(source) if source else None,
        losses=int(losses),
        formerly=str(formerly),
    )


def _line(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def _paths(paths: Mapping[str, PathHealth]) -> dict[str, list[Any]]:
    return {key: list(astuple(path)) for key, path in paths.items()}


def _health(found: Mapping[str, list[Any]]) -> dict[str, PathHealth]:
    paths = {}
    for key, values in found.items():
        state, *numbers, mark = values
        if len(values) != _FIELDS or state not in ("up", "down", "unknown") or type(mark) is not int:
            raise ValueError(f"no health of a path: {values!r:.80}")
        if not all(number is None or type(number) in (int, float) for number in numbers):
            raise ValueError(f"no health of a path: {values!r:.80}")
        paths[key] = PathHealth(*[*values[:-1], Mark(mark)])
    return paths
