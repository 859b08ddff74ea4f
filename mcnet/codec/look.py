"""Orders to the pods that look at nodes, and their answers, as JSON text: one line each way.

An order is an argument of a process, and no argument may be longer than 128 KiB (execve(2)): it is compressed, since
a gateway of a large cluster has hundreds of paths.
"""

import base64
import json
import zlib
from dataclasses import asdict
from ipaddress import ip_address, ip_network
from typing import Any

from mcnet.codec.errors import DecodeError
from mcnet.model.look import Device, Drop, Missing, NodeLook, Order, Path, Seen, Translation, Tried, Tunnel

NAME = "look"
"""What a DecodeError calls the object."""


def encode_order(order: Order) -> str:
    """The order as one line."""
    return base64.b64encode(zlib.compress(json.dumps(asdict(order), default=str).encode(), 9)).decode()


def decode_order(text: str) -> Order:
    """The order; raises DecodeError."""
    try:
        data: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(text, validate=True)))
        paths = tuple(
            Path(
                tunnel=Tunnel(path["tunnel"]),
                peer=path["peer"],
                device=path["device"],
                port=path["port"],
                back_port=path["back_port"],
                **{key: ip_address(path[key]) for key in ("target", "source", "outer_source", "outer_target")},
            )
            for path in data["paths"]
        )
        prefixes = {key: tuple(ip_network(one) for one in data[key]) for key in ("pods", "remote")}
        lists = {key: tuple(value) for key, value in data.items() if isinstance(value, list)}
        return Order(**data | lists | prefixes | {"paths": paths})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, zlib.error) as error:
        raise DecodeError(NAME, "order", f"is not usable: {error!r}") from error


def encode_look(look: NodeLook) -> str:
    """The answer as one line."""
    return json.dumps(asdict(look), default=str)


def decode_look(text: str) -> NodeLook:
    """The answer, which is the last line of a pod's output; raises DecodeError."""
    try:
        data: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
        made: dict[str, Any] = data | {
            "missing": tuple(Missing(**one) for one in data["missing"]),
            "devices": tuple(Device(**one | {"addresses": tuple(one["addresses"])}) for one in data["devices"]),
            "taken_ports": tuple(data["taken_ports"]),
            "tried": tuple(Tried(**one | {"tunnel": Tunnel(one["tunnel"])}) for one in data["tried"]),
            "seen": tuple(_seen(one) for one in data["seen"]),
            "drops": tuple(Drop(**one | {"packets": tuple(one["packets"])}) for one in data["drops"]),
            "translations": tuple(Translation(**one) for one in data["translations"]),
        }
        return NodeLook(**made)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise DecodeError(NAME, "answer", f"is not usable: {error!r}") from error


def _seen(one: dict[str, Any]) -> Seen:
    return Seen(**one | {"source": ip_address(one["source"]), "target": ip_address(one["target"])})
