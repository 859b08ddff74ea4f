"""What preflight runs in throw-away pods of the joining cluster; prints JSON {"problems": [...], "notes": [...]}.

`python3 -m mcnet.install.preflight_probe node UDP-PORTS TCP-PORTS PORT-BASE` in a node's network looks at kernel,
nft, sysctls, whether the ports are free and whether other programs' chains let mcnet's packets through (not with an
empty PORT-BASE); `… broker URL CA` in the pod network tries to reach the broker's API server (CA: base64 of PEM, ""
for the system's certificates).
"""

import asyncio
import base64
import errno
import json
import os
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from mcnet.kernel import foreign
from mcnet.kernel.features import check
from mcnet.kernel.observe import host_facts
from mcnet.model.errors import KernelError
from mcnet.model.ownership import (
    ADVERT_PORT,
    CABLE_DEVICE_PREFIX,
    GATEWAY_METRICS_PORT,
    NAT_DISCOVERY_PORT,
    OVERLAY_DEVICE,
    OVERLAY_PORT,
)
from mcnet.plan import host_firewall
from mcnet.plan.driver import DRIVERS
from mcnet.probe.ports import is_ours

PROC_VARIABLE: Final = "MCNET_PROC_SYS_NET"
SYSCTL: Final = "ipv4/conf/all/rp_filter"
"""One that every kernel has; it is only asked whether it could be written."""
CONNECT_TIMEOUT: Final = 10.0


async def look_at_node(
    udp_ports: Sequence[int], tcp_ports: Sequence[int], port_base: int | None = None, driver: str = DRIVERS[0]
) -> tuple[list[str], list[str]]:
    """Problems that stop a join, and notes about what works less well."""
    problems: list[str] = []
    notes: list[str] = []
    try:
        for missing in await check():
            text = f"the kernel lacks {missing.name} (Linux {missing.since}): {missing.detail}"
            (problems if missing.required else notes).append(text)
    except KernelError as error:
        problems.append(f"the kernel can't be tried: {error.message}")
    problems += await ports_problems([port for port in udp_ports if port != NAT_DISCOVERY_PORT], tcp_ports)
    if NAT_DISCOVERY_PORT in udp_ports:
        notes += await nat_discovery_notes()
    sysctl = Path(os.environ.get(PROC_VARIABLE, "/proc/sys/net")) / SYSCTL
    if not os.access(sysctl, os.W_OK):
        problems.append(f"{sysctl} can't be written from a pod")
    if port_base is not None:
        notes += await host_firewalls(port_base, driver)
    return problems, notes


async def host_firewalls(port_base: int, driver: str) -> list[str]:
    """What other programs' chains on this node would drop of mcnet, taken for a gateway."""
    facts = await host_facts()
    families = (4, 6) if facts.ipv6 else (4,)
    underlay = {6 if facts.default_device4 is None and facts.default_device6 else 4}
    wanted = host_firewall.passages(
        families=families, underlay=underlay, gateway=True, port_base=port_base, drivers=(driver,)
    )
    try:
        notes = list(host_firewall.warnings(await foreign.read(), wanted))
    except KernelError as error:
        return [f"other programs' nft chains can't be read: {error.message}"]
    if tables := foreign.legacy_tables():
        notes.append(
            f"legacy iptables has the tables {', '.join(tables)}, whose rules can't be seen here: check with "
            "`iptables-legacy-save` that they don't drop what `mcnet show ports` lists"
        )
    return notes


async def ports_problems(udp_ports: Sequence[int], tcp_ports: Sequence[int]) -> list[str]:
    """Why ports can't be used; those that mcnet itself holds (an earlier join's devices and daemons) are fine."""
    devices = [name for _, name in socket.if_nameindex()]
    problems = []
    for port in udp_ports:
        why = port_problem(socket.SOCK_DGRAM, port)
        if why and not _is_own_tunnel(port, devices):
            problems.append(why)
    for port in tcp_ports:
        why = port_problem(socket.SOCK_STREAM, port)
        if why and not await is_ours(port):
            problems.append(why)
    return problems


async def nat_discovery_notes() -> list[str]:
    """Why gateways here could not find out about NAT between them; cables work without. An earlier join's gateway
    holds the port itself."""
    why = port_problem(socket.SOCK_DGRAM, NAT_DISCOVERY_PORT)
    if not why or await is_ours(GATEWAY_METRICS_PORT):
        return []
    return [f"{why}, so gateways can't find out by which of their addresses they reach each other through NAT"]


def _is_own_tunnel(port: int, devices: Sequence[str]) -> bool:
    """Whether the UDP port is one that our devices, or the route agent beside them, hold."""
    if port in (OVERLAY_PORT, ADVERT_PORT):
        return OVERLAY_DEVICE in devices
    return any(name.startswith(CABLE_DEVICE_PREFIX) for name in devices)


def port_problem(kind: int, port: int) -> str:
    """Why `port` can't be used, "" if it can. VXLAN takes its port for all addresses: so does the trial."""
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    with socket.socket(family, kind) as trial:
        if family == socket.AF_INET6:
            trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if kind == socket.SOCK_STREAM:
            # A closed connection in TIME_WAIT (of a daemon that has just left) does not take the port.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("", port))
        except OSError as error:
            name = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
            why = "is in use on the node" if error.errno == errno.EADDRINUSE else f"can't be used: {error.strerror}"
            return f"{name} port {port} {why}"
    return ""


async def reach_broker(url: str, ca: bytes) -> list[str]:
    """Why the API server at `url` can't be reached from here; empty if it can. Its answer does not matter: a
    TLS connection that its certificate vouches for is enough."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    context = ssl.create_default_context(cadata=ca.decode() if ca else None)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ssl.SSLError as error:
        return [f"the server at {host}:{port} does not have the broker's certificate: {error.reason}"]
    except TimeoutError:
        return [f"no connection to {host}:{port} within {CONNECT_TIMEOUT:g} s"]
    except OSError as error:
        return [f"no connection to {host}:{port}: {error.strerror or error}"]
    writer.transport.abort()
    return []


def main(arguments: Sequence[str]) -> int:
    """Runs one of the two looks; the exit status is 0 whenever there is a result."""
    match arguments:
        case ["node", udp, tcp, base, driver]:
            problems, notes = asyncio.run(look_at_node(_ports(udp), _ports(tcp), int(base) if base else None, driver))
        case ["broker", url, ca]:
            problems, notes = asyncio.run(reach_broker(url, base64.b64decode(ca))), []
        case _:
            print("usage: preflight_probe node UDP-PORTS TCP-PORTS PORT-BASE DRIVER | broker URL CA", file=sys.stderr)
            return 2
    print(json.dumps({"problems": problems, "notes": notes}))
    return 0


def _ports(text: str) -> list[int]:
    return [int(port) for port in text.split(",") if port]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
