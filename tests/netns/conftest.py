"""Fixtures of the netns level: fresh network namespaces."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcnet.lab import versions
from mcnet.lab.binaries import ensure
from tests.netns.namespaces import Namespace, cable_process


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


@pytest.fixture
def cables(namespace: Namespace, peer: Namespace, wireguard_go: Path) -> Iterator[None]:
    """Both namespaces have a process that makes WireGuard devices."""
    running = [(one, cable_process(wireguard_go)) for one in (namespace, peer)]
    for one, context in running:
        one.run(context.__aenter__())
    try:
        yield
    finally:
        for one, context in running:
            one.run(context.__aexit__(None, None, None))
