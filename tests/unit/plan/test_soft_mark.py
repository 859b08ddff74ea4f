"""Whom a gateway asks whether it reaches its cluster, and when it says that it does not."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.nft import fingerprint
from mcnet.model.kernel import KernelState, NftTable
from mcnet.model.ownership import OVERLAY_DEVICE
from mcnet.model.probe import Mark, PathHealth, State
from mcnet.plan import soft_mark
from mcnet.plan.addresses import overlay_ends
from mcnet.plan.soft_mark import ENOUGH, MOST, key, wanted, witnesses
from tests.fakes.worlds import node

UP, DOWN = PathHealth("up", rtt_last=0.001), PathHealth("down", rtt_last=0.001)
HELD = PathHealth("down", rtt_last=0.1, held_until=9.0)
NEVER, FRESH = PathHealth("down"), PathHealth("unknown")
CABLE = {"west.n1": PathHealth("up", rtt_last=0.001)}
MANY = [node(number) for number in range(1, 41)]


@pytest.mark.parametrize(
    ("paths", "mark"),
    [
        pytest.param([], None, id="nobody was asked yet"),
        pytest.param([UP, UP], Mark.NONE, id="all answer"),
        pytest.param([DOWN, DOWN, UP], Mark.NONE, id="one answers"),
        pytest.param([FRESH, FRESH], None, id="a fresh daemon"),
        pytest.param([DOWN], Mark.ISOLATED, id="the only one is lost"),
        pytest.param([DOWN, DOWN, FRESH], Mark.ISOLATED, id="all are lost, one was just added"),
        pytest.param([DOWN, NEVER], Mark.ISOLATED, id="all are lost, one never answered"),
        pytest.param([NEVER, NEVER], None, id="nobody ever answered: maybe they run nothing of mcnet"),
        pytest.param([HELD], Mark.SPARE, id="it comes and goes"),
        pytest.param([DOWN, HELD], Mark.SPARE, id="one comes and goes, the other is lost"),
        pytest.param([UP, HELD], Mark.NONE, id="one comes and goes, the other answers"),
    ],
)
def test_marks(paths: list[PathHealth], mark: Mark | None) -> None:
    found = CABLE | {key(f"n{number}"): path for number, path in enumerate(paths)}
    assert wanted(found, drains=False) is mark
    assert wanted(found, drains=True) is (mark or Mark.SPARE)


def test_what_is_no_probe_of_a_node_is_a_cable() -> None:
    up, down = PathHealth("up", rtt_last=0.1), PathHealth("down")
    assert soft_mark.cables({"west.n1": up, key("n1"): down, "west.n1 IPv6": down}) == {
        "west.n1": up.standing,
        "west.n1 IPv6": down.standing,
    }


def test_a_small_cluster_asks_all_others() -> None:
    assert set(witnesses([node(1), node(2), node(3)], "n1", {})) == {"n2", "n3"}
    assert witnesses([node(1)], "n1", {}) == ()
    assert len(witnesses(MANY, "n1", {})) == ENOUGH
    assert witnesses(MANY, "n1", {}) == witnesses(MANY[::-1], "n1", CABLE)


def test_gateways_ask_others() -> None:
    assert len({witnesses(MANY, f"n{number}", {}) for number in range(1, 9)}) > 1


states = st.dictionaries(st.sampled_from([key(one.name) for one in MANY]), st.sampled_from([UP, DOWN, FRESH]))


@given(states)
def test_those_that_are_down_are_asked_on_beside_others(paths: Mapping[str, PathHealth]) -> None:
    chosen = witnesses(MANY, "n1", paths)
    down = [name for name in chosen if paths.get(key(name)) == DOWN]
    assert "n1" not in chosen
    assert len(chosen) == len(set(chosen)) <= MOST
    assert len(chosen) == MOST or len(chosen) - len(down) == ENOUGH
    assert chosen == witnesses(MANY, "n1", {name: path for name, path in paths.items() if path == DOWN})
    assert set(witnesses(MANY, "n1", {})) <= set(chosen), "who was asked first is asked still"


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(("losses", "sooner"), [(3, 2), (10, 9), (2, 2), (1, 2)])
def test_probes_go_over_the_overlay_and_give_up_sooner(family: int, losses: int, sooner: int) -> None:
    nodes = [node(1), node(2)]
    ends = overlay_ends(nodes)
    (target,) = soft_mark.targets(nodes, "n1", {}, family, losses)
    assert (target.key, target.device, target.losses) == (key("n2"), OVERLAY_DEVICE, sooner)
    assert (target.source, target.address) == (ends["n1"].address(family), ends["n2"].address(family))
    assert soft_mark.targets(nodes, "gone", {}, family, losses) == set()


@pytest.mark.parametrize("mark", Mark)
def test_the_kernel_tells_what_it_marks_with(mark: Mark) -> None:
    table = NftTable("mcnet_gateway", soft_mark.sets(mark), ())
    assert soft_mark.present(KernelState(tables=frozenset({fingerprint(table)}))) is mark
    assert soft_mark.present(KernelState()) is Mark.NONE


def test_all_states_are_known() -> None:
    """A path of any state beside one that is up keeps the mark away."""
    every: list[State] = ["up", "down", "unknown"]
    for state in every:
        assert wanted({key("a"): UP, key("b"): PathHealth(state, rtt_last=0.1)}, drains=False) is Mark.NONE
