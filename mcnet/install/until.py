"""Asks again until something holds, for conditions that an API server can't be watched for."""

import asyncio
from collections.abc import Awaitable, Callable

INTERVAL = 0.1
"""Seconds between two questions: an API server's caches follow within a few of these."""


async def until(condition: Callable[[], Awaitable[bool]], *, timeout: float, interval: float = INTERVAL) -> None:
    """Returns once `condition` holds. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        while True:
            if await condition():
                return
            await asyncio.sleep(interval)
