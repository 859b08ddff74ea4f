"""The small HTTP server of every daemon: /healthz, /readyz, /metrics. Nothing else is ever served.

Liveness fails only when a restart would help, readiness until everything has been seen once: both are
functions that return why not, "" if all is well.
"""

import asyncio
from collections.abc import Callable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from mcnet.model.ownership import SERVER_NAME

REQUEST_TIMEOUT = 5.0
"""Seconds for a client to send its request and take the answer."""

TEXT = "text/plain; charset=utf-8"


class HealthServer:
    """Serves on `host` (all addresses of both families by default), TCP `port` (0: a free one, then in `port`)."""

    def __init__(
        self,
        *,
        port: int,
        registry: CollectorRegistry,
        live: Callable[[], str],
        ready: Callable[[], str],
        host: str | None = None,
    ) -> None:
        self.port = port
        self._host = host
        self._registry = registry
        self._live = live
        self._ready = ready
        self.started = asyncio.Event()

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError if the port is taken."""
        server = await asyncio.start_server(self._serve, self._host, self.port)
        self.port = server.sockets[0].getsockname()[1]
        self.started.set()
        try:
            await server.serve_forever()
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                words = (await reader.readline()).split()
                while (await reader.readline()).strip():
                    pass
                status, kind, body = self._answer(words)
                head = f"HTTP/1.1 {status}\r\nServer: {SERVER_NAME}\r\nContent-Type: {kind}\r\n"
                head += f"Content-Length: {len(body)}\r\n"
                writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
                await writer.drain()
        except (TimeoutError, OSError, ValueError):
            pass  # the client's trouble: too slow, gone, or a line without end
        finally:
            writer.close()

    def _answer(self, words: list[bytes]) -> tuple[str, str, bytes]:
        if len(words) < 2 or words[0] != b"GET":
            return "405 Method Not Allowed", TEXT, b"only GET\n"
        match words[1].split(b"?")[0]:
            case b"/healthz":
                return _verdict(self._live())
            case b"/readyz":
                return _verdict(self._ready())
            case b"/metrics":
                return "200 OK", CONTENT_TYPE_LATEST, generate_latest(self._registry)
            case _:
                return "404 Not Found", TEXT, b"only /healthz, /readyz, /metrics\n"


def _verdict(why_not: str) -> tuple[str, str, bytes]:
    if why_not:
        return "503 Service Unavailable", TEXT, f"{why_not}\n".encode()
    return "200 OK", TEXT, b"ok\n"
