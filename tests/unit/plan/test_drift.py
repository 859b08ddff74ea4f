"""What counts as a repair: only what was held, is wanted as before, and differs all the same."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given

from mcnet.codec.nft import fingerprint
from mcnet.model.kernel import (
    Add,
    Change,
    KernelState,
    Link,
    NextHop,
    NextHopGroup,
    NftTable,
    Remove,
    Replace,
    Route,
    RouteType,
    Sysctl,
)
from mcnet.model.probe import Mark
from mcnet.plan import soft_mark
from mcnet.plan.diff import diff
from mcnet.plan.drift import after, held, repairs
from tests.fakes.kernel_states import link, nft_table, states

OVERLAY = link("mcnet-vx")
ROUTE = Route(7, ip_network("10.0.0.0/8"), RouteType.UNREACHABLE)
OTHER = Route(7, ip_network("10.9.0.0/16"), RouteType.UNREACHABLE)
TABLE = nft_table()
FORWARD = Sysctl("ipv4/ip_forward", "1")
STATE = KernelState(
    links=frozenset({OVERLAY}), routes=frozenset({ROUTE}), tables=frozenset({TABLE}), sysctls=frozenset({FORWARD})
)
FOUND = replace(STATE, tables=frozenset({fingerprint(TABLE)}))


def found(**changes: object) -> KernelState:
    return replace(FOUND, **changes)  # type: ignore[arg-type]


def test_nothing_is_a_repair_in_the_first_round() -> None:
    assert repairs(None, diff(STATE, KernelState())) == ()


@pytest.mark.parametrize(
    ("actual", "kind"),
    [
        (found(routes=frozenset()), Add),
        (found(routes=frozenset({ROUTE, OTHER})), Remove),
        (found(routes=frozenset({replace(ROUTE, type=RouteType.THROW)})), Replace),
        (found(links=frozenset()), Add),
        (found(links=frozenset({replace(OVERLAY, up=False)})), Replace),
        (found(links=frozenset({replace(OVERLAY, mtu=1000)})), Replace),
        (found(links=frozenset({link("mcnet-vx", vni=99)})), Add),
        (found(tables=frozenset()), Add),
        (found(tables=frozenset({replace(fingerprint(TABLE), digest="x")})), Replace),
        (found(tables=frozenset({replace(fingerprint(TABLE), edited=True)})), Replace),
        (found(tables=frozenset({fingerprint(TABLE), replace(fingerprint(TABLE), name="mine")})), Remove),
        (found(sysctls=frozenset({replace(FORWARD, value="0")})), Replace),
    ],
)
def test_what_somebody_else_did_is_a_repair(actual: KernelState, kind: type[Change]) -> None:
    told = repairs(held(STATE), diff(STATE, actual))
    assert [type(change) for change in told if not isinstance(change.item, Link) or kind is not Remove] == [kind]


@pytest.mark.parametrize(
    "before",
    [
        replace(STATE, routes=frozenset()),
        replace(STATE, routes=frozenset({replace(ROUTE, type=RouteType.THROW)})),
        replace(STATE, routes=frozenset({ROUTE, OTHER})),
        replace(STATE, links=frozenset({replace(OVERLAY, mtu=1000)})),
        replace(STATE, links=frozenset({link("mcnet-vx", vni=99)})),
        replace(STATE, tables=frozenset({nft_table(rules=3)})),
    ],
)
def test_a_change_of_plan_is_none(before: KernelState) -> None:
    tables = frozenset(fingerprint(table) for table in before.tables if isinstance(table, NftTable))
    changes = diff(STATE, replace(before, tables=tables))
    assert changes
    assert repairs(held(before), changes) == ()


def test_what_goes_with_a_device_that_the_plan_makes_anew_is_none() -> None:
    before = replace(STATE, links=frozenset({link("mcnet-vx", vni=99)}))
    assert repairs(held(before), [Remove(link("mcnet-vx", vni=99)), Add(OVERLAY), Add(ROUTE)]) == ()


def test_what_goes_with_a_device_that_somebody_replaced_is_one() -> None:
    changes = [Remove(link("mcnet-vx", vni=99)), Add(OVERLAY), Add(ROUTE)]
    assert repairs(held(STATE), changes) == (Add(OVERLAY), Add(ROUTE))


def test_what_the_kernel_refused_was_not_held() -> None:
    refused = held(STATE, [Add(ROUTE)])
    assert repairs(refused, [Add(ROUTE), Add(FORWARD)]) == (Add(FORWARD),)
    assert repairs(held(STATE, [Remove(OTHER)]), [Remove(OTHER)]) == ()


def test_a_device_s_own_sysctl_falls_back_with_the_device() -> None:
    loose = Sysctl("ipv4/conf/mcnet-cv/rp_filter", "2")
    state = replace(STATE, sysctls=frozenset({loose}))
    assert repairs(held(state), [Replace(replace(loose, value="0"), loose)]) == ()


def test_a_table_edited_while_no_daemon_ran_is_told_one_without_seal_is_not() -> None:
    edited = Replace(replace(fingerprint(TABLE), edited=True), TABLE)
    unsealed = Replace(replace(fingerprint(TABLE), sealed=False), TABLE)
    assert repairs(None, [edited]) == (edited,)
    assert repairs(None, [unsealed]) == repairs(held(STATE), [unsealed]) == ()


@given(states(), states())
def test_a_new_plan_over_what_the_old_one_held_is_never_a_repair(before: KernelState, wanted: KernelState) -> None:
    def fingerprints(state: KernelState) -> KernelState:
        tables = (fingerprint(table) if isinstance(table, NftTable) else table for table in state.tables)
        return replace(state, tables=frozenset(tables))

    changes = diff(wanted, fingerprints(before))
    assert repairs(held(before), changes) == ()


def test_what_the_daemon_took_away_beside_its_rounds_is_nobody_elses_doing() -> None:
    hops = [NextHop(0x60000000 + number, "mcnet-vx", ip_address(f"244.0.0.{number}"), 4) for number in (1, 2)]
    group = NextHopGroup(0x62000008, 4, tuple((hop.id, 1) for hop in hops), 0)
    smaller = replace(group, members=group.members[1:])
    wanted = KernelState(nexthops=frozenset(hops), groups=frozenset({group}))
    now = KernelState(nexthops=frozenset(hops[1:]), groups=frozenset({smaller}))
    brought_back = (Add(hops[0]), Replace(smaller, group))
    assert repairs(held(wanted), brought_back) == brought_back
    assert repairs(after(held(wanted), wanted, now), brought_back) == ()
    assert repairs(after(held(wanted), wanted, now), (Add(hops[1]),)) == (Add(hops[1]),)
    assert after(None, wanted, now) is None


def test_marks_that_were_set_beside_the_rounds_are_nobody_elses_doing_and_others_are() -> None:
    plain, marked = (NftTable("mcnet_gateway", soft_mark.sets(mark), ()) for mark in (Mark.NONE, Mark.ISOLATED))
    state = KernelState(tables=frozenset({plain}))
    now = after(held(state), state, KernelState(tables=frozenset({marked})))
    assert repairs(now, [Replace(fingerprint(plain), marked)]) == (Replace(fingerprint(plain), marked),)
    assert repairs(now, [Replace(fingerprint(marked), plain)]) == ()
