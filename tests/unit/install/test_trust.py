"""Trusting a member's new keys: exactly those that were shown, and only where there is something to decide."""

import pytest

from mcnet.codec import pins
from mcnet.codec.fingerprint import fingerprint
from mcnet.install.trust import offer, trust
from mcnet.kube.kinds import CONFIG_MAP
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import ConflictError, McnetError, NotFoundError, UsageError
from mcnet.model.trust import Pin
from tests.fakes.api import FakeServer
from tests.fakes.identities import identity_of

EAST, WEST = ClusterId("east"), ClusterId("west")
KNOWN, NEW = identity_of("east").public, identity_of("east", 2).public


def server(**known: Pin) -> FakeServer:
    made = FakeServer(context="west")
    made.add(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mcnet-system"}},
        pins.encode({ClusterId(name): pin for name, pin in known.items()}, namespace="mcnet-system"),
    )
    return made


def held(made: FakeServer) -> dict[ClusterId, Pin]:
    return pins.decode(made.all(CONFIG_MAP)[0])


async def test_the_offered_keys_take_the_place_of_the_known_ones() -> None:
    made = server(east=Pin(KNOWN, (("e1", 7),), NEW), north=Pin(identity_of("north").public))
    found = await offer(made.api(), EAST)
    assert found is not None
    assert (found.known, found.offered) == (KNOWN, NEW)
    await trust(made.api(), found)
    assert held(made) == {EAST: Pin(NEW), ClusterId("north"): Pin(identity_of("north").public)}
    assert await offer(made.api(), EAST) is None


async def test_keys_that_changed_once_more_are_not_trusted() -> None:
    made = server(east=Pin(KNOWN, offered=NEW))
    found = await offer(made.api(), EAST)
    assert found is not None
    third = identity_of("east", 3).public
    made.add(pins.encode({EAST: Pin(KNOWN, offered=third)}, namespace="mcnet-system"))
    with pytest.raises(ConflictError, match="perhaps the keys of east once more") as caught:
        await trust(made.api(), found)
    assert caught.value.hint == "look again: mcnet member trust east"
    assert held(made)[EAST] == Pin(KNOWN, offered=third)


@pytest.mark.parametrize("pin", [Pin(KNOWN), Pin(NEW, offered=KNOWN)], ids=["nothing to decide", "other keys"])
async def test_a_key_that_is_not_the_one_named_is_refused_in_any_case(pin: Pin) -> None:
    """Else who has checked another fingerprint would take this one for it."""
    assert await offer(server(east=Pin(KNOWN)).api(), EAST, fingerprint(KNOWN.signing_key)) is None
    with pytest.raises(McnetError, match=f"not {fingerprint(NEW.signing_key)}".replace("+", r"\+")):
        await offer(server(east=pin).api(), EAST, fingerprint(NEW.signing_key))


async def test_nothing_to_decide() -> None:
    assert await offer(server(east=Pin(KNOWN)).api(), EAST) is None


async def test_a_pin_that_is_not_readable_can_be_replaced() -> None:
    found = await offer(server(east=Pin(None, offered=NEW)).api(), EAST)
    assert found is not None
    assert found.known is None


async def test_without_keys_at_the_broker_there_is_nothing_to_trust() -> None:
    with pytest.raises(McnetError, match="the broker names no keys for east"):
        await offer(server(east=Pin(None)).api(), EAST)


async def test_a_member_that_is_not_known() -> None:
    with pytest.raises(UsageError, match="north is no member that is known here; there are: east, west"):
        await offer(server(east=Pin(KNOWN), west=Pin(NEW)).api(), ClusterId("north"))


async def test_a_cluster_that_has_not_joined() -> None:
    with pytest.raises(NotFoundError, match="west is no member of a clusterset"):
        await offer(FakeServer(context="west").api(), EAST)
