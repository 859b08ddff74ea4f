"""A table that is written anew while packets pass costs none of them, whatever is in it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from mcnet.codec.nft import fingerprint
from mcnet.kernel import nftables
from mcnet.model.kernel import NftChain, NftTable
from tests.fakes.worlds import EAST, WEST
from tests.netns.clusters import Place, Scene, two_clusters

pytestmark = pytest.mark.timeout(180)
PACKETS = 30_000


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with two_clusters() as made:
        yield made


def other_rules(table: NftTable) -> NftTable:
    return replace(table, chains=(NftChain("other", "", ("accept",)), *table.chains))


def other_elements(table: NftTable) -> NftTable:
    """As another cluster's, whose prefixes are beside those that are there."""
    more = {"ipv4_addr": "10.21.0.0/16", "ipv6_addr": "fd21::/32"}
    return replace(
        table,
        sets=tuple(
            replace(item, elements=item.elements | {more[item.type]}) if item.flags == ("interval",) else item
            for item in table.sets
        ),
    )


async def write_anew(place: Place, change: Callable[[NftTable], NftTable], done: list[int]) -> int:
    """Change each table of the node and take it back, again and again as long as packets go; how often."""
    times = 0
    while not done:
        for table in place.tables.values():
            for one in (change(table), table):
                await nftables.replace(one)
                times += 1
    for table in place.tables.values():
        assert await nftables.read(table.name) == fingerprint(table)
    return times


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("change", [other_rules, other_elements])
def test_no_packet_is_lost_while_tables_are_written_anew(
    scene: Scene, change: Callable[[NftTable], NftTable], family: int
) -> None:
    source, target = scene.worker(EAST), scene.worker(WEST)
    done: list[int] = []
    tasks = [(place, place.namespace.start(write_anew(place, change, done))) for place in scene.places.values()]
    try:
        said = source.run(f"ping -{family} -f -q -l 8 -c {PACKETS} -I {source.pod(family)} {target.pod(family)}")
    finally:
        done.append(1)
        times = [task.result(30) for _, task in tasks]
    found = re.search(r"(\d+) packets transmitted, (\d+) received", said)
    assert found
    assert min(times) > 4
    assert found[1] == found[2] == str(PACKETS)
