"""A cluster whose API server's clock is off: a proxy before the real one shifts the Date header of its answers.

Namespaces share the machine's clock, so no clock can be set there.
"""

import asyncio
import base64
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from mcnet.lab.certificates import Authority
from tests.e2e.clusterset import Clusterset
from tests.e2e.faults.fault import Fault

SHIFT: Final = timedelta(minutes=-10)
_DATE: Final = re.compile(rb"(?<=\r\nDate: )[^\r]{29}(?=\r\n)")
"""The header as Go writes it (RFC 9110, 5.6.7): always 29 characters, so lengths stay."""


def shifted(answer: bytes) -> bytes:
    """The bytes of an answer with its Date moved."""

    def move(found: re.Match[bytes]) -> bytes:
        moved = parsedate_to_datetime(found[0].decode()) + SHIFT
        return format_datetime(moved, usegmt=True).encode()

    return _DATE.sub(move, answer)


class Proxy:
    """Ends the client's TLS with a certificate of its own, speaks to the API server as the kubeconfig's user."""

    def __init__(self, entry: dict[str, Any], user: dict[str, Any], directory: Path) -> None:
        self._authority = Authority("proxy")
        self._host, self._port = _place(entry["server"])
        self._upstream = ssl.create_default_context(cadata=_decoded(entry["certificate-authority-data"]).decode())
        self._upstream.check_hostname = False
        self._upstream.verify_flags &= ~ssl.VERIFY_X509_STRICT
        (directory / "user.crt").write_bytes(_decoded(user["client-certificate-data"]))
        (directory / "user.key").write_bytes(_decoded(user["client-key-data"]))
        self._upstream.load_cert_chain(directory / "user.crt", directory / "user.key")
        self._authority.server("proxy", ["localhost"]).write(directory, "proxy")
        self._own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._own.load_cert_chain(directory / "proxy.crt", directory / "proxy.key")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[dict[str, str]]:
        """The kubeconfig's entry that leads here."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._own)
        port = server.sockets[0].getsockname()[1]
        authority = base64.b64encode(self._authority.certificate).decode()
        try:
            yield {"server": f"https://localhost:{port}", "certificate-authority-data": authority}
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, requests = await asyncio.open_connection(self._host, self._port, ssl=self._upstream)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass(reader, requests), _pass(answers, writer, shift=True), return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, shift: bool = False) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(shifted(data) if shift else data)
            await writer.drain()
    finally:
        writer.close()


def _place(server: str) -> tuple[str, int]:
    parts = urlsplit(server)
    return parts.hostname or "", parts.port or 443


def _decoded(text: str) -> bytes:
    return base64.b64decode(text)


@asynccontextmanager
async def slow_clock(clusterset: Clusterset) -> AsyncIterator[None]:
    """West's context leads through the proxy while it lasts."""
    path = clusterset.lab.kubeconfig
    before = path.read_text()
    content = yaml.safe_load(before)
    entry = next(one for one in content["clusters"] if one["name"] == "west")
    user = next(one for one in content["users"] if one["name"] == "west")
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        entry["cluster"] |= await stack.enter_async_context(
            Proxy(entry["cluster"], user["user"], directory).serving()
        )
        stack.callback(path.write_text, before)
        path.write_text(yaml.safe_dump(content))
        yield


FAULTS: Final = (
    Fault(
        check="clock",
        title="The clock of an API server is ten minutes late",
        cluster="west",
        about="^API server of west$",
        said="its clock is (59\\d|60\\d) s behind this machine's",
        remedy="timedatectl set-ntp true",
        make=slow_clock,
        mends=False,
    ),
)
