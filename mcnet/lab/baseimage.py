"""The system that the image starts from: Debian from an image registry, else made by debootstrap.

debootstrap takes the machine's own apt configuration: where that reaches a mirror, so does this.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import aiohttp

from mcnet.lab import cache, versions
from mcnet.lab.buildah import buildah, image_names, in_own_mounts
from mcnet.lab.command import run
from mcnet.lab.versions import ImagePins
from mcnet.model.errors import McnetError

ANSWER_WITHIN = 5.0
"""Seconds that a registry has to answer at all."""
PULL_WITHIN = 120.0
"""Seconds for the base image, about 30 MB."""
FALLBACK_MIRROR = "http://deb.debian.org/debian"


async def ensure_base(progress: Callable[[str], None]) -> str:
    """The name, in the cache's storage, of an image with a plain Debian; pulled or made if it is not there."""
    pins = versions.image()
    made = made_name(pins)
    present = await image_names()
    for name in (pins.base, made):
        if name in present:
            return name
    if await _pulled(pins.base, progress):
        return pins.base
    await _debootstrap(pins, made, progress)
    return made


def made_name(pins: ImagePins) -> str:
    """The name of the base that debootstrap makes: another list of packages is another base."""
    digest = hashlib.sha256(json.dumps([pins.debian, pins.packages]).encode()).hexdigest()[:10]
    return f"localhost/mcnet-base:{pins.debian}-{digest}"


async def _pulled(base: str, progress: Callable[[str], None]) -> bool:
    host = base.split("/", maxsplit=1)[0]
    registry = "registry-1.docker.io" if host == "docker.io" else host
    try:
        async with asyncio.timeout(ANSWER_WITHIN), aiohttp.ClientSession(trust_env=True) as session:
            # 401 is the usual answer: the registry is there and would like a token.
            await session.get(f"https://{registry}/v2/")
        progress(f"pulling {base}")
        async with asyncio.timeout(PULL_WITHIN):
            await buildah(["pull", "--quiet", base], doing=f"pulling {base}", progress=progress)
    except (aiohttp.ClientError, TimeoutError, OSError, McnetError) as error:
        progress(f"no base image from {registry} here ({str(error) or type(error).__name__})")
        return False
    return True


async def _debootstrap(pins: ImagePins, name: str, progress: Callable[[str], None]) -> None:
    mirror = await _mirror(pins.debian)
    doing = f"making a minimal Debian {pins.debian} from {mirror} by debootstrap"
    progress(doing)
    with cache.scratch("debootstrap") as work:
        root = work / "root"
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(pins.packages)}"]
        argv: list[str | Path] = [*in_own_mounts(), *command, pins.debian, root, mirror]
        await run(argv, env={"DEBIAN_FRONTEND": "noninteractive"}, doing=doing, progress=progress)
        container = (await buildah(["from", "scratch"], doing="starting the base image")).strip()
        try:
            await buildah(["add", "--quiet", container, root, "/"], doing="filling the base image")
            await buildah(["commit", "--quiet", container, name], doing="committing the base image")
        finally:
            await buildah(["rm", container], doing="removing the working container")


async def _mirror(suite: str) -> str:
    form = ["--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    return mirror_of(await run(["apt-get", "indextargets", *form]), suite) or FALLBACK_MIRROR


def mirror_of(index_targets: str, suite: str) -> str | None:
    """The mirror that apt uses for the suite's main component, from lines `site release component`."""
    for line in index_targets.splitlines():
        match line.split():
            case [site, release, "main"] if release == suite:
                return site
    return None
