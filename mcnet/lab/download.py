"""Downloads a component's official release, checksum verified; answers quickly when there is no way there.

Building from source where this fails does not belong here (`gobuild`).
"""

import asyncio
import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path

import aiohttp

from mcnet.lab import cache, gobuild, versions
from mcnet.lab.versions import Component
from mcnet.model.errors import McnetError

ANSWER_WITHIN = 5.0
"""Seconds that a download site has to send the first bytes of a checksum file."""
RELEASED = ("kubernetes", "etcd", "coredns")
"""The components that have releases; others are built from their modules."""
WHOLE_FILE_WITHIN = 300.0
"""Seconds for one binary."""


async def download(component: Component, progress: Callable[[str], None]) -> bool:
    """Downloads every binary of the component that the cache lacks; False if the site can't be used.

    Raises McnetError when a file came that does not match its checksum: that is not a missing network.
    """
    if component.name not in RELEASED:
        return False
    try:
        async with aiohttp.ClientSession(trust_env=True, raise_for_status=True) as session:
            for binary, _ in component.packages:
                if not gobuild.cached(component, binary).exists():
                    await _one(session, component, binary, progress)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        reason = str(error) or type(error).__name__
        progress(f"no official release of {component.name} {component.version} from here ({reason})")
        return False
    return True


async def _one(
    session: aiohttp.ClientSession, component: Component, binary: str, progress: Callable[[str], None]
) -> None:
    url, checksums = release_urls(component, binary)
    async with asyncio.timeout(ANSWER_WITHIN), session.get(checksums) as answer:
        expected = checksum_of(await answer.text(), url.rpartition("/")[2])
    progress(f"downloading {binary} {component.version}")
    with cache.scratch("download") as work:
        file = work / "download"
        async with asyncio.timeout(WHOLE_FILE_WITHIN), session.get(url) as answer:
            digest = hashlib.sha256()
            with file.open("wb") as out:
                async for chunk in answer.content.iter_chunked(1 << 20):
                    digest.update(chunk)
                    out.write(chunk)
        if digest.hexdigest() != expected:
            raise McnetError(
                f"{url} has SHA-256 {digest.hexdigest()} instead of {expected}",
                "try again; if it stays so, something between this machine and the site changes files",
            )
        made = _unpacked(file, binary) if component.name != "kubernetes" else file
        made.chmod(0o755)
        cache.place(made, gobuild.cached(component, binary))


def release_urls(component: Component, binary: str) -> tuple[str, str]:
    """Where the official release of the binary is, and the file with its SHA-256."""
    version, arch = component.version, versions.architecture()
    match component.name:
        case "kubernetes":
            url = f"https://dl.k8s.io/release/{version}/bin/linux/{arch}/{binary}"
            return url, f"{url}.sha256"
        case "etcd":
            folder = f"https://github.com/etcd-io/etcd/releases/download/{version}"
            return f"{folder}/etcd-{version}-linux-{arch}.tar.gz", f"{folder}/SHA256SUMS"
        case "coredns":
            folder = f"https://github.com/coredns/coredns/releases/download/{version}"
            url = f"{folder}/coredns_{version.removeprefix('v')}_linux_{arch}.tgz"
            return url, f"{url}.sha256"
        case other:
            raise ValueError(f"no release site is known for {other}")


def checksum_of(text: str, file_name: str) -> str:
    """The SHA-256 of `file_name` in a checksum file: one bare sum, or lines `sum  name`."""
    for line in text.splitlines():
        match line.split():
            case [digest]:
                return digest
            case [digest, name] if name.removeprefix("*") == file_name:
                return digest
    raise McnetError(f"the published checksums do not name {file_name}")


def _unpacked(archive: Path, binary: str) -> Path:
    """The binary out of a release archive, beside it."""
    out = archive.with_name(binary)
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and Path(member.name).name == binary:
                source = tar.extractfile(member)
                if source:
                    out.write_bytes(source.read())
                    return out
    raise McnetError(f"the release archive {archive} has no {binary}")
