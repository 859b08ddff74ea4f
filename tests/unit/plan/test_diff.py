"""Any state to any state, every failure once, a second run is a no-op: on the kernel in memory.

The same states run against the real kernel in tests/netns/test_convergence.py.
"""

from dataclasses import replace
from ipaddress import ip_network
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcnet.model.kernel import Add, HostRule, KernelState, Link, Remove, Replace, Route, RouteType, Sysctl
from mcnet.model.ownership import OVERLAY_TABLE
from mcnet.model.wireguard import WireguardDevice
from mcnet.plan.diff import diff
from mcnet.plan.phases import Phase, phase_of
from tests.fakes.kernel import FakeKernel
from tests.fakes.kernel_states import STATES, SYSCTLS, group, link, member, nft_table, states

PAIRS = list(permutations(STATES, 2))


def fresh() -> FakeKernel:
    return FakeKernel([Sysctl(path, "0") for path in SYSCTLS])


def paths(state: KernelState) -> list[str]:
    return [sysctl.path for sysctl in state.sysctls]


async def round_of(kernel: FakeKernel, desired: KernelState) -> int:
    """One round; the number of changes it planned."""
    changes = diff(desired, kernel.read(paths(desired)))
    await kernel.apply(changes)
    return len(changes)


async def bring(kernel: FakeKernel, desired: KernelState, *, rounds: int) -> None:
    for _ in range(rounds):
        await round_of(kernel, desired)
    assert diff(desired, kernel.read(paths(desired))) == ()


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_one_round_from_any_listed_state_to_any(first: str, second: str) -> None:
    kernel = fresh()
    await bring(kernel, STATES[first], rounds=1)
    changes = diff(STATES[second], kernel.read(paths(STATES[second])))
    assert await kernel.apply(changes) == ()
    await bring(kernel, STATES[second], rounds=1)


@settings(max_examples=40)
@given(st.lists(states(), min_size=1, max_size=3))
async def test_any_sequence_ends_as_a_fresh_start_in_two_rounds(sequence: list[KernelState]) -> None:
    kernel = fresh()
    for desired in sequence:
        await bring(kernel, desired, rounds=2)
    newly_started = fresh()
    await bring(newly_started, sequence[-1], rounds=2)
    everything = replace(sequence[-1], sysctls=frozenset())
    assert kernel.read(()) == newly_started.read(())
    assert diff(everything, kernel.read(())) == ()


@settings(max_examples=40)
@given(states(), states(), st.data())
async def test_every_failure_once(first: KernelState, second: KernelState, data: st.DataObject) -> None:
    kernel = fresh()
    await bring(kernel, first, rounds=2)
    changes = diff(second, kernel.read(paths(second)))
    if not changes:
        return
    kernel.operations, kernel.fail_at = 0, data.draw(st.integers(0, len(changes) - 1))
    failures = await kernel.apply(changes)
    assert kernel.hits == 1
    assert failures[0].error.message == "injected"
    await bring(kernel, second, rounds=3)


async def test_every_failure_once_on_the_listed_states() -> None:
    for first, second in PAIRS:
        count = 0
        while True:
            kernel = fresh()
            await bring(kernel, STATES[first], rounds=1)
            kernel.operations, kernel.fail_at = 0, count
            planned = await round_of(kernel, STATES[second])
            if count >= planned:
                assert kernel.hits == 0
                break
            assert kernel.hits == 1, (first, second, count)
            await bring(kernel, STATES[second], rounds=2)
            count += 1


@settings(max_examples=40)
@given(states(), states())
def test_the_same_states_give_the_same_list(first: KernelState, second: KernelState) -> None:
    assert diff(first, second) == diff(first, second)
    for change in diff(first, second):
        assert change.reason


