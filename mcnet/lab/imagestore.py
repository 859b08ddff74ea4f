"""The container images of a node, unpacked once: a containerd directory that every node starts from.

Importing an image costs a second or more of computing and its size in disk space; done per node that is most
of what starting a lab costs. Files of images never change, so nodes share them by hard links.
"""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from mcnet.lab import cache
from mcnet.lab.command import run

_STORES_KEPT = 3
# The databases are written in place, everything else is replaced or added to.
_DATABASES = ("io.containerd.metadata.v1.bolt/meta.db", "io.containerd.snapshotter.v1.overlayfs/metadata.db")
_CONFIG = """version = 2
root = "{root}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
"""
# With mounts, processes and a /run of its own, so that nothing stays but the directory.
_IMPORT = """set -e
mount -t tmpfs tmpfs /run
mount -t proc proc /proc
containerd --log-level error --config "$1" &
until ctr version >/dev/null 2>&1; do kill -0 $!; sleep 0.05; done
shift
for archive in "$@"; do ctr -n k8s.io images import --snapshotter=overlayfs "$archive" >/dev/null; done
kill $!
wait $! || :
"""


async def ensure_store(archives: Sequence[Path], progress: Callable[[str], None]) -> Path:
    """A containerd root directory in the cache that holds these images, made first if it is missing."""
    key = await _key(archives)
    wanted = cache.cache_directory() / "nodes" / key
    if not wanted.exists():
        async with cache.locked(f"nodes-{key}", progress):
            if not wanted.exists():
                progress("unpacking the images once for all nodes")
                await _make(wanted, archives)
    wanted.touch()
    return wanted


async def clone(store: Path, target: Path) -> None:
    """Makes `target` a containerd root of its own with the store's images; shares files where it can."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Hard links need the same file system; then a copy, which shares blocks where the file system can.
    sharing = ["--link"] if store.stat().st_dev == target.parent.stat().st_dev else ["--reflink=auto"]
    await run(["cp", "--archive", *sharing, store, target], doing="copying the images of a node")
    databases = [(store / name, target / name) for name in _DATABASES]
    for source, own in databases:
        own.unlink()
        shutil.copy2(source, own)


async def _make(wanted: Path, archives: Sequence[Path]) -> None:
    with cache.scratch("node") as directory:
        config = directory / "config.toml"
        root = directory / "root"
        config.write_text(_CONFIG.format(root=root))
        isolated = ["unshare", "--mount", "--propagation", "private", "--net", "--pid", "--fork", "--kill-child"]
        await run([*isolated, "sh", "-c", _IMPORT, "sh", config, *archives], doing="unpacking images")
        cache.place(root, wanted)
    _prune(wanted.parent)


def _prune(directory: Path) -> None:
    stores = sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in stores[_STORES_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


async def _key(archives: Sequence[Path]) -> str:
    digest = hashlib.sha256((await run(["containerd", "--version"])).encode())
    for archive in archives:
        status = archive.stat()
        digest.update(f"{archive.name}:{status.st_size}:{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
