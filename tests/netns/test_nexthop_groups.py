"""Next-hop groups on the real kernel: changed in place, a resilient group moves only what has to move."""

import re
from collections import Counter
from ipaddress import ip_address

import pytest

from mcnet.kernel import nexthops
from mcnet.kernel.netlink import open_session
from mcnet.model.kernel import NextHop, NextHopGroup
from mcnet.model.ownership import RESILIENT_BUCKETS, NextHopKind, nexthop_id
from tests.netns.namespaces import Namespace, shell

WAYS = tuple(nexthop_id(NextHopKind.CABLE_MEMBER4, number) for number in range(3))
FIRST, SECOND, THIRD = WAYS
GROUP = nexthop_id(NextHopKind.CABLE_GROUP4, 0)


def group(**weights: int) -> NextHopGroup:
    members = tuple((WAYS[int(name[-1])], weight) for name, weight in weights.items())
    return NextHopGroup(GROUP, 4, members, RESILIENT_BUCKETS)


async def three_ways() -> None:
    """Three next hops by a device each."""
    async with open_session() as session:
        for number, one in enumerate(WAYS):
            await shell(f"ip link add way{number} type veth peer name end{number}")
            await shell(f"ip link set way{number} up && ip link set end{number} up")
            await shell(f"ip address add 10.9.{number}.1/24 dev way{number}")
            await nexthops.add(session, NextHop(one, f"way{number}", ip_address(f"10.9.{number}.2"), 4))


async def buckets() -> dict[int, int]:
    """The next hop of each bucket."""
    shown = await shell(f"ip nexthop bucket show id {GROUP}")
    return {int(index): int(hop) for index, hop in re.findall(r"index (\d+) .*?nhid (\d+)", shown)}


async def change(wanted: NextHopGroup) -> dict[int, int]:
    async with open_session() as session:
        await nexthops.replace(session, wanted)
    return await buckets()


def test_weights_are_shares_of_the_buckets(namespace: Namespace) -> None:
    async def body() -> None:
        await three_ways()
        assert Counter((await change(group(way0=2, way1=1, way2=1))).values()) == {FIRST: 64, SECOND: 32, THIRD: 32}

    namespace.run(body())


def test_of_a_group_that_is_changed_only_what_left_it_moves(namespace: Namespace) -> None:
    async def body() -> None:
        await three_ways()
        before = await change(group(way0=1, way1=1, way2=1))
        after = await change(group(way0=1, way2=1))
        assert set(after.values()) == {FIRST, THIRD}
        assert all(after[index] == hop for index, hop in before.items() if hop != SECOND)

    namespace.run(body())


def test_a_group_loses_the_next_hop_of_a_device_that_goes_and_takes_it_back(namespace: Namespace) -> None:
    async def body() -> None:
        await three_ways()
        before = await change(group(way0=1, way1=1, way2=1))
        await shell("ip link del way1")
        left = await buckets()
        assert set(left.values()) == {FIRST, THIRD}
        assert all(left[index] == hop for index, hop in before.items() if hop != SECOND)
        await shell("ip link add way1 type veth peer name end1 && ip link set way1 up && ip link set end1 up")
        await shell("ip address add 10.9.1.1/24 dev way1")
        async with open_session() as session:
            await nexthops.add(session, NextHop(SECOND, "way1", ip_address("10.9.1.2"), 4))
        # Nothing has used any bucket, so those that the others have too many of are free to move at once.
        back = Counter((await change(group(way0=1, way1=1, way2=1))).values())
        assert all(back[hop] == pytest.approx(RESILIENT_BUCKETS / 3, abs=1) for hop in WAYS)

    namespace.run(body())


def test_a_path_that_is_back_gets_its_share_within_a_minute(namespace: Namespace) -> None:
    """Of buckets without traffic after ten seconds, of others after sixty."""

    async def body() -> str:
        await three_ways()
        await change(group(way0=1, way1=1))
        return await shell(f"ip nexthop show id {GROUP}")

    shown = namespace.run(body())
    assert re.search(r"idle_timer 10(\.0+)? ", shown)
    assert re.search(r"unbalanced_timer 60(\.0+)? ", shown)
