"""What passes the wan links of a lab's nodes, and what of it should not."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.e2e.clusterset import Clusterset


@asynccontextmanager
async def sniffed(clusterset: Clusterset, *places: str) -> AsyncIterator[list[str]]:
    """What passes the wan links of nodes meanwhile, one line of tcpdump each."""
    found: list[str] = []
    command = [
        "tcpdump",
        "-l",
        "-n",
        "-i",
        "wan0",
        "-s",
        "200",
        "-X",
        "not",
        "arp",
        "and",
        "not",
        "tcp",
        "port",
        "6443",
    ]
    running = [
        await asyncio.create_subprocess_exec(
            *clusterset.lab.entry(place), *command,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )
        for place in places
    ]  # fmt: skip

    async def read(stream: asyncio.StreamReader) -> None:
        async for line in stream:
            found.append(line.decode(errors="replace"))

    readers = [asyncio.create_task(read(process.stdout)) for process in running if process.stdout]
    try:
        yield found
    finally:
        for process in running:
            os.killpg(process.pid, signal.SIGTERM)  # what leads there has forked
            await process.wait()
        await asyncio.gather(*readers)


def strange(lines: list[str], clusterset: Clusterset) -> list[str]:
    """Headers of packets that are neither a cable's nor NAT discovery, and any that names a pod."""
    heads = [line for line in lines if re.match(r"\d\d:\d\d:", line)]
    # A port that is closed for a moment is said so, with the head of the encrypted packet.
    known = re.compile(
        r"\.(449\d|45[01]\d)[: ]|UDP-encap|isakmp|ESP|NONESP|ICMP (net|host) \S+ unreachable"
        r"|udp port (449|45[01])\d unreachable|ICMP6, (neighbor|router)|multicast listener"
    )
    pods = [str(address) for load in clusterset.loads.values() for pod in load.pods for address in pod.addresses]
    strange = [line for line in heads if any(pod in line for pod in pods) or not known.search(line)]
    return sorted({re.sub(r"^\S+ |, length \d+|\.\d{4,5}\b", "", line) for line in strange})
