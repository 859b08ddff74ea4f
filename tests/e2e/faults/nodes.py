"""What somebody else does to nodes: rules that drop or translate, sysctls, held ports, networks that lose packets."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

from mcnet.kube.kinds import POD
from mcnet.model.diagnosis import Verdict
from tests.e2e.clusterset import Clusterset, eventually, is_ready
from tests.e2e.faults.daemons import kubectl
from tests.e2e.faults.fault import Fault, command

TABLE: Final = "inet hardening"
"""The table of the program that spoils things."""


async def run(clusterset: Clusterset, place: str, text: str) -> str:
    """Run a shell command at a place of the lab; asserts that it works."""
    done = await clusterset.node(place, "bash", "-c", text)
    assert done.status == 0, f"{text} at {place}: {done.output}{done.errors}"
    return done.output


@asynccontextmanager
async def rule(clusterset: Clusterset, *, place: str, chain: str, text: str) -> AsyncIterator[None]:
    """A foreign table with one base chain and one rule at a place of the lab."""
    await run(clusterset, place, f"nft 'table {TABLE} {{ chain guard {{ type {chain}; {text}; }}; }}'")
    try:
        yield
    finally:
        await clusterset.node(place, "nft", "delete", "table", *TABLE.split())


def ruled(place: str, chain: str, text: str) -> Callable[[Clusterset], AbstractAsyncContextManager[None]]:
    return partial(rule, place=place, chain=chain, text=text)


@asynccontextmanager
async def bridge_drop(clusterset: Clusterset) -> AsyncIterator[None]:
    """East's own network loses UDP 4800 from n1 to n2; it is a bridge in a namespace of its own."""
    text = "udp dport 4800 drop"
    table = f"table bridge hardening {{ chain guard {{ type filter hook forward priority 0; {text}; }}; }}"
    await run(clusterset, "east/net", f"nft '{table}'")
    try:
        yield
    finally:
        await clusterset.node("east/net", "nft", "delete", "table", "bridge", "hardening")


@asynccontextmanager
async def small_wan(clusterset: Clusterset) -> AsyncIterator[None]:
    """The wan's route to east's gateway has an MTU of 1400: its router splits what is larger. The link itself stays
    as it is, since a veth pair with two MTUs loses large packets."""
    route = (await run(clusterset, "wan", "ip -4 route show dev east-n1 | head -n 1")).strip()
    await run(clusterset, "wan", f"ip route change {route} dev east-n1 mtu lock 1400")
    try:
        yield
    finally:
        await run(clusterset, "wan", f"ip route change {route} dev east-n1")


@asynccontextmanager
async def sysctl(clusterset: Clusterset, *, place: str, key: str, value: str) -> AsyncIterator[None]:
    """A sysctl of a node changed while no route agent puts it back: its DaemonSet is gone."""
    before = (await run(clusterset, place, f"sysctl -n {key}")).strip()
    async with without_route_agent(clusterset):
        await run(clusterset, place, f"sysctl -w {key}={value}")
        try:
            yield
        finally:
            await run(clusterset, place, f"sysctl -w {key}={before}")


@asynccontextmanager
async def without_route_agent(clusterset: Clusterset) -> AsyncIterator[None]:
    """East without its route agents, whoever has deleted them. The exit puts them back if nobody has."""
    await kubectl(clusterset, "east", "delete daemonset mcnet-route-agent --wait")
    async with await clusterset.api("east") as api:
        labels = "app.kubernetes.io/component=route-agent"

        async def gone() -> bool:
            return not await api.list(POD, "mcnet-system", labels=labels)

        await eventually(gone, 120, "the route agents are gone")
        yield
        status, output, errors = await command(clusterset, "mcnet join broker-info.mcnet --context east")
        assert status == 0, output + errors

        async def back() -> bool:
            pods = await api.list(POD, "mcnet-system", labels=labels)
            return len(pods) == 2 and all(map(is_ready, pods))

        await eventually(back, 120, "the route agents are back")


