"""The near end of a latency measurement: `python3 -m mcnet.probe.latency ORDER` in a pod prints samples.

Two of it run on a node at once: one in a pod's network, which follows, one in the node's, which leads. The leader
finds out by which address the other node answers and tells the follower when to begin; from then on both send at
fixed times, in turns, whether or not earlier answers have come. So both ways see the same seconds, and a slow
answer does not hide the ones behind it. What the samples mean is mcnet.plan.latency's.
"""

import asyncio
import gc
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol, cast

from mcnet.codec.icmp import TOKEN_BYTES, Echo, decode_reply, encode_request
from mcnet.codec.latency_samples import (
    Listening,
    Order,
    Start,
    Target,
    decode_order,
    decode_start,
    encode_listening,
    encode_series,
    encode_start,
)
from mcnet.model.kernel import Address
from mcnet.model.latency import Series, Way
from mcnet.probe.ping_pong import listen
from mcnet.probe.sockets import open_socket, receive, send

LEAD: Final = 3.0
"""Seconds from the word to start until the first sample: time to connect and to warm up."""
CONNECT_TIMEOUT: Final = 2.0
TRY_TIMEOUT: Final = 1.0
"""Seconds that an address has to answer."""
PATIENCE: Final = 1.0
"""Seconds after the last sample in which answers still count; what has not come by then is lost."""
WARM_UP: Final = 20
"""Samples before the first that counts: neighbours are resolved, connections tracked."""
MESSAGE: Final = 64
"""Bytes of a TCP message; the first eight are its number."""
FOLLOWER_TIMEOUT: Final = 10.0


class Sampler(Protocol):
    """One protocol to one address."""

    trips: dict[int, float]
    """Microseconds by number of the sample."""

    def send(self, number: int) -> None: ...

    def close(self) -> None: ...


class IcmpSampler:
    """Echo requests, with the kernel's own time of arrival. Raises OSError without CAP_NET_RAW."""

    def __init__(self, address: Address) -> None:
        self.trips: dict[int, float] = {}
        self._address = address
        self._sent: dict[int, float] = {}
        self._token = secrets.token_bytes(TOKEN_BYTES)
        self._identifier = secrets.randbelow(1 << 16)
        self._socket = open_socket(address.version, "", None)
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def send(self, number: int) -> None:
        request = encode_request(self._address.version, Echo(self._token, self._identifier, number))
        self._sent[number] = time.monotonic()
        with suppress(OSError):  # refused at once: no answer will come, which is what counts
            send(self._socket, request, self._address, "")

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        while True:
            try:
                received = receive(self._socket)
            except OSError:
                return  # an error of an earlier packet: reading it has cleared it
            if received is None:
                return
            now = time.monotonic()
            echo = decode_reply(self._address.version, received.data)
            if echo is None or (echo.token, echo.identifier) != (self._token, self._identifier):
                continue
            sent = self._sent.pop(echo.number, None)
            if sent is not None:
                elapsed = now - sent
                self.trips[echo.number] = (elapsed - min(received.delay, elapsed / 2)) * 1e6


class TcpSampler(asyncio.Protocol):
    """Messages over one established connection, sent back by the ping-pong server."""

    def __init__(self) -> None:
        self.trips: dict[int, float] = {}
        self._sent: dict[int, float] = {}
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, number: int) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._sent[number] = time.monotonic()
        self._transport.write(number.to_bytes(8, "big").ljust(MESSAGE, b"m"))

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._rest += data
        while len(self._rest) >= MESSAGE:
            number = int.from_bytes(self._rest[:8], "big")
            self._rest = self._rest[MESSAGE:]
            sent = self._sent.pop(number, None)
            if sent is not None:
                self.trips[number] = (now - sent) * 1e6

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def lead(order: Order) -> tuple[Series, ...]:
    """Find the other node's addresses, tell the follower, measure."""
    assert order.follower is not None
    targets = [await answering(target) for target in order.targets]
    start = time.monotonic() + LEAD
    await _tell(order.follower, Start(start, order.follower_targets))
    return await measure(order, targets, start)


