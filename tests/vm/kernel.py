"""Debian's kernel, its modules and a static busybox as files in the cache.

They are not installed: what this machine boots stays as it is, and so does its own busybox.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcnet.lab import cache, packages
from mcnet.lab.command import run
from mcnet.model.errors import McnetError

NEWEST: Final = ("linux-image-6.12-amd64", "linux-image-amd64")
"""Debian packages that depend on the newest kernel of a kind; the first that is known counts. Not those for clouds:
they can't see the host's files (9p)."""

BUSYBOX: Final = "busybox-static"


@dataclass(frozen=True, slots=True)
class Kernel:
    """`root` holds what Debian's packages do: boot/vmlinuz-VERSION, lib/modules/VERSION, bin/busybox."""

    root: Path
    version: str
    """As `uname -r` says it."""

    @property
    def image(self) -> Path:
        """What boots."""
        return self.root / "boot" / f"vmlinuz-{self.version}"

    @property
    def modules(self) -> Path:
        """The directory with modules.dep."""
        return self.root / "lib" / "modules" / self.version

    @property
    def busybox(self) -> Path:
        """Needs no library."""
        return self.root / "bin" / "busybox"


def find_kernel() -> Kernel | None:
    """The one in the cache that was brought last."""
    images = (cache.cache_directory() / "vm").glob("*/boot/vmlinuz-*")
    newest = max(images, key=lambda image: image.stat().st_ctime, default=None)
    return _kernel(newest) if newest else None


async def ensure_kernel(progress: Callable[[str], None]) -> Kernel:
    """The kernel, fetched first if the cache lacks it. Raises McnetError."""
    async with cache.locked("vm-kernel", progress):
        return find_kernel() or await _fetch(progress)


async def _fetch(progress: Callable[[str], None]) -> Kernel:
    await packages.update(progress)
    wanted = (await _newest(), BUSYBOX)
    progress(f"fetching the packages {' and '.join(wanted)}, without installing them")
    with cache.scratch("vm-kernel") as folder:
        tree = folder / "tree"
        await run(
            ["apt-get", "download", "--quiet", *wanted], cwd=folder, doing="fetching packages", progress=progress
        )
        for file in folder.glob("*.deb"):
            await run(["dpkg-deb", "--extract", file, tree], doing=f"unpacking {file.name}")
        (image,) = tree.glob("boot/vmlinuz-*")
        made = _kernel(image)
        await run(["depmod", "--basedir", tree, made.version], doing="listing the kernel's modules")
        home = cache.cache_directory() / "vm" / made.version
        return Kernel(cache.place(tree, home), made.version)


def _kernel(image: Path) -> Kernel:
    return Kernel(image.parents[1], image.name.removeprefix("vmlinuz-"))


async def _newest() -> str:
    """The package of the newest kernel."""
    for name in NEWEST:
        try:
            said = await run(["apt-cache", "depends", "--important", name], env=packages.PLAIN)
        except McnetError:
            continue  # not in this Debian
        if found := re.search(r"Depends: (linux-image-\S+)", said):
            return found[1]
    raise McnetError(f"apt knows no kernel: neither {' nor '.join(NEWEST)}")
