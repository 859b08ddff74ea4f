"""A small server for demo, tests and measurements: it says who it sees. `python3 -m mcnet.probe.echo`.

HTTP `GET /`: `{"server": host name, "client": address}` in one line; `GET /bytes/N`: N bytes. UDP on the same
port: the datagram comes back. Nothing of it is for production.
"""

import asyncio
import json
import socket
import sys
from typing import cast

PORT = 8080
REQUEST_TIMEOUT = 10.0
LARGEST = 64 * 1024 * 1024
CHUNK = b"m" * 65536


async def serve_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request and close."""
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT):
            path = (await reader.readline()).split()[1].decode()
            while (await reader.readline()).strip():
                pass
        client = writer.get_extra_info("peername")[0].removeprefix("::ffff:")
        if path.startswith("/bytes/"):
            await _send_bytes(writer, min(max(int(path.removeprefix("/bytes/")), 0), LARGEST))
        else:
            body = json.dumps({"server": socket.gethostname(), "client": client}).encode() + b"\n"
            writer.write(_head(len(body)) + body)
        await writer.drain()
    except (TimeoutError, OSError, ValueError, IndexError):
        pass  # not a request of ours, or the client went away
    finally:
        writer.close()


async def _send_bytes(writer: asyncio.StreamWriter, count: int) -> None:
    writer.write(_head(count))
    while count:
        part = CHUNK[: min(count, len(CHUNK))]
        writer.write(part)
        await writer.drain()
        count -= len(part)


def _head(length: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n".encode()


class UdpEcho(asyncio.DatagramProtocol):
    """Sends each datagram back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(data, addr)


async def main(port: int = PORT) -> None:
    """Serve until ended."""
    loop = asyncio.get_running_loop()
    any_address = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"
    listener = socket.create_server(
        (any_address, port),
        family=socket.AF_INET6 if any_address == "::" else socket.AF_INET,
        dualstack_ipv6=any_address == "::",
    )
    server = await asyncio.start_server(serve_http, sock=listener)
    datagrams = socket.socket(listener.family, socket.SOCK_DGRAM)
    if any_address == "::":
        datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    datagrams.bind((any_address, port))
    await loop.create_datagram_endpoint(UdpEcho, sock=datagrams)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else PORT))
