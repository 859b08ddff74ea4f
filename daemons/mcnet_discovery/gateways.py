"""Labels another node in place of a lost gateway, where the setting `gateways` is auto:N: reads the nodes now and
then, asks mcnet.plan.gateway_replacement, and writes one label. The leader alone does."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import assert_never

from mcnet.kube.api import Api
from mcnet.kube.kinds import NODE
from mcnet.loop.log import Log
from mcnet.model.errors import ForbiddenError, McnetError
from mcnet.model.member import Member
from mcnet.model.node import GATEWAY_LABEL
from mcnet.plan.gateway_nodes import unmark
from mcnet.plan.gateway_replacement import PAUSE, Label, Unlabel, decide

CHECK = 15.0
"""Seconds between two looks at the nodes."""

log = Log("gateways")


class Replacement:
    """`member` gives the settings, None before they are known; `is_leader`: whether this replica may write; `told`
    gets reason and note of an Event."""

    def __init__(
        self,
        api: Api,
        *,
        member: Callable[[], Member | None],
        is_leader: Callable[[], bool],
        told: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._api = api
        self._member = member
        self._is_leader = is_leader
        self._told = told
        self._last: float | None = None
        self._failure = ""

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(CHECK * random.uniform(0.8, 1.0))
            try:
                await self.look(time.monotonic())
                self._failure = ""
            except McnetError as error:
                if error.message != self._failure:
                    log.warning("gateways not looked after", reason=error.message)
                self._failure = error.message

    async def look(self, clock: float) -> None:
        """One look, and at most one change; `clock` is in seconds and never jumps. Since when a node is not Ready was
        written by the clock of the cluster's control plane, so that is asked what time it is now."""
        member = self._member()
        if not self._is_leader() or member is None or not member.gateways.auto:
            self._last = None
            return
        if self._last is None:
            # Another replica may have changed something a moment ago.
            self._last = clock
        if clock - self._last < PAUSE:
            return
        nodes = await self._api.list(NODE)
        action = decide(nodes, member.gateways.number, dict(member.node_selector), await self._now())
        match action:
            case None:
                return
            case Label(node):
                await self._api.merge_patch(NODE, node, {"metadata": {"labels": {GATEWAY_LABEL: "true"}}})
                why = f"{node} becomes a gateway, since one of {member.gateways.number} is lost"
            case Unlabel(node):
                (obj,) = (one for one in nodes if one["metadata"]["name"] == node)
                await self._api.merge_patch(NODE, node, {"metadata": unmark(obj)})
                why = f"{node} is a gateway no more: its node has not been Ready for long, and others stand in"
            case _:
                assert_never(action)
        self._last = clock
        log.info("gateway replaced", what=why)
        await self._told("GatewayReplaced", why)

    async def _now(self) -> datetime:
        """The API server's clock; the own one where that does not say."""
        with suppress(ForbiddenError):
            if (now := await self._api.date()) is not None:
                return now
        return datetime.now(UTC)
