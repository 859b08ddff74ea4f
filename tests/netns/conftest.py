"""Fixtures of the netns level: fresh network namespaces."""

from collections.abc import Iterator

import pytest

from tests.netns.namespaces import Namespace


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace() as made:
        yield made


@pytest.fixture
def peer() -> Iterator[Namespace]:
    with Namespace() as made:
        yield made
