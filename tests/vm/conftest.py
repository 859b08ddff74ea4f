"""Fixtures of the level vm: the namespaces of netns, and two gateways."""

from collections.abc import Iterator

import pytest

from tests.fakes.worlds import EAST, WEST
from tests.netns.conftest import namespace, peer  # noqa: F401  (fixtures)
from tests.netns.namespaces import Namespace, connect
from tests.vm.gateways import Gateway, introduce

UNDERLAY = {4: ("192.0.2.1/24", "192.0.2.2/24"), 6: ("fd99::1/64", "fd99::2/64")}


@pytest.fixture
def outer(request: pytest.FixtureRequest) -> int:
    """The family of the addresses outside; IPv4 unless a test says otherwise."""
    return int(getattr(request, "param", 4))


@pytest.fixture
def gateways(namespace: Namespace, peer: Namespace, outer: int) -> Iterator[tuple[Gateway, Gateway]]:  # noqa: F811
    """East's and west's, at work, with a cable that is up."""
    connect(namespace, peer, name="wan0", addresses=UNDERLAY[outer])
    ends = [address.partition("/")[0] for address in UNDERLAY[outer]]
    east, west = Gateway(EAST, namespace, ends[0]), Gateway(WEST, peer, ends[1])
    for one, other in ((east, west), (west, east)):
        introduce(one, to=one)
        introduce(one, to=other)
    with east.at_work(), west.at_work():
        for one in (east, west):
            one.wait_for(one.is_settled)
        yield east, west
