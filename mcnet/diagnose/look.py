"""What runs in a throw-away pod on every node: `python3 -m mcnet.diagnose.look ORDER` prints a NodeLook as JSON.

It changes nothing on the node. What an answer means is for the checks.
"""

import asyncio
import os
import platform
import sys
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from mcnet.codec.errors import DecodeError
from mcnet.codec.look import decode_order, encode_look
from mcnet.kernel import features, foreign, nftables, observe
from mcnet.kernel.sysctl import SysctlTree
from mcnet.model.errors import KernelError
from mcnet.model.kernel import HostFacts
from mcnet.model.look import Device, Missing, NodeLook, Order, Tunnel
from mcnet.model.ownership import (
    GATEWAY_NFT_TABLE,
    NODE_NFT_TABLE,
    OVERLAY_DEVICE,
    OVERLAY_PORT,
    VXLAN_CABLE_DEVICES,
    vxlan_cable_port,
)
from mcnet.plan import host_drops, masquerade
from mcnet.probe.ports import taken
from mcnet.probe.watch import Watched, watch

PROC_VARIABLE: Final = "MCNET_PROC_SYS_NET"
PATIENCE: Final = 12.0
"""Seconds a path may go unanswered: pods of other nodes start some seconds earlier or later, and each is to see
what the others send."""

LISTENING: Final = 3.0
"""Seconds of listening even if all paths answer at once: see mcnet.plan.watches.TOGETHER."""

Value = TypeVar("Value")


class Looking:
    """One look: each part may fail for itself."""

    def __init__(self, order: Order, tree: SysctlTree) -> None:
        self._order = order
        self._tree = tree
        self._faults: dict[str, str] = {}

    async def run(self) -> NodeLook:
        began = time.time()
        watched = await self._paths()
        ended = time.time()
        order = self._order
        facts = await self._or("devices", observe.host_facts(sysctls=order.sysctls, tree=self._tree), None)
        chains = await self._or("foreign chains", foreign.read(), ())
        nat = await self._or("translation", foreign.read_nat(masquerade.OURS), ())
        look = NodeLook(
            node=order.node,
            began=began,
            ended=ended,
            release=platform.release(),
            missing=tuple(await self._or("features", self._missing(), ())),
            sysctls=dict(facts.sysctls) if facts else {},
            devices=tuple(
                Device(link.name, link.mtu, link.carrier, tuple(sorted(map(str, link.addresses))))
                for link in sorted(facts.links if facts else (), key=lambda link: link.name)
            ),
            taken_ports=await self._or("ports", taken(self._not_ours(facts), order.tcp_ports), ()),
            tables=await self._or("tables", _tables(), {}),
            tried=watched.tried,
            seen=watched.seen,
            drops=host_drops.drops(order, chains),
            translations=masquerade.translations(nat, order.pods, order.remote),
        )
        return replace(look, faults=dict(self._faults))

    def _not_ours(self, facts: HostFacts | None) -> tuple[int, ...]:
        """The UDP ports that are not held by our own devices: those open their port when they are set up."""
        up = {link.name for link in facts.links if link.carrier} if facts else set()
        held = {OVERLAY_PORT} if OVERLAY_DEVICE in up else set()
        for path in self._order.paths:
            if path.tunnel is Tunnel.CABLE and path.device in up:
                held.add(path.back_port)
        if any(device in up for device in VXLAN_CABLE_DEVICES.values()):
            held.add(vxlan_cable_port(self._order.port_base))
        return tuple(port for port in self._order.udp_ports if port not in held)

    async def _paths(self) -> Watched:
        watched = await watch(self._order.paths, patience=PATIENCE, at_least=LISTENING)
        if watched.fault:
            self._faults["capture"] = watched.fault
        return watched

    async def _missing(self) -> tuple[Missing, ...]:
        return tuple(
            Missing(one.name, one.since, one.required, one.detail)
            for one in await features.check(self._order.drivers)
        )

    async def _or(self, part: str, work: Awaitable[Value], default: Value) -> Value:
        with self._noting(part):
            return await work
        return default

    @contextmanager
    def _noting(self, part: str) -> Iterator[None]:
        try:
            yield
        except KernelError as error:
            self._faults[part] = error.message
        except OSError as error:
            self._faults[part] = error.strerror or str(error)


async def _tables() -> dict[str, str]:
    """Whether our nft tables are there, and as our daemons wrote them."""
    states = {}
    for name in (NODE_NFT_TABLE, GATEWAY_NFT_TABLE):
        found = await nftables.read(name)
        states[name] = "missing" if found is None else "edited" if found.edited else "whole"
    return states


def main() -> int:
    """Prints the look; the exit status is 0 whenever there is one."""
    try:
        order = decode_order(sys.argv[1])
    except (DecodeError, IndexError) as error:
        print(f"usage: look ORDER ({error})", file=sys.stderr)
        return 2
    tree = SysctlTree(Path(os.environ.get(PROC_VARIABLE, "/proc/sys/net")))
    print(encode_look(asyncio.run(Looking(order, tree).run())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
