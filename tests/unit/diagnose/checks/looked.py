"""Looks and orders as the tests of checks that judge them need them."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from mcnet.diagnose.site import Looks
from mcnet.model.look import Device, NodeLook, Order, Path, Seen, Tried, Tunnel

N1, N2 = ip_address("192.0.2.1"), ip_address("192.0.2.2")
WHOLE = {"mcnet": "whole", "mcnet_gateway": "whole"}
DEVICES = (Device("mcnet-cv", 1450, True), Device("mcnet-vx", 1450, True))


def look(node: str, **more: Any) -> NodeLook:
    """A look at a node where all is well."""
    return NodeLook(node, 0.0, 10.0, release="6.1.0", tables=WHOLE, devices=DEVICES, **more)


def looks(*answers: NodeLook, orders: tuple[Order, ...] = (), failures: dict[str, str] | None = None) -> Looks:
    failures = failures or {}
    made = {name: Order(name) for name in (*(one.node for one in answers), *failures)}
    made |= {order.node: order for order in orders}
    return Looks(made, {one.node: one for one in answers}, failures)


def pair(tunnel: Tunnel, near: str, far: str, port: int) -> tuple[Path, Path]:
    """The path between 192.0.2.1 and 192.0.2.2 as both ends have it; ends are named as paths name them."""
    device = "mcnet-vx" if tunnel is Tunnel.OVERLAY else "mcnet-cv"
    inside = ip_address("244.0.0.1"), ip_address("244.0.0.2")
    there = Path(tunnel, far, device, inside[1], inside[0], N1, N2, port)
    back = replace(there, peer=near, target=inside[0], source=inside[1], outer_source=N2, outer_target=N1)
    return there, back


def tried(path: Path, *, answered: bool, largest: int | None = 1450, mtu: int = 1450) -> Tried:
    sent, got = (3, 3) if answered else (40, 0)
    return Tried(path.tunnel, path.peer, sent, got, mtu, largest if answered else None)


def sees(path: Path, *, outgoing: bool, requests: int = 0, replies: int = 0, fragment: int = 0) -> Seen:
    ends = path.outer_source, path.outer_target
    return Seen(outgoing, *ends, path.port, requests + replies, requests, replies, fragment)
