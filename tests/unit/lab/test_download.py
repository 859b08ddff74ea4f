"""Official releases, from a site on loopback: what comes whole, what comes changed, and no site at all."""

import hashlib
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from mcnet.lab import download, gobuild, versions
from mcnet.lab.versions import Component
from mcnet.model.errors import McnetError

CONTENT = b"\x7fELF a program"


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MCNET_CACHE", str(tmp_path))


class Site:
    """Serves files by path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.address = ""

    async def answer(self, request: web.Request) -> web.Response:
        if request.path not in self.files:
            raise web.HTTPNotFound
        return web.Response(body=self.files[request.path])

    def add(self, url: str, content: bytes, checksums: str = "", digest: str = "") -> None:
        """Puts a file and the line about it in its checksum file."""
        self.files[self.path(url)] = content
        digest = digest or hashlib.sha256(content).hexdigest()
        self.files[self.path(checksums)] = f"{digest}  {url.rpartition('/')[2]}\n".encode()

    @staticmethod
    def path(url: str) -> str:
        return "/" + url.split("/", 3)[3]


@pytest.fixture
async def site(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """The release URLs lead to this site."""
    served = Site()
    application = web.Application()
    application.router.add_get("/{path:.*}", served.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    host, port = runner.addresses[0][:2]
    real = download.release_urls

    def here(component: Component, binary: str) -> tuple[str, str]:
        url, checksums = real(component, binary)
        return f"http://{host}:{port}{Site.path(url)}", f"http://{host}:{port}{Site.path(checksums)}"

    monkeypatch.setattr(download, "release_urls", here)
    yield served
    await runner.cleanup()


def component(name: str) -> Component:
    return next(one for one in versions.components() if one.name == name)


def archive_with(binary: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo(f"release/{binary}")
        member.size = len(CONTENT)
        tar.addfile(member, io.BytesIO(CONTENT))
    return buffer.getvalue()


async def test_a_release_of_single_files(site: Site) -> None:
    kubernetes = component("kubernetes")
    for binary, _ in kubernetes.packages:
        url, checksums = download.release_urls(kubernetes, binary)
        site.add(url, CONTENT, checksums)
    assert await download.download(kubernetes, lambda _: None)
    placed = [gobuild.cached(kubernetes, binary) for binary, _ in kubernetes.packages]
    assert all(path.read_bytes() == CONTENT and path.stat().st_mode & 0o111 for path in placed)


@pytest.mark.parametrize("name", ["etcd", "coredns"])
async def test_a_release_in_an_archive(site: Site, name: str) -> None:
    url, checksums = download.release_urls(component(name), name)
    site.add(url, archive_with(name), checksums)
    assert await download.download(component(name), lambda _: None)
    assert gobuild.cached(component(name), name).read_bytes() == CONTENT


async def test_a_changed_file_is_refused_and_not_kept(site: Site) -> None:
    coredns = component("coredns")
    url, checksums = download.release_urls(coredns, "coredns")
    site.add(url, archive_with("coredns"), checksums, digest="0" * 64)
    with pytest.raises(McnetError, match=r"has SHA-256 \w+ instead of 0{64}"):
        await download.download(coredns, lambda _: None)
    assert not gobuild.cached(coredns, "coredns").exists()


@pytest.mark.usefixtures("site")
async def test_a_site_without_the_release_is_told_not_raised() -> None:
    said: list[str] = []
    assert not await download.download(component("etcd"), said.append)
    assert "no official release of etcd" in said[0]
    assert "404" in said[0]


def test_checksum_files_of_both_forms() -> None:
    assert download.checksum_of("abc\n", "kubelet") == "abc"
    assert download.checksum_of("abc  etcd.zip\ndef *etcd.tar.gz\n", "etcd.tar.gz") == "def"
    with pytest.raises(McnetError, match=r"do not name other"):
        download.checksum_of("abc  etcd.zip\n", "other")
