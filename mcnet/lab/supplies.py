"""Everything a lab needs before it starts: system packages, Kubernetes binaries, its own two images.

Where binaries come from is binaries.py's business; images are made once per version and kept in the cache.
"""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

from mcnet.lab.archive import write_image
from mcnet.lab.binaries import ensure_binaries
from mcnet.lab.bringup import Supplies
from mcnet.lab.cache import cache_directory, place, scratch
from mcnet.lab.configs import PAUSE_IMAGE
from mcnet.lab.features import require_features
from mcnet.lab.imagestore import ensure_store
from mcnet.lab.manifests import COREDNS_IMAGE
from mcnet.lab.packages import require_packages
from mcnet.lab.pause import pause_program


async def gather(progress: Callable[[str], None], images: tuple[Path, ...] = ()) -> Supplies:
    """Finds or makes everything; says what takes long. Raises UsageError for what the machine lacks."""
    await require_packages()
    await require_features()
    binaries = await ensure_binaries(progress)
    own = await asyncio.to_thread(_own_images, binaries["coredns"])
    return Supplies(binaries=binaries, images=await ensure_store((*own, *images), progress))


def _own_images(coredns: Path) -> tuple[Path, ...]:
    """The images of CoreDNS and of the pause container, named by what they are made of."""
    status = coredns.stat()
    dns = f"{COREDNS_IMAGE}:{coredns}:{status.st_size}:{status.st_mtime_ns}"
    pause = pause_program()
    return (
        _image("pause", pause, PAUSE_IMAGE, {"/pause": pause}),
        _image("coredns", dns.encode(), COREDNS_IMAGE, {"/coredns": coredns}),
    )


def _image(program: str, identity: bytes, name: str, files: dict[str, Path | bytes]) -> Path:
    wanted = cache_directory() / "images" / f"{program}-{hashlib.sha256(identity).hexdigest()[:16]}.tar"
    if not wanted.exists():
        # Aside, since two labs may start at once.
        with scratch("image") as directory:
            write_image(directory / wanted.name, name, files, [f"/{program}"])
            place(directory / wanted.name, wanted)
    return wanted
