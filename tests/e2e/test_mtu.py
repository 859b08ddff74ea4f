"""A way between gateways that carries 1400 bytes and swallows what is larger: 8,000 bytes pass all the same."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mcnet.lab.spec import IpFamily, LabSpec
from mcnet.lab.workload import url_of
from mcnet.model.gateway import CableState
from tests.e2e.clusterset import Clusterset, brought_up, eventually

pytestmark = pytest.mark.timeout(420)

UDP = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as peer:
    if sys.argv[2] == "serve":
        peer.bind((sys.argv[1], 7777))
        print("ready", flush=True)
        while True:
            data, sender = peer.recvfrom(9000)
            peer.sendto(data, sender)
    peer.settimeout(1)
    peer.connect((sys.argv[1], 7777))
    for _ in range(8):
        try:
            peer.send(b"x" * 8000)
            if len(peer.recv(9000)) == 8000:
                sys.exit(0)
        except OSError:
            continue
sys.exit(1)
"""


SWALLOWING = """table inet narrow {
  chain forward {
    type filter hook forward priority filter
    meta l4proto udp meta length > 1400 drop
    ip frag-off & 0x1fff != 0 drop
  }
}
"""
"""No word of what is too large, and no fragments either, as some firewalls do it."""


@pytest.mark.parametrize("driver", ["vxlan", "wireguard"])
async def test_eight_thousand_bytes_pass_a_way_of_1400(tmp_path: Path, driver: str) -> None:
    spec = LabSpec(name=f"{driver[0]}{os.getpid()}", nodes=2, ip_family=IpFamily.DUAL)
    async with brought_up(spec, tmp_path) as made:
        await made.mcnet("deploy-broker", "--context", "east", "--cable-driver", driver)
        for cluster in made.clusters:
            await made.mcnet("join", "broker-info.mcnet", "--context", cluster, "--broker-context", "east")
        assert (await made.lab.exec("wan", "nft", "-f", "-", stdin=SWALLOWING)).status == 0
        await made.delete_daemons("gateway")  # else the next measurement may be ten minutes away
        await eventually(lambda: _narrow(made), 90, "both gateways have found out what passes")
        for source, target in (("west-n2", "east-n2"), ("east-n2", "west-n2")):
            for address in made.pod(target).addresses:
                async with _served(made, target, str(address)):
                    await eventually(lambda: _asked(made, source, str(address)), 30, f"UDP to {address}")  # noqa: B023
                url = f"{url_of(str(address), 8080)}/bytes/8000"
                seen = await made.loads[source.partition("-")[0]].fetch(made.pod(source), url)
                assert seen.server == made.pod(target).name


async def _narrow(made: Clusterset) -> bool:
    cables = await made.cables()
    return len(cables) == 2 and all(cable.state is CableState.CONNECTED and 0 < cable.mtu < 1404 for cable in cables)


@asynccontextmanager
async def _served(made: Clusterset, node: str, address: str) -> AsyncIterator[None]:
    command = made.loads[node.partition("-")[0]].command(made.pod(node), "python3", "-c", UDP, address, "serve")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.terminate()
        await process.wait()


async def _asked(made: Clusterset, node: str, address: str) -> bool:
    command = made.loads[node.partition("-")[0]].command(made.pod(node), "python3", "-c", UDP, address, "ask")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    return await process.wait() == 0
