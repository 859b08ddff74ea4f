"""A node's view of its gateways: whose adverts count, and by which weight each carries."""

from dataclasses import replace

import pytest

from mcnet.codec import advert
from mcnet.codec.advert import Advert
from mcnet.model.endpoint import Endpoint
from mcnet.plan.addresses import overlay_ends
from mcnet.plan.choice import GatewayView, Health
from mcnet.plan.gateway_views import views
from tests.fakes.worlds import CLUSTER_WEST, EAST_0, WEST, node

NODES = (node(1, gateway=True), node(2))
ENDS = overlay_ends(NODES)


def said(gateway: str) -> dict[str, Advert]:
    """What n1's overlay address sent, in the name of `gateway`."""
    return {str(ENDS["n1"].address4): advert.decode(advert.encode(gateway, 0, [WEST], {WEST: 1300}))}


def one(endpoint: Endpoint = EAST_0, *, heard: str = "n1", **changes: object) -> GatewayView:
    nodes = (replace(NODES[0], **changes), NODES[1])  # type: ignore[arg-type]
    (view,) = views([endpoint], ENDS, {"n1": Health.UP}, said(heard), [CLUSTER_WEST], nodes=nodes)
    return view


def test_what_a_gateway_says() -> None:
    assert one() == GatewayView("n1", 0, Health.UP, frozenset({WEST}), {WEST: 1300}, 100)
    assert one(heard="n2").reach is None, "another one's advert"
    assert views([EAST_0], {}, {}, {}, [], nodes=()) == (), "its node is gone"


@pytest.mark.parametrize(
    ("published", "changes", "weight"),
    [
        (100, {}, 100),
        (100, {"weight": 30}, 30),
        (100, {"draining": True}, 0),
        (0, {"weight": 30}, 0),
        (0, {"draining": True}, 0),
    ],
)
def test_the_nodes_word_on_weight_is_the_newest(published: int, changes: dict[str, object], weight: int) -> None:
    assert one(replace(EAST_0, weight=published), **changes).weight == weight
