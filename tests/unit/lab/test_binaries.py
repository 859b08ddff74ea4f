"""Where a cluster's programs come from: what varies is what is there already, and which way out there is."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from mcnet.lab import binaries, gobuild, versions
from mcnet.lab.versions import Component
from mcnet.model.errors import McnetError

NAMES = {binary for component in versions.components() for binary, _ in component.packages}


@pytest.fixture(autouse=True)
def empty_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing on PATH, nothing in the cache."""
    monkeypatch.setenv("MCNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("MCNET_LAB_BIN", raising=False)
    return tmp_path


def program(path: Path, says: str = "") -> Path:
    """An executable that prints `says`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


class Sources:
    """Stands for the download site and the Go toolchain; counts what was asked of them."""

    def __init__(self, *, site_answers: bool = False, builds: bool = True) -> None:
        self.site_answers = site_answers
        self.builds = builds
        self.downloaded: list[str] = []
        self.built: list[str] = []

    async def download(self, component: Component, progress: Callable[[str], None]) -> bool:
        self.downloaded.append(component.name)
        if self.site_answers:
            self._make(component)
        return self.site_answers

    async def build(self, component: Component, progress: Callable[[str], None]) -> None:
        self.built.append(component.name)
        await asyncio.sleep(0)
        if self.builds:
            self._make(component)

    def _make(self, component: Component) -> None:
        for binary, _ in component.packages:
            program(gobuild.cached(component, binary))


def use(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> Sources:
    monkeypatch.setattr(binaries, "download", sources.download)
    monkeypatch.setattr(binaries, "build", sources.build)
    return sources


async def test_the_official_release_comes_before_a_build(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = use(Sources(site_answers=True), monkeypatch)
    found = await binaries.ensure_binaries(lambda _: None)
    assert found.keys() == NAMES
    assert sources.built == []


async def test_what_cannot_be_downloaded_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = use(Sources(), monkeypatch)
    found = await binaries.ensure_binaries(lambda _: None)
    assert found.keys() == NAMES
    assert sources.built == ["etcd", "coredns", "kubernetes"]


async def test_the_second_time_comes_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = use(Sources(), monkeypatch)
    first = await binaries.ensure_binaries(lambda _: None)
    sources.downloaded.clear()
    assert await binaries.ensure_binaries(lambda _: None) == first
    assert sources.downloaded == []


async def test_two_at_once_build_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcnet.lab.cache.POLL", 0.01)
    sources = use(Sources(), monkeypatch)
    await asyncio.gather(*(binaries.ensure_binaries(lambda _: None) for _ in range(2)))
    assert sources.built == ["etcd", "coredns", "kubernetes"]


async def test_a_directory_of_the_user_comes_first(empty_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Sources(), monkeypatch)
    given = program(empty_machine / "given" / "etcd", "any version")
    monkeypatch.setenv("MCNET_LAB_BIN", str(given.parent))
    found = await binaries.ensure_binaries(lambda _: None)
    assert found["etcd"] == given
    assert found["kubelet"].is_relative_to(empty_machine / "cache")


async def test_path_counts_only_at_the_pinned_version(empty_machine: Path) -> None:
    program(empty_machine / "path" / "kubectl", "Client Version: v1.32.4")
    right = program(empty_machine / "path" / "kubelet", f"Kubernetes {versions.kubernetes_version()}")
    assert await binaries.find_binaries() == {"kubelet": right}


async def test_a_program_on_path_that_fails_does_not_count(empty_machine: Path) -> None:
    program(empty_machine / "path" / "etcd").write_text("#!/bin/sh\nexit 1\n")
    assert await binaries.find_binaries() == {}


async def test_what_nobody_gives_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Sources(builds=False), monkeypatch)
    with pytest.raises(McnetError, match=r"no etcd v\d.*neither found, downloaded nor built") as caught:
        await binaries.ensure_binaries(lambda _: None)
    assert "MCNET_LAB_BIN" in caught.value.hint


@pytest.mark.parametrize(
    ("output", "same"),
    [
        pytest.param("Kubernetes v1.37.2", True, id="kubelet"),
        pytest.param("etcd Version: 1.37.2\nGit SHA: x", True, id="without-v"),
        pytest.param("CoreDNS-1.37.2\nlinux/amd64", True, id="coredns"),
        pytest.param("Kubernetes v1.37.20", False, id="longer"),
        pytest.param("Kubernetes v1.37.2-rc.1", False, id="candidate"),
        pytest.param("Kubernetes v11.37.2", False, id="prefix"),
        pytest.param("Kubernetes v1.37.2.1", False, id="fourth-number"),
    ],
)
def test_a_version_is_told_apart(output: str, same: bool) -> None:
    assert binaries.is_version(output, "v1.37.2") is same
