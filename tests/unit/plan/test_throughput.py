"""Rates between two readings: counters that fall, devices made anew, rounds that follow each other at once."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.kernel import KernelState, Link, NftFingerprint, NftTable
from mcnet.model.traffic import Count, Tally, Throughput
from mcnet.model.wireguard import PeerStatus, WireguardDevice
from mcnet.plan import gateway
from mcnet.plan.cable import CablePath
from mcnet.plan.throughput import SPAN, Meter, Reading, counts, grown, look, rates_between
from mcnet.plan.wireguard_cable import peer_key
from tests.fakes.worlds import IPSEC, SITUATIONS, Situation

OCTETS = st.integers(0, 2**40)
COUNTS = st.builds(Count, OCTETS, OCTETS, st.integers(1, 3))
NAMES = st.sampled_from(["west.n1", "west.n2", "north.n1"])
READINGS = st.dictionaries(NAMES, COUNTS)


def reading(at: float, *, received: int = 0, sent: int = 0, made: int = 1) -> Reading:
    return Reading(at, {"west.n1": Count(received, sent, made)})


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param(Count(100, 50, 1), Count(350, 50, 1), Count(250, 0, 1), id="went on"),
        pytest.param(Count(100, 50, 1), Count(100, 50, 1), Count(0, 0, 1), id="silent"),
        pytest.param(Count(100, 50, 1), Count(30, 70, 1), Count(30, 70, 1), id="began again, seen by one direction"),
        pytest.param(Count(100, 50, 1), Count(170, 20, 1), Count(170, 20, 1), id="began again, seen by the other"),
        pytest.param(Count(100, 50, 1), Count(900, 900, 2), None, id="another device of that name"),
    ],
)
def test_what_has_passed_between_two_readings(before: Count, now: Count, expected: Count | None) -> None:
    assert grown(before, now) == expected


def test_a_rate_is_in_bits_and_over_the_whole_time_in_between() -> None:
    found = rates_between(reading(100.0), reading(104.0, received=1_000_000, sent=500))
    assert found == {"west.n1": Throughput(2_000_000, 1000)}


@pytest.mark.parametrize("at", [100.0, 99.0])
def test_a_clock_that_stands_still_gives_no_rate(at: float) -> None:
    assert rates_between(reading(100.0), reading(at, received=5)) == {}


def test_rounds_that_follow_each_other_at_once_keep_the_rate_and_lose_no_byte() -> None:
    meter = look(look(Meter(), reading(0.0)), reading(SPAN, received=1000))
    steady = meter.rates
    assert steady == {"west.n1": Throughput(round(8 * 1000 / SPAN), 0)}
    for step in range(1, 4):
        meter = look(meter, reading(SPAN + step * SPAN / 8, received=1000 + step * 10))
        assert meter.rates == steady
        assert meter.grown == {"west.n1": Count(10, 0, 1)}
    meter = look(meter, reading(2 * SPAN, received=3000))
    assert meter.rates == {"west.n1": Throughput(round(8 * 2000 / SPAN), 0)}


def test_nothing_is_known_before_the_second_reading_nor_of_a_cable_that_is_new_or_gone() -> None:
    meter = look(Meter(), reading(0.0, received=10**12))
    assert (meter.rates, meter.grown) == ({}, {})
    both = Reading(SPAN, {"west.n1": Count(10**12, 0, 1), "west.n2": Count(7, 7, 1)})
    meter = look(meter, both)
    assert meter.rates.keys() == {"west.n1"}
    meter = look(meter, Reading(SPAN + 0.1, {"west.n2": Count(8, 8, 1)}))
    assert (meter.rates, meter.grown) == ({}, {"west.n2": Count(1, 1, 1)})


def test_a_device_made_anew_has_no_rate_until_it_has_been_counted_twice() -> None:
    meter = look(look(Meter(), reading(0.0)), reading(SPAN, received=1000))
    meter = look(meter, reading(2 * SPAN, received=10**9, made=2))
    assert (meter.rates, meter.grown) == ({}, {})
    meter = look(meter, reading(3 * SPAN, received=10**9 + 1000, made=2))
    assert meter.rates == {"west.n1": Throughput(round(8 * 1000 / SPAN), 0)}


@given(st.lists(st.tuples(st.floats(0.0, 20.0), READINGS), max_size=8))
def test_no_rate_is_negative_or_of_a_cable_that_is_not_counted(steps: list[tuple[float, dict[str, Count]]]) -> None:
    meter, at = Meter(), 0.0
    for pause, found in steps:
        at += pause
        meter = look(meter, Reading(at, found))
        assert meter.rates.keys() | meter.grown.keys() <= found.keys()
        for rate in meter.rates.values():
            assert min(rate.received, rate.sent) >= 0
        for name, count in meter.grown.items():
            assert 0 <= count.received <= found[name].received
            assert 0 <= count.sent <= found[name].sent


@given(st.lists(st.tuples(st.floats(0.01, 5.0), st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1))
def test_the_bytes_of_all_rounds_add_up(steps: list[tuple[float, int, int]]) -> None:
    at, total = 0.0, Count(made=1)
    meter, seen = look(Meter(), Reading(at, {"x": total})), Count(made=1)
    for pause, received, sent in steps:
        at, total = at + pause, Count(total.received + received, total.sent + sent, 1)
        meter = look(meter, Reading(at, {"x": total}))
        more = meter.grown["x"]
        seen = Count(seen.received + more.received, seen.sent + more.sent, 1)
    assert seen == total


def paths(situation: Situation) -> list[CablePath]:
    return [standing.path for standing in gateway.decide(situation.for_gateway()).cables]


def test_vxlan_is_counted_by_two_rules_for_each_cable_without_the_outer_headers() -> None:
    situation = SITUATIONS["gateway, three clusters"]
    (table,) = gateway.decide(situation.for_gateway()).state.tables
    assert isinstance(table, NftTable)
    counting = [chain.name for chain in table.chains if "counter" in chain.rules]
    assert len(counting) == 4
    tallies = {name: Tally(10, 10_000) for name in counting}
    found = counts(
        paths(situation), KernelState(tables=frozenset({NftFingerprint("x", "", counted=tallies, made=7)}))
    )
    assert found == {"west.n1": Count(10_000, 10_000 - 10 * 50, 7), "north.n1": Count(10_000, 10_000 - 10 * 50, 7)}
    ways = next(chain for chain in table.chains if chain.name == "cable_sent")
    assert len(ways.rules) == 1
    output = next(chain for chain in table.chains if chain.name == "cable_output")
    assert output.rules == ("udp dport 4520 goto cable_sent",)


def test_a_table_of_an_older_version_counts_nothing() -> None:
    tables = frozenset({NftFingerprint("x", "")})
    assert counts(paths(SITUATIONS["gateway, three clusters"]), KernelState(tables=tables)) == {}


def test_two_gateways_at_one_outer_address_leave_the_table_usable() -> None:
    """nft refuses a map with one key twice, and with it the whole table."""
    situation = SITUATIONS["gateway, two rails"]
    east, first, second = situation.endpoints
    twice = replace(second, private_addresses=first.private_addresses)
    (table,) = gateway.decide(replace(situation, endpoints=(east, first, twice)).for_gateway()).state.tables
    assert isinstance(table, NftTable)
    (rule,) = next(chain for chain in table.chains if chain.name == "cable_sent").rules
    assert rule.count(str(first.private_addresses[0])) == 1


def test_wireguard_is_counted_by_peer() -> None:
    situation = next(one for name, one in SITUATIONS.items() if "wireguard" in name and paths(one))
    path = next(one for one in paths(situation) if one.driver == "wireguard")
    key = peer_key(path.endpoint)
    assert key is not None
    device = WireguardDevice(
        path.device, b"", 1, status={key: PeerStatus(5, 100, 200), b"other": PeerStatus(5, 1, 2)}
    )
    link = Link(path.device, 1420, "", None, wireguard=True, counted=Count(7, 7, 42))
    state = KernelState(links=frozenset({link}), wireguard=frozenset({device}))
    assert counts([path], state) == {path.endpoint.name: Count(100, 200, 42)}
    assert counts([path], KernelState(links=frozenset({link}))) == {}


def test_libreswan_is_counted_by_device() -> None:
    found = [path for path in paths(Situation(**IPSEC)) if path.driver == "libreswan"]
    links = [
        Link(path.device, 1400, "", None, if_id=at, counted=Count(at, at, at)) for at, path in enumerate(found, 1)
    ]
    state = KernelState(links=frozenset(links))
    assert counts(found, state) == {path.endpoint.name: Count(at, at, at) for at, path in enumerate(found, 1)}
