"""`python -m mcnet.lab.prepare [binaries] [image]`: makes ahead what the lab and its tests need."""

import asyncio
import sys

from mcnet.lab.binaries import ensure_binaries
from mcnet.lab.image import ensure_image
from mcnet.model.errors import McnetError


def say(line: str) -> None:
    """One progress line, at once."""
    print(line, flush=True)


async def prepare(parts: list[str]) -> None:
    """Makes sure that the named parts are there; both if none is named, and at the same time."""
    async with asyncio.TaskGroup() as tasks:
        if not parts or "binaries" in parts:
            tasks.create_task(_binaries())
        if not parts or "image" in parts:
            tasks.create_task(_image())


async def _binaries() -> None:
    for name, path in (await ensure_binaries(say)).items():
        say(f"{name}: {path}")


async def _image() -> None:
    say(f"image: {await ensure_image(say)}")


if __name__ == "__main__":
    try:
        asyncio.run(prepare(sys.argv[1:]))
    except* McnetError as errors:
        for error in errors.exceptions:
            if isinstance(error, McnetError):
                say(f"{error.message}. {error.hint}".strip())
        sys.exit(1)
