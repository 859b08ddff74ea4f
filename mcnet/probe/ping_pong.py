"""The far end of a latency measurement: sends every byte back. `python3 -m mcnet.probe.ping_pong` in a pod.

It takes a free TCP port of all addresses, says which in one line (mcnet.codec.latency_samples), and serves until it
is ended. ICMP is answered by the kernel beside it.
"""

import asyncio
import socket
import sys
from ipaddress import ip_address
from typing import Final, cast

from mcnet.codec.latency_samples import Listening, encode_listening
from mcnet.model.kernel import Address

ELSEWHERE: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses for documentation (RFC 5737, RFC 3849): asked of the routing table, never sent to."""


class PingPong(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


def listen() -> socket.socket:
    """A listening socket on a free port of all addresses of both families, as far as there are both."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("0.0.0.0", 0))


def own_addresses() -> tuple[Address, ...]:
    """The sources that the routing table gives to packets for other networks; at most one per family."""
    found = []
    for family, elsewhere in ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asked:
                asked.connect((elsewhere, 9))
                found.append(ip_address(asked.getsockname()[0].partition("%")[0]))
        except OSError:
            continue  # no route of that family
    return tuple(found)


async def main() -> None:
    """Serve until ended."""
    listener = listen()
    server = await asyncio.get_running_loop().create_server(PingPong, sock=listener)
    print(encode_listening(Listening(listener.getsockname()[1], own_addresses())), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
