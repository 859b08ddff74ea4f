"""Changes settings of a gateway while nobody sends by it: with another address or port its cables are made anew, and
what others still sent to the former one would be lost. What the settings are is mcnet.install.gateway_settings'.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from mcnet.install import gateway_settings
from mcnet.install.gateway_settings import Changed
from mcnet.install.gateways import INTERVAL, Waiting, drain, read, undrain
from mcnet.install.progress import Progress
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.endpoint import Endpoint
from mcnet.model.errors import McnetError
from mcnet.model.member import MEMBER_NAME, SYSTEM_NAMESPACE
from mcnet.plan import gateway_settled
from mcnet.plan.gateway_nodes import refusal

PUBLISHED: Final = 10.0
"""Seconds until the gateway has published what a setting changes, if it changes anything."""


async def change(
    api: Api, name: str, given: Mapping[str, str], wait: Waiting, progress: Progress, *, dry_run: bool = False
) -> Changed:
    """As mcnet.install.gateway_settings.change, but others leave the gateway first, and use it again afterwards.

    At once where it is no gateway, or none yet, drains already or can't be left, and without waiting. Raises
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
    if against := refusal(gateways, node):
        if gateways.remotes:
            progress.warn(f"{against.message}: it is changed at once, and interrupted until the others have followed")
        return await gateway_settings.change(api, name, given)
    try:
        await drain(api, name, wait, progress)
        before = (await read(api)).nodes[name].endpoint
        changed = await gateway_settings.change(api, name, given)
        await _published(api, name, changed.values, before, progress)
    finally:
        # Also where it was interrupted: nobody else would take it back.
        await _take_back(api, name, gateways.at, progress)
    return changed


async def _take_back(api: Api, name: str, at: str, progress: Progress) -> None:
    try:
        await undrain(api, name, progress)
    except McnetError as error:
        progress.warn(f"{name} still drains: {error.message}; to take it back: mcnet gateway undrain {name}{at}")


async def _published(
    api: Api, name: str, values: Mapping[str, str], before: Endpoint | None, progress: Progress
) -> None:
    """Returns once the gateway's Endpoint has what was set, or it is time: that may be what was found before."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PUBLISHED
    while loop.time() < deadline:
        node = (await read(api)).nodes.get(name)
        if node is None or gateway_settled.published(node.endpoint, before, values):
            return
        progress.doing(f"Waiting until {name} has published what changed")
        await asyncio.sleep(INTERVAL)
