"""Looks a gateway's public addresses up: names, load balancers, what a host on the internet sees.

Every answer stays until there is another one: a resolver that is away for a moment must not take an address back.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final

from mcnet.codec.public_address import is_public
from mcnet.model.kernel import Address
from mcnet.model.public_address import Kind, Source

AGAIN: Final = 60.0
"""Seconds until an address is looked up again."""
SOON: Final = 5.0
"""Likewise while there is a source that has given nothing yet: a cloud takes seconds to minutes to make a load
balancer, and a gateway waits for it."""
PATIENCE: Final = 5.0
"""Seconds that an answer may take."""
MOST_BYTES: Final = 256
"""Of an answer by HTTPS that are read."""

LoadBalancer = Callable[[str], Awaitable[list[str]]]
"""Addresses and host names that the load balancer of a Service has."""


class PublicAddresses:
    """The newest answers of a changing list of sources."""

    def __init__(self, load_balancer: LoadBalancer) -> None:
        self.on_change: Callable[[], object] = lambda: None
        """Called when an answer or a problem is another one than before."""
        self._load_balancer = load_balancer
        self._sources: tuple[Source, ...] = ()
        self._answers: dict[Source, tuple[Address, ...]] = {}
        self._problems: dict[Source, str] = {}
        self._changed = asyncio.Event()

    def ask(self, sources: tuple[Source, ...]) -> None:
        """Look up these from now on, at once if they are others than before."""
        if sources != self._sources:
            self._sources = sources
            self._changed.set()

    @property
    def found(self) -> list[tuple[Address, ...]]:
        """What each source gave last, in their order; () where it has given nothing yet."""
        return [self._answers.get(source, ()) for source in self._sources]

    @property
    def problems(self) -> tuple[str, ...]:
        """Which sources don't answer, as sentences."""
        return tuple(self._problems[source] for source in self._sources if source in self._problems)

    async def run(self) -> None:
        """Look up until cancelled."""
        while True:
            self._changed.clear()
            before = (self.found, self.problems)
            for source in self._sources:
                await self._look_up(source)
            if (self.found, self.problems) != before:
                self.on_change()
            try:
                async with asyncio.timeout(AGAIN if all(self.found) else SOON):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _look_up(self, source: Source) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._ask(source)
        except (OSError, ValueError, TimeoutError) as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else str(error)
            self._problems[source] = f"public address {source}: {why}"
            return
        usable = tuple(address for address in found if is_public(address))
        if not usable:
            self._problems[source] = f"public address {source}: there is none"
            return
        self._problems.pop(source, None)
        self._answers[source] = usable

    async def _ask(self, source: Source) -> list[Address]:
        match source.kind:
            case Kind.ADDRESS:
                return [ip_address(source.value)]
            case Kind.DNS:
                return await _resolved(source.value)
            case Kind.LOAD_BALANCER:
                return [one for name in await self._load_balancer(source.value) for one in await _resolved(name)]
            case Kind.API:
                return [ip_address((await _fetched(f"https://{source.value}")).strip())]


async def _resolved(name: str) -> list[Address]:
    """A name's addresses, or the address itself, sorted: servers rotate their answers. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    addresses = {ip_address(str(entry[4][0])) for entry in found}
    return sorted(addresses, key=lambda address: (address.version, str(address)))


async def _fetched(url: str) -> str:
    """What a web server answers. Raises OSError."""
    from aiohttp import ClientError, ClientSession

    try:
        async with ClientSession(trust_env=True) as session, session.get(url) as answer:
            if answer.status != 200:
                raise OSError(f"{url} answered {answer.status} {answer.reason}")
            return (await answer.content.read(MOST_BYTES)).decode(errors="replace")
    except ClientError as error:
        raise OSError(f"{url}: {error}") from error
