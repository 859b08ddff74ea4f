"""`mcnet show` against what really is: the nodes' kernels, the objects, a change of state while it watches."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

import mcnet
from mcnet.codec import member as member_codec
from mcnet.kube.kinds import MEMBER
from mcnet.lab.impair import Impairment, LinkName
from mcnet.model.gateway import CableState
from mcnet.model.member import MEMBER_NAME, SYSTEM_NAMESPACE
from mcnet.show.views import VIEWS
from tests.e2e.clusterset import CLUSTERS, Clusterset, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATIENT = ("--timeout", "60")
"""The machine may be slow, which is not what these tests are about."""
NODES = ("east/n1", "east/n2", "west/n1", "west/n2")
FIREWALL = """
table inet test_show {
  chain input {
    type filter hook input priority -150; policy accept;
    iifname { "eth0", "wan0" } ct state established,related accept
    iifname { "eth0", "wan0" } udp dport != { UDP } drop
    iifname { "eth0", "wan0" } tcp dport 4000-4999 drop
  }
}
"""
"""UDP that comes from outside of a node is dropped, but to the ports that are listed as required."""


async def shown(clusterset: Clusterset, *argv: str) -> Any:
    return json.loads(await clusterset.mcnet("show", *argv, "-o", "json", *PATIENT))


async def connected(clusterset: Clusterset) -> bool:
    cables = await clusterset.cables()
    return len(cables) == 4 and all(cable.state is CableState.CONNECTED for cable in cables)


async def well(clusterset: Clusterset) -> None:
    """Returns once nothing is wrong any more, by the command's own word."""

    async def fine() -> bool:
        await clusterset.mcnet("show", "all", *PATIENT)
        return True

    await eventually(fine, 120, "mcnet show all finds nothing wrong")


async def test_every_view_says_what_is(clusterset: Clusterset) -> None:
    await well(clusterset)
    every = await shown(clusterset, "all")
    assert list(every) == [view.name for view in VIEWS]
    assert {(row["cluster"], row["gateway"], row["remoteGateway"]) for row in every["connections"]} == {
        ("east", "east-n1", "west-n1"), ("east", "east-n1", "west-n2"),
        ("west", "west-n1", "east-n1"), ("west", "west-n2", "east-n1"),
    }  # fmt: skip
    for cluster in CLUSTERS:
        listed = [row["gateway"] for row in every["gateways"] if row["cluster"] == cluster]
        assert sorted(listed) == sorted(await clusterset.gateways(cluster))
        async with await clusterset.api(cluster) as api:
            member = member_codec.decode(await api.get(MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE))
            kubernetes = await api.version()
        (row,) = [row for row in every["members"] if row["cluster"] == cluster]
        assert row["state"] == "alive"
        assert row["podPrefixes"] == [str(prefix) for prefix in member.pod_prefixes]
        assert row["servicePrefixes"] == [str(prefix) for prefix in member.service_prefixes]
        own = {row["prefix"] for row in every["networks"] if row["cluster"] == cluster == row["networkOf"]}
        assert own == {str(prefix) for prefix in member.pod_prefixes + member.service_prefixes}
        for component in ("discovery", "gateway", "route-agent"):
            (row,) = [row for row in every["versions"] if (row["cluster"], row["component"]) == (cluster, component)]
            assert (row["kubernetes"], list(row["images"])) == (kubernetes, [clusterset.image])
            assert list(row["versions"]) == [mcnet.__version__]
    states = {row["state"] for row in every["networks"]}
    assert states == {"advertised", "routed"}
    (broker,) = every["brokers"]
    assert (broker["context"], broker["members"], broker["policy"]) == ("east", ["east", "west"], True)


@pytest.mark.parametrize("name", [view.name for view in VIEWS])
async def test_every_view_as_a_table(clusterset: Clusterset, name: str) -> None:
    await well(clusterset)
    rows = await shown(clusterset, name)
    table = await clusterset.mcnet("show", name, "-o", "wide", *PATIENT)
    assert len(table.splitlines()) == len(rows) + 1


async def test_ports_are_those_that_the_kernels_listen_on(clusterset: Clusterset) -> None:
    rows = await shown(clusterset, "ports")
    addresses = {node: await _addresses(clusterset, node) for node in NODES}
    listening = {node: await _listening(clusterset, node) for node in NODES}
    wanted: dict[str, set[tuple[str, str]]] = {node: set() for node in NODES}
    for row in rows:
        if row["name"] != "broker":
            for address in row["toAddresses"]:
                (node,) = [node for node, own in addresses.items() if address in own]
                wanted[node].add((row["protocol"], row["ports"]))
    for node in NODES:
        assert wanted[node] <= listening[node]
        # Adverts come by the overlay only: nothing to open for them.
        ours = {one for one in listening[node] if 4400 <= int(one[1]) < 4900} - {("udp", "4801")}
        assert ours == wanted[node]


