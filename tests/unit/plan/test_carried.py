"""What a path carries: narrower only when two measurements agree, wide enough at once."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.look import Tried, Tunnel
from mcnet.plan.carried import AGAIN, DOUBTFUL, Measured, judge, pause
from mcnet.plan.mtu import MINIMUM

DEVICE = 1440
WIDE = Tried(Tunnel.CABLE, "west.n1", 3, 3, DEVICE, DEVICE)
SILENT = replace(WIDE, answered=0, largest=None)


def found(size: int) -> Tried:
    return replace(WIDE, largest=size)


@pytest.mark.parametrize(
    ("measurements", "carried"),
    [
        ([WIDE], 0),
        ([found(1340)], 0),
        ([found(1340), found(1340)], 1340),
        ([found(1344), found(1340)], 1340),
        ([found(1340), found(1400)], 0),
        ([found(1340), WIDE, found(1340)], 0),
        ([found(1340), SILENT, found(1340)], 1340),
        ([found(1340), found(1340), SILENT], 1340),
        ([found(1340), found(1340), WIDE], 0),
        ([found(1340), found(1340), found(1300)], 1340),
        ([found(1340), found(1340), found(1300), found(1300)], 1300),
        ([found(1340), found(1340), found(1344)], 1340),
        ([found(DEVICE - 7), found(DEVICE - 7)], 0),
        ([found(DEVICE - 8), found(DEVICE - 8)], DEVICE - 8),
        ([found(600), found(600)], MINIMUM),
        ([SILENT, replace(SILENT, answered=3)], 0),
    ],
)
def test_what_follows_from_measurements(measurements: list[Tried], carried: int) -> None:
    state = Measured()
    for tried in measurements:
        state = judge(state, tried)
    assert state.carried == carried


def test_what_is_doubtful_is_measured_again_soon() -> None:
    assert pause(Measured(), WIDE) == AGAIN
    assert pause(Measured(1340), found(1340)) == AGAIN
    assert pause(Measured(suspected=1340), found(1340)) == DOUBTFUL
    assert pause(Measured(1340), SILENT) == DOUBTFUL


@given(st.lists(st.integers(576, DEVICE), max_size=8))
def test_a_single_measurement_never_narrows_a_path(sizes: list[int]) -> None:
    state = Measured()
    for size in sizes:
        before, state = state, judge(state, found(size))
        if state.carried and state.carried != before.carried:
            assert before.suspected, "it had been seen before"
        assert judge(state, WIDE) == Measured()
