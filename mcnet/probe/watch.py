"""Tries tunnel paths and watches what passes the node's interfaces meanwhile."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from mcnet.model.look import Path, Seen, Tried
from mcnet.probe.capture import Capture
from mcnet.probe.paths import try_paths


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of it; `fault` says why packets could not be watched, "" if they were."""

    tried: tuple[Tried, ...]
    seen: tuple[Seen, ...]
    fault: str = ""


async def watch(paths: Sequence[Path], *, patience: float, at_least: float) -> Watched:
    """Try the paths, `patience` seconds each at most. It is watched for `at_least` seconds even if all answer at
    once: what the other end sends is to be seen here too."""
    loop = asyncio.get_running_loop()
    end = loop.time() + at_least
    try:
        capture = Capture({port for path in paths for port in (path.port, path.back_port) if port})
    except OSError as error:
        return Watched(await try_paths(paths, patience=patience), (), error.strerror or str(error))
    try:
        tried = await try_paths(paths, patience=patience)
        if paths:
            await asyncio.sleep(max(0.0, end - loop.time()))
        return Watched(tried, capture.seen)
    finally:
        capture.close()