async def test_nothing_else_has_to_be_open(clusterset: Clusterset) -> None:
    rows = await shown(clusterset, "ports")
    udp = {row["ports"] for row in rows if row["required"] and row["protocol"] == "udp"}
    rules = FIREWALL.replace("UDP", ", ".join(sorted(udp)))
    await eventually(lambda: connected(clusterset), 60, "all is connected")
    try:
        for node in NODES:
            await clusterset.node(node, "bash", "-c", f"nft -f - <<'END'\n{rules}\nEND")
        # Cables are made anew by daemons that are: nothing lives from a connection of before.
        await clusterset.delete_daemons("gateway", "route-agent")
        await eventually(lambda: connected(clusterset), 60, "all is connected behind the firewall")
        source, target = clusterset.pod("west-n2"), clusterset.pod("east-n2")

        async def reached() -> bool:
            ping = ("ping", "-c", "1", "-W", "1", target.address)
            return (await clusterset.loads["west"].run(source, *ping)).status == 0

        await eventually(reached, 30, "a pod reaches a pod on other nodes than the gateways'")
    finally:
        for node in NODES:
            await clusterset.node(node, "nft", "destroy", "table", "inet", "test_show")
    await well(clusterset)


async def test_what_a_member_asks_for_is_shown_with_the_command_that_approves_it(clusterset: Clusterset) -> None:
    async with await clusterset.api("west") as api:
        before = await api.get(MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE)
        prefixes = before["spec"]["podPrefixes"]
        try:
            more = {"spec": {"podPrefixes": [*prefixes, "10.99.0.0/24"]}}
            await api.merge_patch(MEMBER, MEMBER_NAME, more, SYSTEM_NAMESPACE)

            async def asked() -> bool:
                said = await clusterset.mcnet("show", "members", *PATIENT, status=1)
                return "west: it asks for 10.99.0.0/24" in said and "mcnet member approve west" in said

            await eventually(asked, 60, "the request is shown")
        finally:
            await api.merge_patch(MEMBER, MEMBER_NAME, {"spec": {"podPrefixes": prefixes}}, SYSTEM_NAMESPACE)
    await well(clusterset)


async def test_watch_shows_a_second_picture_when_the_state_changes(clusterset: Clusterset) -> None:
    await eventually(lambda: connected(clusterset), 60, "all is connected")
    async with watching(clusterset, "connections", "-o", "json") as (process, pictures):
        assert process.stdout is not None
        first = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        assert {row["state"] for row in first["items"]} == {"connected"}

        async def later() -> bool:
            return datetime.now(UTC) > datetime.fromisoformat(first["time"]) + timedelta(seconds=1)

        await eventually(later, 5, "another second has begun, since times are in seconds")
        try:
            await clusterset.lab.impair("east-n1", LinkName.WAN, Impairment(cut=True))
            while True:
                second = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
                if {row["state"] for row in second["items"]} == {"error"}:
                    break
            assert second["time"] > first["time"]
            assert all(row["why"] and row["next"] for row in second["items"])
        finally:
            await clusterset.lab.impair("east-n1", LinkName.WAN, Impairment())
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 30) == 130
        assert pictures.read() == ""
    await well(clusterset)


async def test_the_topology_in_every_form(clusterset: Clusterset) -> None:
    await eventually(lambda: connected(clusterset), 60, "all is connected")
    drawn = await shown(clusterset, "topology")
    ends = {tuple((end["cluster"], end["gateway"]) for end in link["ends"]) for link in drawn["links"]}
    assert ends == {(("east", "east-n1"), ("west", "west-n1")), (("east", "east-n1"), ("west", "west-n2"))}
    svg = ElementTree.fromstring(await clusterset.mcnet("show", "topology", "-o", "svg", *PATIENT))
    assert len(svg.findall("{http://www.w3.org/2000/svg}line")) == 2
    assert (await clusterset.mcnet("show", "topology", "-o", "dot", *PATIENT)).count(" -- ") == 2
    assert (await clusterset.mcnet("show", "topology", "-o", "mermaid", *PATIENT)).count("linkStyle") == 2
    tree = await clusterset.mcnet("show", "topology", *PATIENT)
    assert tree.startswith("clusterset: 2 clusters, 2 of 2 cables up")


@asynccontextmanager
async def watching(clusterset: Clusterset, *argv: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Any]]:
    """`mcnet show ARGV --watch` while the block runs, and what it says on stderr."""
    environment = os.environ | {"KUBECONFIG": str(clusterset.lab.kubeconfig)}
    path = clusterset.directory / "watch.err"
    with path.open("w+") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mcnet.cli", "show", *argv, "--watch", "--interval", "0.5", *PATIENT,
            env=environment, stdout=asyncio.subprocess.PIPE, stderr=errors,
        )  # fmt: skip
        try:
            with path.open() as said:
                yield process, said
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _addresses(clusterset: Clusterset, node: str) -> set[str]:
    links = json.loads((await clusterset.node(node, "ip", "-j", "addr")).output)
    return {address["local"] for link in links for address in link["addr_info"]}


async def _listening(clusterset: Clusterset, node: str) -> set[tuple[str, str]]:
    """Protocol and port of every socket that takes packets for the node."""
    found = set()
    for protocol, flag in (("udp", "-Hlun"), ("tcp", "-Hltn")):
        for line in (await clusterset.node(node, "ss", flag)).output.splitlines():
            found.add((protocol, line.split()[3].rpartition(":")[2]))
    return found
