"""Finds the members to diagnose: every context of the kubeconfig, or the named one, all opened at the same time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mcnet.codec import member as member_codec
from mcnet.codec.errors import DecodeError
from mcnet.diagnose.site import BrokerContext, Site
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.connect import contexts
from mcnet.model.errors import McnetError, UnreachableError
from mcnet.model.member import BROKER_NAMESPACE, MEMBER_NAME, SYSTEM_NAMESPACE
from mcnet.show.gather import Unread, open_context

TIMEOUT = 5.0
"""Seconds that asking one context whether it is a member may take."""


@dataclass(frozen=True, slots=True)
class Absent:
    """A context that is no member; `broker` if it is a broker."""

    context: str
    broker: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of the contexts."""

    sites: list[Site]
    unread: list[Unread]
    absent: list[Absent]


@asynccontextmanager
async def opened_sites(context: str | None, kubeconfig: Path | None) -> AsyncIterator[Opened]:
    """As `open_sites`, by what became of them; the Sites are closed at the end."""
    found = await open_sites(context, kubeconfig)
    opened = Opened(
        [one for one in found if isinstance(one, Site)],
        [one for one in found if isinstance(one, Unread)],
        [one for one in found if isinstance(one, Absent)],
    )
    try:
        yield opened
    finally:
        for site in opened.sites:
            await site.close()


async def open_sites(context: str | None, kubeconfig: Path | None) -> list[Site | Absent | Unread]:
    """A Site per member, in the contexts' order; contexts of the same API server count once."""
    apis = await _connect([context] if context else contexts(kubeconfig), kubeconfig)
    found = await asyncio.gather(*(_open(name, api) for name, api in apis))
    sites = [one for one in found if isinstance(one, Site)]
    brokers = {one.context for one in found if isinstance(one, Absent) and one.broker}
    for site in sites:
        site.others = tuple(other for other in sites if other is not site)
        site.brokers = tuple(
            BrokerContext(name, api.server, api.ca)
            for name, api in apis
            if name in brokers and not isinstance(api, McnetError)
        )
    return list(found)


async def _connect(names: list[str], kubeconfig: Path | None) -> list[tuple[str, Api | McnetError]]:
    """The Api of each context, or why there is none; one for all contexts of an API server."""
    opened = await asyncio.gather(*(open_context(name, kubeconfig, TIMEOUT) for name in names))
    found: dict[str, tuple[str, Api | McnetError]] = {}
    for name, api in zip(names, opened, strict=True):
        key = name if isinstance(api, McnetError) else api.server
        if key not in found:
            found[key] = (name, api)
        elif not isinstance(api, McnetError):
            await api.close()
    return list(found.values())


async def _open(context: str, api: Api | McnetError) -> Site | Absent | Unread:
    if isinstance(api, McnetError):
        return Unread(context, api)
    outcome: Site | Absent | Unread
    try:
        async with asyncio.timeout(TIMEOUT):
            outcome = await _site(context, api)
    except TimeoutError:
        outcome = Unread(context, UnreachableError(f"{api.server} did not answer within {TIMEOUT:g} s"))
    except DecodeError as error:
        outcome = Unread(context, McnetError(f"its Member object is damaged: {error}", "mcnet join again"))
    except McnetError as error:
        outcome = Unread(context, error)
    if not isinstance(outcome, Site):
        await api.close()
    return outcome


async def _site(context: str, api: Api) -> Site | Absent:
    member = await api.find(kinds.MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE)
    if member is None:
        return Absent(context, await api.find(kinds.NAMESPACE, BROKER_NAMESPACE) is not None)
    return Site(api, member_codec.decode(member))