@settings(max_examples=40)
@given(states(), states())
def test_additions_go_up_and_removals_down(first: KernelState, second: KernelState) -> None:
    changes = diff(second, first)
    setting = [phase_of(change.item) for change in changes if not isinstance(change, Remove)]
    assert setting == sorted(setting)
    kinds = [isinstance(change, Remove) for change in changes]
    last = kinds[len(kinds) - kinds[::-1].index(False) :] if False in kinds else kinds
    tail = [phase_of(change.item) for change in changes[len(changes) - len(last) :]]
    assert tail == sorted(tail, reverse=True)


def test_a_device_that_must_be_made_again_brings_all_back_in_the_same_round() -> None:
    old, new = STATES["resilient groups"], STATES["other VNI"]
    actual = replace(old, tables=frozenset())
    changes = diff(replace(new, tables=frozenset()), actual)
    assert isinstance(changes[0], Remove)
    assert isinstance(changes[0].item, Link)
    added = {change.item for change in changes if isinstance(change, Add)}
    assert added >= {*new.links, *new.neighbours, *new.fdb, *new.nexthops, *new.groups}
    by_device = {route for route in new.routes if route.nexthop or route.device}
    assert added >= by_device
    assert not any(isinstance(change.item, Route) and change.item not in by_device for change in changes)


def test_a_device_in_the_way_goes_first() -> None:
    changes = diff(STATES["VNIs exchanged"], STATES["the second device has the VNI"])
    assert [type(change) for change in changes] == [Remove, Remove, Add, Add]


def test_an_address_or_mtu_changes_in_place() -> None:
    old, new = link(), replace(link(mtu=1300), addresses=frozenset())
    (change,) = diff(KernelState(links=frozenset({new})), KernelState(links=frozenset({old})))
    assert change == Replace(old, new, "differs")


def test_a_group_loses_a_member_in_place_before_the_member_goes() -> None:
    hops = (member(0), member(1))
    two, one = group(1, hops), group(1, hops[:1])
    base = KernelState(links=frozenset({link()}), nexthops=frozenset(hops), groups=frozenset({two}))
    wanted = replace(base, nexthops=frozenset(hops[:1]), groups=frozenset({one}))
    assert diff(wanted, base) == (Replace(two, one, "differs"), Remove(hops[1], "not wanted"))


def test_two_routes_under_one_key_leave_the_wanted_one() -> None:
    prefix = ip_network("10.0.0.0/8")
    wanted, other = Route(OVERLAY_TABLE, prefix, RouteType.THROW), Route(OVERLAY_TABLE, prefix, RouteType.UNREACHABLE)
    changes = diff(KernelState(routes=frozenset({wanted})), KernelState(routes=frozenset({wanted, other})))
    assert changes == (Remove(other, "not wanted"),)


def test_sysctls_outside_the_desired_ones_are_left_alone() -> None:
    actual = KernelState(sysctls=frozenset({Sysctl("ipv4/ip_forward", "0"), Sysctl("ipv4/tcp_ecn", "2")}))
    wanted = KernelState(sysctls=frozenset({Sysctl("ipv4/ip_forward", "1")}))
    (change,) = diff(wanted, actual)
    assert change.item == Sysctl("ipv4/ip_forward", "1")
    assert diff(KernelState(), actual) == ()


def test_a_table_with_the_same_rules_and_notes_is_left_alone() -> None:
    kernel_table = nft_table(prefixes=frozenset({"10.0.0.0/9", "10.128.0.0/9"}))
    wanted = nft_table(prefixes=frozenset({"10.0.0.0/8"}))
    state = KernelState(tables=frozenset({wanted}))
    assert diff(state, KernelState(tables=frozenset({kernel_table}))) == ()
    assert len(diff(state, KernelState(tables=frozenset({nft_table()})))) == 1


def test_every_kind_has_a_phase_of_its_own() -> None:
    full = replace(
        STATES["plain groups"],
        host_rules=frozenset({HostRule("ip", "filter", "INPUT", "mcnet:host:x")}),
        wireguard=frozenset({WireguardDevice("mcnet-cw0a", b"k" * 32, 4500)}),
    )
    items = [next(iter(getattr(full, name))) for name in full.__dataclass_fields__]
    assert sorted(phase_of(item) for item in items) == list(Phase)
