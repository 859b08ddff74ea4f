"""Carries requests to one API server: URL, credential, time limits, and translation of every failure.

Bodies are plain JSON. Where the server is and by what credential says mcnet.kube.access; what requests mean belongs
to `api`.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from mcnet.kube.access import Access
from mcnet.kube.errors import api_error, unreachable
from mcnet.kube.proxy import proxy_for
from mcnet.model.errors import UnreachableError

if TYPE_CHECKING:
    import aiohttp

CONNECT_TIMEOUT = 5.0
"""Seconds to connect, TLS included."""
REQUEST_TIMEOUT = 10.0
"""Seconds for a whole request that isn't a watch."""
CLOSING = 0.05
"""Seconds for closed connections to be gone."""
STREAM_START_TIMEOUT = 15.0
"""Seconds until a watch has begun: API servers send its header at once."""
READ_BUFFER = 1 << 21
"""Bytes: an event of a watch may be as large as an object, about 1.5 MiB."""
KEEPALIVE = ((socket.TCP_KEEPIDLE, 15), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
"""A connection whose other end is gone without a word is noticed after 30 s, long before a watch's own limit."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `attempt` says it in words for error messages; `body` is sent as JSON."""

    method: str
    path: str
    attempt: str
    query: Mapping[str, str] | None = None
    body: object = None
    content_type: str = "application/json"
    timeout: float = REQUEST_TIMEOUT

    @property
    def target(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


class Transport(Protocol):
    """What `Api` needs; the tests have one that keeps its objects in memory."""

    server: str
    ca: bytes
    context: str

    async def send(self, request: Request) -> bytes:
        """The body of a successful answer; raises ApiError or UnreachableError."""

    async def date(self, request: Request) -> str:
        """The Date header of a successful answer (RFC 9110, 6.6.1), "" without one; raises as `send` does."""

    def stream(self, request: Request) -> AsyncIterator[bytes]:
        """The lines of an answer as they come, until the server ends it; raises as `send` does."""

    async def close(self) -> None: ...


class HttpTransport:
    """The real one, over HTTP."""

    def __init__(self, access: Access, *, context: str = "") -> None:
        self._access = access
        self._proxy = access.proxy or proxy_for(access.host, os.environ) or None
        self._session: aiohttp.ClientSession | None = None
        self.server: str = access.host
        self.ca = access.ca
        self.context = context

    @property
    def _name(self) -> str:
        return f"{self.server} (context {self.context})" if self.context else self.server

    async def send(self, request: Request) -> bytes:
        from aiohttp import ClientTimeout

        limits = ClientTimeout(total=request.timeout, connect=min(CONNECT_TIMEOUT, request.timeout))
        async with self._answer(request, limits) as response:
            return await response.read()

    async def date(self, request: Request) -> str:
        from aiohttp import ClientTimeout

        limits = ClientTimeout(total=request.timeout, connect=min(CONNECT_TIMEOUT, request.timeout))
        async with self._answer(request, limits) as response:
            return response.headers.get("Date", "")

    async def stream(self, request: Request) -> AsyncIterator[bytes]:
        from aiohttp import ClientTimeout

        limits = ClientTimeout(total=None, connect=CONNECT_TIMEOUT, sock_read=request.timeout)
        async with self._answer(request, limits, start=STREAM_START_TIMEOUT) as response:
            _keep_alive(response)
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line:
                        yield line
            if rest:  # without its end: the reader finds out what it is
                yield rest

    @asynccontextmanager
    async def _answer(
        self, request: Request, limits: "aiohttp.ClientTimeout", *, start: float | None = None
    ) -> AsyncIterator["aiohttp.ClientResponse"]:
        from aiohttp import ClientError

        try:
            async with asyncio.timeout(start):
                response = await self._opened().request(
                    request.method,
                    self.server + request.target,
                    headers=await self._headers(request),
                    data=None if request.body is None else json.dumps(request.body),
                    timeout=limits,
                    proxy=self._proxy,
                    server_hostname=self._access.server_name or None,
                )
            async with response:
                if response.status >= 400:
                    body = await response.read()
                    raise api_error(response.status, body, attempt=request.attempt, server=self._name)
                yield response
        except (ClientError, OSError, TimeoutError) as error:
            raise unreachable(error, attempt=request.attempt, server=self._name) from error

    async def _headers(self, request: Request) -> dict[str, str]:
        headers = {"Accept": "application/json", "Content-Type": request.content_type, "User-Agent": "mcnet"}
        return headers | dict(await self._access.credential())

    def _opened(self) -> "aiohttp.ClientSession":
        """Made at the first request: a session belongs to the event loop that runs."""
        if self._session is None:
            from aiohttp import ClientSession, TCPConnector

            # limit 0: watches hold their connections, and nothing may wait for them.
            connector = TCPConnector(limit=0, ssl=self._access.tls)
            self._session = ClientSession(connector=connector, trust_env=False, read_bufsize=READ_BUFFER)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        # TLS connections end in later turns of the event loop, which may be about to end itself (aiohttp's
        # documentation, "Graceful shutdown").
        await asyncio.sleep(CLOSING)


def _keep_alive(response: "aiohttp.ClientResponse") -> None:
    connection = response.connection.transport if response.connection else None
    sock = connection.get_extra_info("socket") if connection else None
    if sock is None:  # answered to the end already
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, seconds)


def as_json(body: bytes, *, attempt: str, server: str) -> dict[str, Any]:
    """A JSON object; {} for an empty answer. Raises UnreachableError for what no API server says: a proxy's login
    page, or half an answer."""
    try:
        value = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        said = body[:60].decode(errors="replace").strip()
        raise UnreachableError(
            f"{attempt} at {server}: the answer is none of an API server's: {said!r}",
            f"something answers in its place, or a proxy on the way: curl -k {server}/version",
        )
    return value