@asynccontextmanager
async def table_edited(clusterset: Clusterset) -> AsyncIterator[None]:
    async with without_route_agent(clusterset):
        await run(clusterset, "east/n2", "nft add rule inet mcnet filter_forward counter")
        yield


@asynccontextmanager
async def table_deleted(clusterset: Clusterset) -> AsyncIterator[None]:
    async with without_route_agent(clusterset):
        await run(clusterset, "east/n2", "nft delete table inet mcnet")
        yield


HOLDER: Final = """
import socket, time
held = socket.socket(socket.AF_INET6)
held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
while True:
    try:
        held.bind(("::", 4582))
        held.listen()
        break
    except OSError:
        time.sleep(0.05)
time.sleep(900)
"""


@asynccontextmanager
async def port_held(clusterset: Clusterset) -> AsyncIterator[None]:
    """A program takes the route agent's port in the moment in which its pod is replaced."""
    await run(clusterset, "east/n2", f"setsid python3 -c '{HOLDER}' > /dev/null 2>&1 & echo $! > /tmp/holder.pid")
    await kubectl(clusterset, "east", "delete pod -l app.kubernetes.io/component=route-agent --wait=false")
    try:
        yield
    finally:
        await clusterset.node("east/n2", "bash", "-c", "kill $(cat /tmp/holder.pid); rm /tmp/holder.pid")


INPUT: Final = "filter hook input priority 0"
OUTPUT: Final = "filter hook output priority 0"
FORWARD: Final = "filter hook forward priority 0"
SHOW_PORTS: Final = "^mcnet show ports --context east$"

