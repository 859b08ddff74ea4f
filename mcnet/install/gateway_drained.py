"""Changes settings of a gateway while nobody sends by it: with another address or port its cables are made anew, and
what others still sent to the former one would be lost. What the settings are is mcnet.install.gateway_settings'.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from mcnet.install import gateway_settings
from mcnet.install.gateway_settings import Changed
from mcnet.install.gateways import INTERVAL, Waiting, drain, read, undrain
from mcnet.install.progress import Progress
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.endpoint import Endpoint
from mcnet.model.member import MEMBER_NAME, SYSTEM_NAMESPACE

PUBLISHED: Final = 10.0
"""Seconds until the gateway has published what a setting changes, if it changes anything."""


async def change(
    api: Api, name: str, given: Mapping[str, str], wait: Waiting, progress: Progress, *, dry_run: bool = False
) -> Changed:
    """As mcnet.install.gateway_settings.change, but others leave the gateway first, and use it again afterwards.

    At once where it is no gateway, or none yet, drains already or is the only one, and without waiting. Raises
    McnetError.
    """
    would = await gateway_settings.change(api, name, given, dry_run=True)
    at_once = dry_run or not would.values or not would.gateway or not wait.timeout
    if at_once or await api.find(kinds.MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE) is None:
        return await gateway_settings.change(api, name, given, dry_run=dry_run)
    gateways = await read(api)
    node = gateways.nodes[name]
    if node.node.draining or not node.is_healthy:
        return await gateway_settings.change(api, name, given)
    if not gateways.rest(name):
        if gateways.remotes:
            progress.warn(
                f"{name} is the only healthy gateway of {gateways.cluster}: its connections are interrupted until "
                "the others have followed"
            )
        return await gateway_settings.change(api, name, given)
    await drain(api, name, wait, progress)
    try:
        before = (await read(api)).nodes[name].endpoint
        changed = await gateway_settings.change(api, name, given)
        await _published(api, name, before, progress)
        return changed
    finally:
        await undrain(api, name, progress)


async def _published(api: Api, name: str, before: Endpoint | None, progress: Progress) -> None:
    """Returns once the gateway's Endpoint is another one, or it is time: what was set may be what was found."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PUBLISHED
    while loop.time() < deadline:
        node = (await read(api)).nodes.get(name)
        if node is None or _place(node.endpoint) != _place(before):
            return
        progress.doing(f"Waiting until {name} has published what changed")
        await asyncio.sleep(INTERVAL)


def _place(endpoint: Endpoint | None) -> Endpoint | None:
    """What says where it is reached."""
    return endpoint and replace(endpoint, sequence=0, weight=0)
