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
    """Makes sure that the named parts are there; both if none is named."""
    if not parts or "binaries" in parts:
        for name, path in (await ensure_binaries(say)).items():
            say(f"{name}: {path}")
    if not parts or "image" in parts:
        say(f"image: {await ensure_image(say)}")


if __name__ == "__main__":
    try:
        asyncio.run(prepare(sys.argv[1:]))
    except McnetError as error:
        sys.exit(f"{error.message}. {error.hint}")
