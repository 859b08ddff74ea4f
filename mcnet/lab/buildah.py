"""buildah with a storage of its own in the cache, so that nothing of it lies in the machine's `/var/lib/containers`.

Every call runs in a mount namespace of its own: what it mounts ends with it, also when it is killed.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from mcnet.lab import cache
from mcnet.lab.command import run


async def buildah(
    arguments: Sequence[str | Path], *, doing: str, progress: Callable[[str], None] | None = None
) -> str:
    """Runs `buildah ARGUMENTS` on the cache's storage and returns its output."""
    storage = cache.cache_directory() / "buildah"
    options: list[str | Path] = [
        "--root",
        storage / "root",
        "--runroot",
        storage / "run",
        "--storage-driver",
        await _driver(),
    ]
    argv = [*in_own_mounts(), "buildah", *options, *arguments]
    return await run(argv, env={"BUILDAH_ISOLATION": "chroot"}, doing=doing, progress=progress)


async def image_names() -> set[str]:
    """The names of all images in the storage."""
    listed = await buildah(["images", "--json"], doing="listing the cache's images")
    return {name for image in json.loads(listed or "[]") or [] for name in image.get("names") or []}


def in_own_mounts() -> list[str]:
    """The prefix that starts a program in a mount namespace of its own."""
    return ["unshare", "--mount", "--propagation", "private", "--"]


async def _driver() -> str:
    """overlay; vfs where the cache itself lies on an overlay, which the kernel does not stack."""
    kind = await run(["stat", "--file-system", "--format", "%T", cache.cache_directory()])
    return "vfs" if kind.strip() in {"overlayfs", "tmpfs"} else "overlay"
