"""Rails: claimed once, kept, reclaimed only from what is gone; any number of gateways end with different rails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.ownership import MAX_RAILS
from mcnet.plan.rail import Claim, Full, Hold, Reclaim, Verdict, decide


@pytest.mark.parametrize(
    ("holders", "gateways", "verdict"),
    [
        pytest.param({}, {"a"}, Claim(0), id="first"),
        pytest.param({0: "b"}, {"a", "b"}, Claim(1), id="second"),
        pytest.param({0: "b", 1: "a"}, {"a", "b"}, Hold(1), id="kept"),
        pytest.param({1: "a"}, {"a"}, Hold(1), id="kept though a lower one is free"),
        pytest.param({0: "gone", 1: "b"}, {"a", "b"}, Reclaim(0, "gone"), id="holder is gone"),
        pytest.param({1: "gone"}, {"a"}, Claim(0), id="a free lower one first"),
        pytest.param({2: "a", 4: "a"}, {"a"}, Hold(2, (4,)), id="surplus goes back"),
        pytest.param({rail: f"g{rail}" for rail in range(8)}, {f"g{rail}" for rail in range(8)}, Full(), id="full"),
    ],
)
def test_verdict(holders: dict[int, str], gateways: set[str], verdict: Verdict) -> None:
    assert decide(holders, "a", gateways) == verdict


@given(
    st.permutations([f"n{number}" for number in range(MAX_RAILS)]),
    st.dictionaries(st.integers(0, 7), st.just("gone")),
)
def test_all_gateways_end_with_a_rail_of_their_own(nodes: list[str], holders: dict[int, str]) -> None:
    for node in nodes:
        for _ in range(MAX_RAILS + 2):
            match decide(holders, node, nodes):
                case Hold():
                    break
                case Claim(rail):
                    assert rail not in holders
                    holders[rail] = node
                case Reclaim(rail, holder):
                    assert holder not in nodes
                    del holders[rail]
                case Full():
                    raise AssertionError("there is a rail for each of eight gateways")
    assert sorted(holders.values()) == sorted(nodes)
