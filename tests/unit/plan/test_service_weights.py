"""Shares by leaving endpoints out: how near they come, that nobody is left without, and that little moves."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.cluster import ClusterId
from mcnet.model.service import Port, ServiceEndpoint, ServiceSlice
from mcnet.plan.service_weights import ACCURACY, TOLD, Weighed, error, shared, weighed
from tests.fakes.services import EAST, NORTH, WEST, address, sliced

CLUSTERS = (EAST, WEST, NORTH)

SHARES = [
    # ready, weights, in use
    ([10, 10], [1, 1], [10, 10]),
    ([10, 10], [80, 20], [8, 2]),
    ([3, 7], [30, 70], [3, 7]),
    ([3, 7], [3, 7], [3, 7]),
    ([40, 10], [80, 20], [40, 10]),
    ([41, 10], [80, 20], [41, 10]),
    ([1, 1], [99, 1], [1, 1]),
    ([5, 1], [1, 1], [1, 1]),
    ([5], [1], [5]),
    ([99, 5], [99, 1], [99, 1]),
    ([2, 2, 2], [50, 25, 25], [2, 1, 1]),
    ([1, 5, 6, 4], [99, 99, 10, 99], [1, 2, 1, 2]),
]


@pytest.mark.parametrize(("most", "weights", "numbers"), SHARES, ids=str)
def test_how_many_endpoints_are_used(most: list[int], weights: list[int], numbers: list[int]) -> None:
    assert shared(most, weights) == numbers


def test_thousands_of_endpoints_keep_the_shares_as_well() -> None:
    found = shared([5000, 5000], [1000, 1])
    assert found[0] == 5000
    assert error(found, [1000 / 1001, 1 / 1001]) <= ACCURACY


few = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 100)), min_size=1, max_size=3)
many = st.lists(st.tuples(st.integers(1, 400), st.integers(1, 1000)), min_size=1, max_size=6)


@given(few)
def test_no_other_choice_is_nearer_and_none_as_near_is_larger(pairs: list[tuple[int, int]]) -> None:
    most, weights = [one for one, _ in pairs], [weight for _, weight in pairs]
    shares = [weight / sum(weights) for weight in weights]
    found = shared(most, weights)
    choices = [(error(one, shares), sum(one)) for one in product(*(range(1, limit + 1) for limit in most))]
    allowed = max(ACCURACY, min(off for off, _ in choices)) + 1e-9
    assert error(found, shares) <= allowed
    assert sum(found) == max(size for off, size in choices if off <= allowed)


@given(many)
def test_the_bound(pairs: list[tuple[int, int]]) -> None:
    """Each cluster is used, within what it has; and with enough endpoints everywhere the shares are kept."""
    most, weights = [one for one, _ in pairs], [weight for _, weight in pairs]
    shares = [weight / sum(weights) for weight in weights]
    found = shared(most, weights)
    assert all(1 <= number <= limit for number, limit in zip(found, most, strict=True))
    # A hundred endpoints are enough for shares of a whole percent: each is rounded to within half an endpoint.
    if all(limit >= 100 * share + 1 for limit, share in zip(most, shares, strict=True)) and min(shares) >= 0.01:
        assert error(found, shares) <= 0.01


@given(many)
def test_weights_that_are_the_numbers_leave_nobody_out(pairs: list[tuple[int, int]]) -> None:
    most = [one for one, _ in pairs]
    assert shared(most, most) == most
    assert shared(most, [3 * one for one in most]) == most


def of(**numbers: int) -> dict[ClusterId, list[ServiceSlice]]:
    """So many ready endpoints of each cluster, in slices of 4."""
    found: dict[ClusterId, list[ServiceSlice]] = {}
    for name, number in numbers.items():
        last = range(1, number + 1)
        found[ClusterId(name)] = [
            sliced(ClusterId(name), *last[at : at + 4], source=f"s{at}") for at in range(0, number, 4)
        ]
    return found


def used(made: Weighed) -> dict[str, set[str]]:
    return {
        cluster: {str(end.addresses[0]) for one in found for end in one.endpoints if end.ready}
        for cluster, found in made.slices.items()
    }


def numbers(made: Weighed) -> dict[str, int]:
    return {cluster: len(found) for cluster, found in used(made).items()}


W = dict[ClusterId, int]


def test_shares_are_made_by_leaving_out() -> None:
    made = weighed(of(east=10, west=10, north=10), {EAST: 80, WEST: 20, NORTH: 0}, WEST)
    assert (numbers(made), made.problems) == ({"east": 8, "west": 2}, ())
    assert [one.name for one in made.slices[EAST]] == [one.name for one in of(east=10)[EAST]], "slices stay"


def test_who_is_not_named_gets_nothing_as_long_as_another_is_ready() -> None:
    assert numbers(weighed(of(east=2, west=2, north=2), {EAST: 1, WEST: 1}, WEST)) == {"east": 2, "west": 2}
    assert numbers(weighed(of(east=2, north=2), {WEST: 1, NORTH: 0}, WEST)) == {"east": 2, "north": 2}


def test_a_cluster_without_ready_endpoints_leaves_its_share_to_the_others() -> None:
    slices = of(east=8, north=4) | {WEST: [sliced(WEST, 1, 2, ready=False)]}
    made = weighed(slices, {EAST: 40, NORTH: 20, WEST: 40}, WEST)
    assert (numbers(made), made.problems) == ({"east": 8, "north": 4}, ())


def test_what_is_not_ready_stays_where_it_is() -> None:
    slices = {EAST: [*of(east=4)[EAST], sliced(EAST, 77, ready=False, source="x")], WEST: of(west=1)[WEST]}
    made = weighed(slices, {EAST: 1, WEST: 1}, WEST)
    assert numbers(made) == {"east": 1, "west": 1}
    assert sum(len(one.endpoints) for one in made.slices[EAST]) == 2


def test_an_endpoint_in_two_slices_counts_once() -> None:
    twice = [sliced(EAST, 1, 2), sliced(EAST, 1, 2, source="again", ports=(Port("more", "TCP", 1),))]
    made = weighed({EAST: twice, WEST: of(west=2)[WEST]}, {EAST: 1, WEST: 1}, WEST)
    assert numbers(made) == {"east": 2, "west": 2}


def test_families_are_shared_out_by_themselves() -> None:
    six = replace(sliced(EAST, 9, source="six"), family="IPv6")
    made = weighed({EAST: [*of(east=4)[EAST], six], WEST: of(west=1)[WEST]}, {WEST: 1}, WEST)
    assert {cluster: [one.family for one in found] for cluster, found in made.slices.items()} == {
        EAST: ["IPv6"],
        WEST: ["IPv4"],
    }


def test_a_port_that_few_pods_have_is_not_lost() -> None:
    dns = (Port("http", "TCP", 80), Port("dns", "UDP", 53))
    for last in range(1, 9):  # whichever comes last by its hash
        others = [one for one in range(1, 9) if one != last]
        east = [sliced(EAST, *others), sliced(EAST, last, ports=dns, source="dns")]
        made = weighed({EAST: east, WEST: of(west=1)[WEST]}, {EAST: 1, WEST: 1}, WEST)
        assert str(address(EAST, last)) in used(made)["east"]
        assert numbers(made)["east"] <= 2


def test_too_few_endpoints_are_told() -> None:
    made = weighed(of(east=1, west=1), {EAST: 80, WEST: 20}, WEST)
    assert numbers(made) == {"east": 1, "west": 1}
    assert made.problems == (
        "too few endpoints are ready for the weights of mcnet.dev/traffic: east 50% and not 80% with 1 ready; "
        "west 50% and not 20% with 1 ready",
    )
    assert weighed(of(east=4, west=1), {EAST: 80, WEST: 20}, WEST).problems == ()
    assert weighed(of(east=1, west=1), {EAST: 51, WEST: 49}, WEST).problems == ()


def test_each_importer_leaves_others_out() -> None:
    slices, weights = of(east=40, west=1), {EAST: 1, WEST: 1}
    assert len({frozenset(used(weighed(slices, weights, cluster))["east"]) for cluster in CLUSTERS}) > 1


ends = st.dictionaries(st.integers(1, 60), st.booleans(), max_size=40)
states = st.dictionaries(st.sampled_from(CLUSTERS), ends, max_size=3)
weights_ = st.dictionaries(st.sampled_from(CLUSTERS), st.integers(0, 100), max_size=3)


def slices_of(state: dict[ClusterId, dict[int, bool]]) -> dict[ClusterId, list[ServiceSlice]]:
    found = {}
    for cluster, last in state.items():
        endpoints = tuple(ServiceEndpoint((address(cluster, one),), last[one], last[one]) for one in sorted(last))
        found[cluster] = [ServiceSlice(f"{cluster}.1", "IPv4", (Port("http", "TCP", 80),), endpoints)]
    return found


@given(states, weights_)
def test_nobody_is_left_without_an_endpoint_while_one_is_ready(
    state: dict[ClusterId, dict[int, bool]], weights: W
) -> None:
    made = weighed(slices_of(state), weights, WEST)
    ready = {cluster: sum(found.values()) for cluster, found in state.items() if any(found.values())}
    named = {cluster for cluster in ready if weights.get(cluster)}
    assert {cluster for cluster, number in numbers(made).items() if number} == (named or set(ready))
    assert all(number <= ready.get(ClusterId(cluster), 0) for cluster, number in numbers(made).items())
    if not named:
        assert numbers(made) == {cluster: ready.get(cluster, 0) for cluster in state}
    shares = [weights[cluster] / sum(weights[one] for one in named) for cluster in sorted(named)]
    off = error([numbers(made)[cluster] for cluster in sorted(named)], shares) if named else 0.0
    assert bool(made.problems) == (off > TOLD)


@given(states, weights_, st.sampled_from(CLUSTERS), st.integers(1, 60))
def test_little_moves_when_one_endpoint_comes_or_goes(
    state: dict[ClusterId, dict[int, bool]], weights: W, cluster: ClusterId, last: int
) -> None:
    """Of each cluster only as many endpoints come in or go out as its number changes by, and the one itself with the
    one that takes its place."""
    before = weighed(slices_of(state), weights, WEST)
    there = dict(state.get(cluster, {}))
    there[last] = not there.get(last, False)
    after = weighed(slices_of(state | {cluster: there}), weights, WEST)
    for one in CLUSTERS:
        old, new = used(before).get(one, set()), used(after).get(one, set())
        itself = 2 if one == cluster else 0
        assert len(old ^ new) <= abs(len(old) - len(new)) + itself


@given(states, weights_)
def test_the_order_of_the_slices_makes_no_difference(state: dict[ClusterId, dict[int, bool]], weights: W) -> None:
    slices = slices_of(state)
    turned = {
        cluster: [replace(one, endpoints=one.endpoints[::-1]) for one in found]
        for cluster, found in reversed(slices.items())
    }
    assert used(weighed(slices, weights, WEST)) == used(weighed(turned, weights, WEST))