async def follow(order: Order) -> tuple[Series, ...]:
    """Say where the leader finds this process, wait for its word, measure."""
    word: asyncio.Future[Start] = asyncio.get_running_loop().create_future()

    async def heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            start = decode_start((await reader.readline()).decode())
            if not word.done():
                word.set_result(start)
        except (ValueError, OSError):
            pass  # somebody else who looks at open ports
        finally:
            writer.close()

    listener = listen()
    server = await asyncio.start_server(heard, sock=listener)
    print(encode_listening(Listening(listener.getsockname()[1])), flush=True)
    start = await word
    server.close()
    return await measure(order, start.targets, start.at)


async def answering(target: Target) -> Target:
    """The target with the one address that answers, by TCP or else by ICMP; the first if none does."""
    by_tcp = await asyncio.gather(*(_accepts(address, target.port) for address in target.addresses))
    found = [address for address, yes in zip(target.addresses, by_tcp, strict=True) if yes]
    if not found:
        by_icmp = await asyncio.gather(*(_echoes(address) for address in target.addresses))
        found = [address for address, yes in zip(target.addresses, by_icmp, strict=True) if yes]
    return Target(target.family, tuple(found or target.addresses)[:1], target.port)


async def measure(order: Order, targets: Sequence[Target], start: float) -> tuple[Series, ...]:
    """All protocols and families of one way, from `start` on (the node's monotonic clock)."""
    samplers: dict[tuple[str, int], Sampler] = {}
    for target in targets:
        if target.addresses:
            samplers["icmp", target.family] = IcmpSampler(target.addresses[0])
            samplers["tcp", target.family] = await _connected(target)
    times: dict[tuple[str, int], list[float]] = {key: [] for key in samplers}
    count = round(order.duration / order.interval)
    gc.disable()
    for number in range(-WARM_UP, count):
        for place, (key, sampler) in enumerate(samplers.items()):
            # Every sample of either way has its own part of the interval.
            share = (2 * place + (order.way is Way.NODES)) / (2 * len(samplers))
            due = start + (number + share) * order.interval
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if number >= 0:
                times[key].append(time.monotonic() - start)
            sampler.send(number + WARM_UP)
    await asyncio.sleep(PATIENCE)
    for sampler in samplers.values():
        sampler.close()
    return tuple(
        Series(
            protocol, family, order.way, tuple(times[protocol, family]),
            tuple(sampler.trips.get(number + WARM_UP) for number in range(count)),
        )
        for (protocol, family), sampler in samplers.items()
    )  # fmt: skip


async def _connected(target: Target) -> TcpSampler:
    """Connected if the server answers; else every sample is lost."""
    sampler = TcpSampler()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await asyncio.get_running_loop().create_connection(lambda: sampler, str(target.addresses[0]), target.port)
    except OSError:
        pass
    return sampler


async def _accepts(address: Address, port: int) -> bool:
    try:
        async with asyncio.timeout(TRY_TIMEOUT):
            _, writer = await asyncio.open_connection(str(address), port)
    except OSError:
        return False
    writer.transport.abort()
    return True


async def _echoes(address: Address) -> bool:
    sampler = IcmpSampler(address)
    sampler.send(0)
    await asyncio.sleep(TRY_TIMEOUT)
    sampler.close()
    return 0 in sampler.trips


async def _tell(follower: Target, start: Start) -> None:
    """Raises OSError if the pod beside is not reached."""
    async with asyncio.timeout(FOLLOWER_TIMEOUT):
        _, writer = await asyncio.open_connection(str(follower.addresses[0]), follower.port)
        writer.write((encode_start(start) + "\n").encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


def main(arguments: Sequence[str]) -> int:
    """Prints the series; status 1 and one sentence if the measurement could not be made."""
    order = decode_order(arguments[0])
    try:
        series = asyncio.run(lead(order) if order.follower else follow(order))
    except OSError as error:
        near = f" ({order.follower.addresses[0]})" if order.follower else ""
        print(f"the pod beside{near} or a raw socket can't be used: {error.strerror or type(error).__name__}")
        return 1
    for line in encode_series(series):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
