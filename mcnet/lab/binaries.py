"""Finds the programs that clusters are made of, or makes them.

In order: the directory `$MCNET_LAB_BIN`; PATH, where its version is the pinned one; the cache; the official
release; a build from the Go module. What Debian packages give (containerd, runc) belongs to `packages`.
"""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from mcnet.lab import cache, versions
from mcnet.lab.command import run
from mcnet.lab.download import download
from mcnet.lab.gobuild import build, cached
from mcnet.lab.versions import Component
from mcnet.model.errors import McnetError

VERSION_ARGUMENTS = {"kubectl": ("version", "--client"), "coredns": ("-version",)}
"""How to ask a program for its version where `--version` is not the way."""


async def ensure_binaries(progress: Callable[[str], None]) -> dict[str, Path]:
    """The path of each binary by name: kube-apiserver, …, kubectl, etcd, coredns.

    Missing ones are downloaded or built into the cache first (up to a quarter of an hour on two cores);
    `progress` is told each step. Raises McnetError if one can neither be found nor made.
    """
    found: dict[str, Path] = {}
    for component in versions.components():
        found |= await ensure(component, progress)
    return found


async def find_binaries() -> dict[str, Path]:
    """The binaries that are there already, by name; nothing is downloaded or built."""
    found: dict[str, Path] = {}
    for component in versions.components():
        found |= await _present(component)
    return found


async def ensure(component: Component, progress: Callable[[str], None]) -> dict[str, Path]:
    """The path of each binary of one component, as `ensure_binaries`."""
    wanted = {binary for binary, _ in component.packages}
    found = await _present(component)
    if wanted - found.keys():
        async with cache.locked(component.key, progress):
            found = await _present(component)
            if (wanted - found.keys()) and not await download(component, progress):
                await build(component, progress)
        found = await _present(component)
    if missing := wanted - found.keys():
        raise McnetError(
            f"no {', '.join(sorted(missing))} {component.version}: neither found, downloaded nor built",
            "put the binaries into a directory and name it in MCNET_LAB_BIN",
        )
    return found


async def _present(component: Component) -> dict[str, Path]:
    found = {}
    for binary, _ in component.packages:
        path = _given(binary) or await _on_path(component, binary) or _cached(component, binary)
        if path:
            found[binary] = path
    return found


def _given(binary: str) -> Path | None:
    directory = os.environ.get("MCNET_LAB_BIN")
    path = Path(directory, binary) if directory else None
    return path.resolve() if path and os.access(path, os.X_OK) else None


def _cached(component: Component, binary: str) -> Path | None:
    path = cached(component, binary)
    return path if os.access(path, os.X_OK) else None


async def _on_path(component: Component, binary: str) -> Path | None:
    path = shutil.which(binary)
    if not path:
        return None
    try:
        output = await run([path, *VERSION_ARGUMENTS.get(binary, ("--version",))])
    except McnetError:
        return None
    return Path(path).resolve() if is_version(output, component.version) else None


def is_version(output: str, version: str) -> bool:
    """Whether a program's version output names exactly this version; `v1.37.2-rc.1` is not `v1.37.2`."""
    number = re.escape(version.removeprefix("v"))
    return re.search(rf"(?<![\d.]){number}(?![\w.+-])", output) is not None
