"""Which contexts lead to a member; one that hangs, refuses or is damaged is told and holds up no other."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mcnet.codec import member as member_codec
from mcnet.diagnose.open import Absent, open_sites
from mcnet.diagnose.site import Site
from mcnet.kube.transport import Request
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import McnetError, UnreachableError, UsageError
from mcnet.model.member import BROKER_NAMESPACE, Member
from mcnet.show.gather import Unread
from tests.fakes.api import FakeServer


class Closing(FakeServer):
    """Remembers that its connection was closed."""

    closed = False

    async def close(self) -> None:
        self.closed = True


class Hanging(Closing):
    async def send(self, request: Request) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError


def member(name: str, server: FakeServer | None = None) -> FakeServer:
    server = server or Closing(server=f"https://{name}", context=name, ca=name.encode())
    server.add(member_codec.encode(Member(ClusterId(name), (), ())))
    return server


@pytest.fixture
def kubeconfig(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeServer | McnetError]:
    """What is behind each context."""
    behind: dict[str, FakeServer | McnetError] = {}

    async def open_context(name: str, path: Path | None, timeout: float) -> Any:
        one = behind[name]
        return one.api() if isinstance(one, FakeServer) else one

    monkeypatch.setattr("mcnet.diagnose.open.open_context", open_context)
    monkeypatch.setattr("mcnet.diagnose.open.contexts", lambda path: list(behind))
    return behind


async def test_members_know_each_other_and_the_brokers(kubeconfig: dict[str, Any]) -> None:
    hub = Closing(server="https://hub", context="hub", ca=b"hub")
    hub.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": BROKER_NAMESPACE}})
    kubeconfig |= {"east": member("east"), "hub": hub, "west": member("west"), "plain": Closing()}
    east, broker, west, plain = await open_sites(None, None)
    assert isinstance(east, Site)
    assert isinstance(west, Site)
    assert (east.others, west.others) == ((west,), (east,))
    assert [(one.context, one.server, one.ca) for one in west.brokers] == [("hub", "https://hub", b"hub")]
    assert (broker, plain) == (Absent("hub", broker=True), Absent("plain"))
    assert hub.closed
    assert not kubeconfig["east"].closed


async def test_only_the_named_context(kubeconfig: dict[str, Any]) -> None:
    kubeconfig |= {"east": member("east"), "west": member("west")}
    (found,) = await open_sites("west", None)
    assert isinstance(found, Site)
    assert (found.context, found.others) == ("west", ())


async def test_a_context_that_hangs_holds_up_no_other(
    kubeconfig: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcnet.diagnose.open.TIMEOUT", 0.05)
    kubeconfig |= {"hangs": Hanging(server="https://hangs"), "west": member("west")}
    hangs, west = await open_sites(None, None)
    assert isinstance(west, Site)
    assert isinstance(hangs, Unread)
    assert hangs.error.message == "https://hangs did not answer within 0.05 s"
    assert kubeconfig["hangs"].closed


async def test_what_can_not_be_read_says_why(kubeconfig: dict[str, Any]) -> None:
    down, damaged = Closing(), member("damaged")
    down.go_down(UnreachableError("connection refused"))
    damaged.add(_damaged())
    kubeconfig |= {"plugin": UsageError("no plugin"), "down": down, "damaged": damaged}
    found = await open_sites(None, None)
    said = [one.error.message for one in found if isinstance(one, Unread)]
    assert said[:2] == ["no plugin", "connection refused"]
    assert said[2].startswith("its Member object is damaged: mcnet: spec.cluster")
    assert down.closed


def _damaged() -> dict[str, Any]:
    obj = member_codec.encode(Member(ClusterId("x"), (), ()))
    obj["spec"]["cluster"] = "Not An ID"
    return obj
