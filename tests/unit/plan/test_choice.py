"""Which path is chosen: the lowest healthy rail; unknown paths stay as they are in the kernel."""

import pytest

from mcnet.model.cluster import ClusterId
from mcnet.plan.choice import GatewayView, Health, choose_cables, choose_gateways

WEST = ClusterId("west")
UP, DOWN, UNKNOWN = Health.UP, Health.DOWN, Health.UNKNOWN


@pytest.mark.parametrize(
    ("rails", "in_use", "chosen"),
    [
        pytest.param([], set(), (), id="none"),
        pytest.param([(1, UP), (0, UP)], set(), (0,), id="lowest"),
        pytest.param([(0, DOWN), (1, UP)], {0}, (1,), id="lowest is lost"),
        pytest.param([(0, DOWN), (1, DOWN)], {0}, (), id="all lost"),
        pytest.param([(0, UNKNOWN), (1, UNKNOWN)], {1}, (1,), id="after a restart the one in use stays"),
        pytest.param([(0, UNKNOWN)], set(), (), id="never answered"),
        pytest.param([(0, UNKNOWN), (1, UP)], set(), (1,), id="proven before unproven"),
    ],
)
def test_cables(rails: list[tuple[int, Health]], in_use: set[int], chosen: tuple[int, ...]) -> None:
    assert choose_cables(rails, in_use) == chosen


def gateway(rail: int, health: Health, reach: list[ClusterId] | None) -> GatewayView:
    return GatewayView(f"n{rail}", rail, health, None if reach is None else frozenset(reach))


@pytest.mark.parametrize(
    ("views", "in_use", "rails"),
    [
        pytest.param([], set(), [], id="none"),
        pytest.param([gateway(1, UP, [WEST]), gateway(0, UP, [WEST])], set(), [0], id="lowest"),
        pytest.param([gateway(0, UP, []), gateway(1, UP, [WEST])], set(), [1], id="only one reaches it"),
        pytest.param([gateway(0, UP, []), gateway(1, UP, [])], {0}, [], id="nobody reaches it"),
        pytest.param([gateway(0, DOWN, [WEST]), gateway(1, UP, [WEST])], {0}, [1], id="first is lost"),
        pytest.param([gateway(0, DOWN, [WEST]), gateway(1, DOWN, [WEST])], {1}, [0], id="all lost: one is kept"),
        pytest.param([gateway(0, UNKNOWN, None), gateway(1, UNKNOWN, None)], {1}, [1], id="restart moves nothing"),
        pytest.param([gateway(0, UNKNOWN, None)], set(), [0], id="a fresh node tries"),
        pytest.param([gateway(0, UP, None), gateway(1, UP, [WEST])], set(), [1], id="one that said so first"),
    ],
)
def test_gateways(views: list[GatewayView], in_use: set[int], rails: list[int]) -> None:
    assert [view.rail for view in choose_gateways(views, WEST, in_use)] == rails
