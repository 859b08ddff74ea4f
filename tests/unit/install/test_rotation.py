"""`mcnet rotate keys`: what it asks for, what it waits for, and what it says when that does not come."""

from dataclasses import replace
from typing import Any

import pytest

from mcnet.codec import endpoint, gateway, member
from mcnet.install.progress import Silent
from mcnet.install.rotation import Rotated, rotate_keys
from mcnet.kube.kinds import MEMBER as MEMBER_KIND
from mcnet.model.errors import McnetError, UsageError
from mcnet.model.gateway import Cable, CableState, Gateway
from tests.fakes.api import FakeServer
from tests.fakes.worlds import EAST, EAST_0, MEMBER, WEST, WEST_0, secured

NAMESPACE = "mcnet-system"


def report(device: str, state: CableState = CableState.CONNECTED, driver: str = "wireguard") -> dict[str, Any]:
    cable = Cable(WEST, "n1", 0, state, driver, device=device)
    return gateway.encode(Gateway("n1", EAST, 0, (cable,)), namespace=NAMESPACE)


def server(own_epoch: int, *reports: dict[str, Any]) -> FakeServer:
    made = FakeServer(context="east")
    ends = [secured(EAST_0, own_epoch), secured(WEST_0, 4)]
    made.add(member.encode(MEMBER), *(endpoint.encode(one, namespace=NAMESPACE) for one in ends), *reports)
    return made


async def test_the_next_epoch_is_asked_for_and_awaited() -> None:
    made = server(7, report("mcnet-cw0b"))

    class Gateways(Silent):
        """Publish and move as soon as they are asked to."""

        def doing(self, text: str) -> None:
            made.add(endpoint.encode(secured(EAST_0, 8), namespace=NAMESPACE), report("mcnet-cw0a"))

    assert await rotate_keys(made.api(), timeout=5, progress=Gateways()) == Rotated(8, 1)
    (obj,) = made.all(MEMBER_KIND)
    assert member.decode(obj) == replace(MEMBER, key_epoch=8)


async def test_who_still_uses_an_old_key_is_named() -> None:
    with pytest.raises(McnetError, match="gateway n1 has not published one"):
        await rotate_keys(server(7, report("mcnet-cw0b")).api(), timeout=0.05, progress=Silent())


async def test_a_cable_that_stays_on_its_old_device_is_named() -> None:
    made = server(7, report("mcnet-cw0b"))

    class Gateways(Silent):
        """Publish, but don't get through by the new cable."""

        def doing(self, text: str) -> None:
            made.add(endpoint.encode(secured(EAST_0, 8), namespace=NAMESPACE))

    with pytest.raises(McnetError, match=r"the cable of n1 to west\.n1; the old ones carry the traffic"):
        await rotate_keys(made.api(), timeout=1, progress=Gateways())


async def test_a_cluster_that_has_not_joined_or_has_no_keys() -> None:
    with pytest.raises(UsageError, match="has not joined"):
        await rotate_keys(FakeServer(context="east").api(), timeout=1, progress=Silent())
    made = FakeServer(context="east")
    made.add(member.encode(MEMBER), endpoint.encode(EAST_0, namespace=NAMESPACE))
    with pytest.raises(UsageError, match="no gateway of east has published a WireGuard key"):
        await rotate_keys(made.api(), timeout=1, progress=Silent())
