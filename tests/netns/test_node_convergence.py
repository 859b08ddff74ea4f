"""Both node daemons in a real namespace: the situations of the planner's tests, one after another, as a fresh start.

The pure counterpart is tests/unit/plan/test_node_convergence.py.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest

from mcnet.kernel import execute, foreign, leave, observe
from mcnet.kernel.execute import Failure
from mcnet.model.kernel import Change, KernelState
from mcnet.model.ownership import Partition
from mcnet.plan.host_firewall import present
from tests.fakes.node import NodeUnderTest, comparable, judged
from tests.fakes.worlds import SITUATIONS
from tests.netns.namespaces import Namespace, shell

pytestmark = pytest.mark.timeout(180)
"""All ways between all situations, one after the other: most of a minute on two busy cores."""

DEVICES = """
set -e
ip link add eth0 type veth peer name eth0p && ip link set eth0p up && ip link set eth0 up
ip link add wan0 type veth peer name wan0p && ip link set wan0p up && ip link set wan0 up
ip link add cni0 type bridge && ip link set cni0 up
ip addr add 172.30.1.2/24 dev eth0
ip addr add 192.168.1.1/30 dev wan0
ip addr add 10.10.0.1/24 dev cni0
ip addr add fd10::1/64 dev cni0 nodad
nft 'add table inet filter; add chain inet filter input { type filter hook input priority 0; policy drop; }'
nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'
"""
"""What tests.fakes.worlds.host() and DROPPING describe."""


PICTURE = """
ip addr | sed 's, tentative,,'
ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; ip nexthop; nft list ruleset
cd /proc/sys/net; cat ipv4/ip_forward ipv4/fib_multipath_hash_policy
cat ipv6/conf/all/forwarding ipv6/fib_multipath_hash_policy
"""


async def read(partition: Partition, sysctls: Collection[str]) -> KernelState:
    found = await observe.read(partition, sysctls=sysctls)
    return replace(found, host_rules=present(await foreign.read())) if partition.host_rules else found


async def apply(partition: Partition, changes: Sequence[Change]) -> tuple[Failure, ...]:
    return await execute.apply(changes)


NODE = NodeUnderTest(read, apply)
WALK = tuple(SITUATIONS)


async def settle(name: str) -> list[KernelState]:
    """Two rounds, then a third that must change nothing; what the kernel holds, sysctls aside."""
    situation = judged(SITUATIONS[name])
    for over in (False, False, True, True):
        await NODE.round(situation, over=over)
    assert await NODE.round(situation) == (0, ()), name
    return [comparable(state) for state in await NODE.state()]


@pytest.mark.usefixtures("cables")
@pytest.mark.parametrize("walk", [WALK, WALK[::-1]], ids=["forwards", "backwards"])
def test_every_situation_after_every_other_is_as_a_fresh_start(
    namespace: Namespace, peer: Namespace, walk: tuple[str, ...]
) -> None:
    for one in (namespace, peer):
        one.run(shell(DEVICES))

    async def fresh(name: str) -> list[KernelState]:
        assert await leave.remove_all() == ()
        return await settle(name)

    for name in walk:
        assert namespace.run(settle(name)) == peer.run(fresh(name)), name


@pytest.mark.usefixtures("cables")
@pytest.mark.parametrize("name", ["gateway, dual stack", "wireguard and vxlan"])
def test_leaving_leaves_nothing(namespace: Namespace, name: str) -> None:
    namespace.run(shell(DEVICES))
    # The kernel has link-local addresses looked for first (RFC 4862, 5.4); their routes come after that.
    namespace.run(shell('until [ -z "$(ip -6 addr show tentative)" ]; do sleep 0.05; done'))
    before = namespace.run(shell(PICTURE))

    async def joined_and_left() -> None:
        await settle(name)
        assert await leave.remove_all() == ()

    namespace.run(joined_and_left())
    assert namespace.run(shell(PICTURE)) == before
