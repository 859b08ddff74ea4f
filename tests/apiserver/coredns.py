"""A real CoreDNS on loopback, with the Corefile that mcnet makes for it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode

from mcnet.lab.binaries import ensure_binaries
from tests.apiserver.server import WITH_US

ADDRESS = "127.0.0.1"
START_TIMEOUT = 30.0


@asynccontextmanager
async def coredns(corefile: str, port: int, directory: Path, *, before: Sequence[str] = ()) -> AsyncIterator[int]:
    """CoreDNS with this Corefile, once it answers for clusterset.local on `port`; its process id."""
    path = directory / "Corefile"
    path.write_text(corefile)
    binary = (await ensure_binaries(print))["coredns"]
    with (directory / "coredns.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *before, *WITH_US, binary, "-conf", path, "-p", str(port),
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while not await _answers(port):
                assert process.returncode is None, (directory / "coredns.log").read_text()
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(port: int) -> bool:
    query = dns.message.make_query("dns-version.clusterset.local", "TXT")
    try:
        answer = await dns.asyncquery.udp(query, ADDRESS, port=port, timeout=0.3)
    except (dns.exception.Timeout, OSError):
        await asyncio.sleep(0.1)
        return False
    return bool(answer.rcode() == dns.rcode.NOERROR and answer.answer)
