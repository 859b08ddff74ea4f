"""Discovery puts another node in a lost gateway's place: the leader alone, where it is wanted, one in a minute."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from mcnet.kube.kinds import NODE
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import ForbiddenError
from mcnet.model.member import GatewayCount, Member
from mcnet.plan.gateway_choice import labelled_gateways
from mcnet_discovery.gateways import Replacement
from tests.fakes.api import FakeServer

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def node(name: str, *, gateway: bool, since: str = "", **annotations: str) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "Unknown" if since else "True", "lastTransitionTime": since}
    labels = {"mcnet.dev/gateway": "true"} if gateway else {}
    metadata = {"name": name, "labels": labels, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}, "status": {"conditions": [ready]}}


class Scene:
    """A cluster of three nodes; the gateway n1 is lost since ten minutes."""

    def __init__(self) -> None:
        self.server = FakeServer()
        self.server.clock = format_datetime(NOW, usegmt=True)
        lost = node("n1", gateway=True, since="2026-01-02T11:50:00Z")
        lost["metadata"]["annotations"] = {"mcnet.dev/gateway-weight": "50"}
        self.server.add(lost, node("n2", gateway=True), node("n3", gateway=False))
        self.member: Member | None = Member(ClusterId("west"), (), (), gateways=GatewayCount(2, auto=True))
        self.leader = True
        self.events: list[str] = []
        self.replacement = Replacement(
            self.server.api(), member=lambda: self.member, is_leader=lambda: self.leader, told=self.told
        )

    async def told(self, reason: str, note: str) -> None:
        self.events.append(f"{reason}: {note}")

    async def looks(self, *clocks: float) -> tuple[str, ...]:
        """The gateways after looks at these times."""
        for clock in clocks:
            await self.replacement.look(clock)
        return labelled_gateways(self.server.all(NODE))


async def test_another_one_first_then_the_lost_one_goes() -> None:
    scene = Scene()
    assert await scene.looks(0, 59) == ("n1", "n2"), "another replica may have changed something a moment ago"
    assert await scene.looks(60) == ("n1", "n2", "n3")
    assert await scene.looks(119) == ("n1", "n2", "n3")
    assert await scene.looks(120) == ("n2", "n3")
    assert scene.server.all(NODE)[0]["metadata"]["annotations"] == {}
    version = scene.server.version
    assert await scene.looks(200, 300) == ("n2", "n3")
    assert scene.server.version == version
    assert [event.split(" ")[:3] for event in scene.events] == [
        ["GatewayReplaced:", "n3", "becomes"], ["GatewayReplaced:", "n1", "is"],
    ]  # fmt: skip


async def test_only_where_it_is_wanted() -> None:
    scene = Scene()
    scene.member = Member(ClusterId("west"), (), (), gateways=GatewayCount(2))
    assert await scene.looks(0, 60, 120) == ("n1", "n2")
    scene.member = None
    assert await scene.looks(180, 240) == ("n1", "n2")
    assert not scene.server.requests, "nodes are not even read"


async def test_only_by_the_leader_and_a_new_one_waits() -> None:
    scene = Scene()
    scene.leader = False
    assert await scene.looks(0, 100) == ("n1", "n2")
    scene.leader = True
    assert await scene.looks(101, 160) == ("n1", "n2")
    assert await scene.looks(161) == ("n1", "n2", "n3")


async def test_what_fails_is_tried_again() -> None:
    scene = Scene()
    scene.server.fail(lambda request: request.method == "PATCH", ForbiddenError("no"), times=1)
    with pytest.raises(ForbiddenError):
        await scene.looks(0, 60)
    assert await scene.looks(61) == ("n1", "n2", "n3")


async def test_how_long_is_by_the_clock_that_wrote_since_when() -> None:
    """Discovery's own clock, which is months ahead of the API server's here, makes nobody lost."""
    scene = Scene()
    scene.server.clock = format_datetime(NOW - timedelta(minutes=6), usegmt=True)
    assert await scene.looks(0, 60) == ("n1", "n2")
    scene.server.clock = format_datetime(NOW, usegmt=True)
    assert await scene.looks(120) == ("n1", "n2", "n3")
    scene = Scene()
    scene.server.fail(lambda request: request.path == "/version", ForbiddenError("no"), times=1)
    assert await scene.looks(0, 60) == ("n1", "n2", "n3"), "its own where it may not ask"