FAULTS: Final = (
    Fault(
        check="host-ports",
        title="Another program holds the route agent's port",
        cluster="east",
        about="node east-n2",
        said="another program holds TCP 4582",
        remedy="^kill ",
        make=port_held,
        patience=180.0,
    ),
    Fault(
        check="foreign-chains",
        title="A firewall on a node drops the overlay's packets on their way in",
        cluster="east",
        about="node east-n2, chain inet hardening guard",
        said="drops packets of mcnet .overlay.: its rule with handle",
        remedy="^nft insert rule inet hardening guard .*udp dport 4800 accept$",
        make=ruled("east/n2", INPUT, "udp dport 4800 drop"),
    ),
    Fault(
        check="foreign-chains",
        title="A firewall on a gateway drops its cables' packets on their way out",
        cluster="east",
        about="node east-n1, chain inet hardening guard",
        said="drops packets of mcnet .vxlan-cable-4520-out.",
        remedy="^nft insert rule inet hardening guard .*udp dport 4520 accept$",
        make=ruled("east/n1", OUTPUT, "udp dport 4520 drop"),
    ),
    Fault(
        check="sysctls",
        title="A node does not forward IPv4 packets, and no route agent runs",
        cluster="east",
        about="node east-n2",
        said="net.ipv4.ip_forward is 0, not 1",
        remedy="^sysctl -w net.ipv4.ip_forward=1$",
        make=partial(sysctl, place="east/n2", key="net.ipv4.ip_forward", value="0"),
        patience=180.0,
    ),
    Fault(
        check="sysctls",
        title="The overlay's reverse-path filter is strict, and no route agent runs",
        cluster="east",
        about="node east-n2",
        said="net.ipv4.conf.mcnet-vx.rp_filter is 1, not 2",
        remedy="^sysctl -w net.ipv4.conf.mcnet-vx.rp_filter=2$",
        make=partial(sysctl, place="east/n2", key="net.ipv4.conf.mcnet-vx.rp_filter", value="1"),
        patience=180.0,
    ),
    Fault(
        check="tables",
        title="Our nft table was changed by hand, and no route agent runs",
        cluster="east",
        about="node east-n2",
        said="the nft table inet mcnet was changed by hand, and no route-agent runs there",
        remedy="^mcnet join broker-info.mcnet --context east$",
        make=table_edited,
        patience=180.0,
    ),
    Fault(
        check="tables",
        title="Our nft table was deleted, and no route agent runs",
        cluster="east",
        about="node east-n2",
        said="the nft table inet mcnet is missing, and no route-agent runs there",
        remedy="^mcnet join broker-info.mcnet --context east$",
        make=table_deleted,
        patience=180.0,
    ),
    Fault(
        check="masquerade",
        title="A chain gives pods the node's address before mcnet keeps theirs",
        cluster="east",
        about="node east-n2, chain inet hardening guard",
        said="gives pods of .* another source on their way to",
        remedy="^nft insert rule inet hardening guard ip daddr .* accept$",
        make=ruled("east/n2", "nat hook postrouting priority 50", 'oifname "mcnet-vx" masquerade'),
    ),
    Fault(
        check="overlay-port",
        title="A node does not send the overlay's packets: its own firewall drops them",
        cluster="east",
        about="^east-n2 → east-n1$",
        said="east-n2: not sent: none of .* echoes to UDP 4800",
        remedy="^nft insert rule inet hardening guard .*udp dport 4800 accept$",
        make=ruled("east/n2", OUTPUT, "udp dport 4800 drop"),
    ),
    Fault(
        check="overlay-port",
        title="A node drops the overlay's packets on their arrival",
        cluster="east",
        about="^east-n1 → east-n2$",
        said="east-n2: dropped on arrival: .* echo requests from",
        remedy="^nft insert rule inet hardening guard .*udp dport 4800 accept$",
        make=ruled("east/n2", INPUT, "udp dport 4800 drop"),
    ),
    Fault(
        check="overlay-port",
        title="The network between the nodes loses UDP 4800",
        cluster="east",
        about="^east-n. → east-n.$",
        said="lost on the way: .* packets to UDP 4800 from .* left its interfaces, and none arrived",
        remedy=SHOW_PORTS,
        make=bridge_drop,
        mends=False,
    ),
    Fault(
        check="cable-port",
        title="A gateway does not send its cables' packets: its own firewall drops them",
        cluster="east",
        about=r"^east\.east-n1 → west\.west-n.$",
        said=r"east\.east-n1: not sent: none of .* echoes to UDP 4520",
        remedy="^nft insert rule inet hardening guard .*udp dport 4520 accept$",
        make=ruled("east/n1", OUTPUT, "udp dport 4520 drop"),
    ),
    Fault(
        check="cable-port",
        title="A gateway drops its cables' packets on their arrival",
        cluster="east",
        about=r"^west\.west-n. → east\.east-n1$",
        said=r"east\.east-n1: dropped on arrival: .* echo requests from",
        remedy="^nft insert rule inet hardening guard .*udp dport 4520 accept$",
        make=ruled("east/n1", INPUT, "udp dport 4520 drop"),
    ),
    Fault(
        check="cable-port",
        title="The network between the clusters loses UDP 4520",
        cluster="east",
        about=r"^(east\.east-n1 → west\.west-n.|west\.west-n. → east\.east-n1)$",
        said="lost on the way: .* packets to UDP 4520 from .* left its interfaces, and none arrived",
        remedy=SHOW_PORTS,
        make=ruled("wan", FORWARD, "udp dport 4520 drop"),
        mends=False,
    ),
    Fault(
        check="mtu",
        title="The network between the clusters splits large packets",
        cluster="east",
        about=r"east\.east-n1 ↔ west\.west-n.",
        said="large packets come in fragments: mcnet-cv promises",
        verdict=Verdict.WARNING,
        remedy="^mcnet config set underlay-mtu 1396 --context east$",
        make=small_wan,
        mends=False,
    ),
    Fault(
        check="mtu",
        title="The network between the clusters loses large packets without a word",
        cluster="east",
        about=r"east\.east-n1 ↔ west\.west-n.",
        said="packets of more than .* bytes vanish, mcnet-cv promises",
        remedy="^mcnet config set underlay-mtu 13[0-9]{2} --context east$",
        make=ruled("wan", FORWARD, "meta length > 1400 udp dport 4520 drop"),
        mends=False,
    ),
)
