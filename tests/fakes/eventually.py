"""Waiting for what other tasks bring about."""

import asyncio
from collections.abc import Callable


async def eventually(condition: Callable[[], bool], timeout: float = 5.0) -> None:
    """Return as soon as `condition` holds; TimeoutError else. The tasks of this loop run between two looks."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - any state may be asked for, so nothing can tell of its change
            await asyncio.sleep(0.005)
