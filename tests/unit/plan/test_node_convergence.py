"""Both node daemons on a kernel in memory: the end depends on the situation only, not on the way to it.

Every failure is injected once and must have been hit; a second run changes nothing. The same situations run in a
real namespace in tests/netns/test_node_convergence.py.
"""

from collections.abc import Collection, Sequence
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcnet.kernel.execute import Failure
from mcnet.model.kernel import Change, KernelState, Sysctl
from mcnet.model.ownership import GATEWAY, ROUTE_AGENT, Partition
from tests.fakes.kernel import FakeKernel
from tests.fakes.node import NodeUnderTest, comparable, judged
from tests.fakes.worlds import SITUATIONS, SYSCTLS, Situation, host, situations

JUDGED = {name: judged(situation) for name, situation in SITUATIONS.items()}
Kernels = dict[Partition, FakeKernel]


def fresh() -> tuple[NodeUnderTest, Kernels]:
    foreign = {interface.ip for link in host().links for interface in link.addresses}
    kernels = {
        ROUTE_AGENT: FakeKernel([Sysctl(path, "0") for path in SYSCTLS], foreign),
        GATEWAY: FakeKernel(foreign=foreign),
    }

    async def read(partition: Partition, sysctls: Collection[str]) -> KernelState:
        return kernels[partition].read(sysctls)

    async def apply(partition: Partition, changes: Sequence[Change]) -> tuple[Failure, ...]:
        return await kernels[partition].apply(changes)

    return NodeUnderTest(read, apply), kernels


async def compared(node: NodeUnderTest) -> list[KernelState]:
    return [comparable(state) for state in await node.state()]


async def settle(node: NodeUnderTest, situation: Situation, rounds: int = 2) -> None:
    for _ in range(rounds):
        await node.round(situation)
    for _ in range(rounds):
        await node.round(situation, over=True)
    assert await node.round(situation) == (0, ())


@pytest.mark.parametrize("first", JUDGED)
async def test_from_any_situation_to_any(first: str) -> None:
    for second, situation in JUDGED.items():
        walked, _ = fresh()
        await settle(walked, JUDGED[first])
        await settle(walked, situation)
        new, _ = fresh()
        await settle(new, situation)
        assert await compared(walked) == await compared(new), second


@settings(max_examples=40)
@given(st.lists(situations().map(judged), min_size=1, max_size=4))
async def test_any_sequence_ends_as_a_fresh_start(sequence: list[Situation]) -> None:
    walked, _ = fresh()
    for situation in sequence:
        await settle(walked, situation)
    new, _ = fresh()
    await settle(new, sequence[-1])
    assert await compared(walked) == await compared(new)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("alone", "gateway, three clusters"),
        ("gateway, three clusters", "gateway, first rail lost"),
        ("gateway, dual stack", "alone"),
        ("gateway, connected", "gateway, own address moved"),
        *permutations(["node, two gateways", "node, nobody reaches"], 2),
    ],
)
@pytest.mark.parametrize("partition", [ROUTE_AGENT, GATEWAY], ids=["route agent", "gateway"])
async def test_every_failure_once(first: str, second: str, partition: Partition) -> None:
    node, kernels = fresh()
    await settle(node, JUDGED[first])
    kernels[partition].operations = 0
    await node.round(JUDGED[second])
    for number in range(kernels[partition].operations):
        node, kernels = fresh()
        await settle(node, JUDGED[first])
        kernel = kernels[partition]
        kernel.operations, kernel.fail_at = 0, number
        _, failures = await node.round(JUDGED[second])
        assert kernel.hits == 1
        assert failures, "a refused change must be reported"
        await settle(node, JUDGED[second])
        new, _ = fresh()
        await settle(new, JUDGED[second])
        assert await compared(node) == await compared(new)
