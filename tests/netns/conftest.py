"""Fixtures of the netns level: fresh network namespaces."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcnet.lab import versions
from mcnet.lab.binaries import ensure
from tests.kernel import has_wireguard
from tests.netns.namespaces import Namespace, holders


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace() as made:
        yield made


@pytest.fixture
def peer() -> Iterator[Namespace]:
    with Namespace() as made:
        yield made


@pytest.fixture(scope="session")
def wireguard_go() -> Path:
    """The program, made first if the cache lacks it."""
    return asyncio.run(ensure(versions.wireguard(), print))["wireguard-go"]


@pytest.fixture(scope="session")
def lacking(request: pytest.FixtureRequest) -> Path | None:
    """The program that makes WireGuard devices where the kernel does not; None where it does."""
    return None if has_wireguard() else request.getfixturevalue("wireguard_go")


@pytest.fixture
def cables(namespace: Namespace, peer: Namespace, lacking: Path | None) -> Iterator[None]:
    """Both namespaces can have WireGuard devices: the kernel's, else those of a process."""
    with holders(lacking, namespace, peer):
        yield


@pytest.fixture
def held_cables(namespace: Namespace, peer: Namespace, wireguard_go: Path) -> Iterator[None]:
    """Both namespaces have a process that makes WireGuard devices, whatever the kernel can do."""
    with holders(wireguard_go, namespace, peer):
        yield
