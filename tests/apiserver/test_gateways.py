"""`mcnet gateway add | drain | undrain | weight | remove` on a real API server.

A task plays the gateway's daemons: pods, Endpoints and reports as the nodes' labels and annotations want them.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

import pytest

from mcnet.codec import endpoint as endpoint_codec
from mcnet.codec import gateway as gateway_codec
from mcnet.codec import member as member_codec
from mcnet.codec import node as node_codec
from mcnet.install import gateway_drained, gateway_settings, gateways
from mcnet.install.gateway_settings import Changed
from mcnet.install.gateways import Waiting, add, drain, read, remove, undrain, weigh
from mcnet.install.join_plan import JoinRequest
from mcnet.install.progress import Silent
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.cluster import ClusterId
from mcnet.model.endpoint import DriverOffer, Endpoint
from mcnet.model.errors import ApiError, McnetError, UsageError
from mcnet.model.gateway import Cable, CableState, Gateway
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.model.node import DRAIN_ANNOTATION, PORT_BASE_ANNOTATION
from mcnet.plan.gateway_choice import labelled_gateways
from mcnet.plan.views.gateway_nodes import rows
from tests.apiserver.test_join import WEST, Heard, info, joined, request_, west
from tests.fakes.eventually import eventually

__all__ = ["info", "request_", "west"]

EAST_END = Endpoint(ClusterId("east"), "east-n1", 0, (ip_address("192.0.2.9"),), drivers=(DriverOffer("vxlan"),))
NOW = Waiting(timeout=20.0, grace=0.0)


@pytest.fixture
async def member(west: Api, request_: JoinRequest) -> Api:
    """West, joined, with n1 as gateway, and what discovery brings of east."""
    await joined(west, request_)
    await west.apply(endpoint_codec.encode(EAST_END, namespace=SYSTEM_NAMESPACE))
    return west


@asynccontextmanager
async def daemons(api: Api) -> AsyncIterator[None]:
    """They follow while the block runs."""

    async def act() -> None:
        while True:
            try:
                for at, obj in enumerate(await api.list(kinds.NODE)):
                    await follow(api, at, obj)
            except ApiError:
                pass  # something went away in between: the next round sees it
            await asyncio.sleep(0.05)

    task = asyncio.create_task(act())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def follow(api: Api, at: int, obj: dict[str, Any]) -> None:
    node = node_codec.decode(obj)
    port = int((obj["metadata"].get("annotations") or {}).get(PORT_BASE_ANNOTATION, 4500))
    weight = 0 if node.draining else node.weight
    end = replace(EAST_END, cluster=WEST, gateway=node.name, rail=at, weight=weight, port_base=port)
    if not node.gateway:
        await api.delete(kinds.ENDPOINT, end.name, SYSTEM_NAMESPACE)
        await api.delete(kinds.GATEWAY, node.name, SYSTEM_NAMESPACE)
        await api.delete(kinds.POD, f"gateway-{node.name}", SYSTEM_NAMESPACE)
        return
    if not await api.find(kinds.POD, f"gateway-{node.name}", SYSTEM_NAMESPACE):
        await api.create(kinds.POD, pod(node.name), SYSTEM_NAMESPACE)
        running = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        await api.merge_patch(
            kinds.POD, f"gateway-{node.name}", {"status": running}, SYSTEM_NAMESPACE, subresource="status"
        )
    await api.apply(endpoint_codec.encode(end, namespace=SYSTEM_NAMESPACE))
    cable = Cable(EAST_END.cluster, EAST_END.gateway, 0, CableState.CONNECTED, "vxlan", active=True)
    report = Gateway(node.name, WEST, at, (cable,), weight=node.weight, draining=node.draining)
    await api.apply(gateway_codec.bare(node=node.name, namespace=SYSTEM_NAMESPACE))
    await api.apply(gateway_codec.encode(report, namespace=SYSTEM_NAMESPACE), subresource="status")


def pod(node: str, component: str = "gateway") -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "mcnet", "app.kubernetes.io/component": component}
    # Without grace, since no kubelet is there to end it: it would stay for the tests that follow.
    spec = {
        "nodeName": node, "containers": [{"name": component, "image": "none"}], "terminationGracePeriodSeconds": 0,
    }  # fmt: skip
    return {"metadata": {"name": f"{component}-{node}", "labels": labels}, "spec": spec}


async def marks(api: Api, node: str) -> dict[str, str]:
    found = (await api.get(kinds.NODE, node))["metadata"].get("annotations") or {}
    return {name: value for name, value in found.items() if "mcnet" in name}


async def count(api: Api) -> int:
    return member_codec.decode(await api.get(kinds.MEMBER, "mcnet", SYSTEM_NAMESPACE)).gateways.number


@pytest.mark.timeout(120)
async def test_a_gateway_comes_is_weighed_drained_and_goes(member: Api) -> None:
    async with daemons(member):
        assert await add(member, "n2", NOW, Silent())
        assert (labelled_gateways(await member.list(kinds.NODE)), await count(member)) == (("n1", "n2"), 2)
        assert not await add(member, "n2", NOW, Silent())
        assert await weigh(member, "n2", 50) == (100, 50)
        assert await drain(member, "n1", NOW, Silent())
        assert not await drain(member, "n1", NOW, Silent())
        found = {row["gateway"]: row for row in rows(await read(member))}
        assert [(found[name]["weight"], found[name]["carries"]) for name in ("n1", "n2")] == [
            (100, False),
            (50, True),
        ]
        with pytest.raises(McnetError, match="n2 is the only healthy gateway of west: without it east can't"):
            await drain(member, "n2", NOW, Silent())
        assert await undrain(member, "n1", Silent())
        assert await remove(member, "n2", NOW, Silent())
        assert (labelled_gateways(await member.list(kinds.NODE)), await count(member)) == (("n1",), 1)
        assert await marks(member, "n2") == await marks(member, "n1") == {}
        assert not await remove(member, "n2", NOW, Silent())


@pytest.mark.timeout(120)
async def test_a_node_is_a_gateway_again_when_what_ran_on_it_has_ended(
    member: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends takes the devices with it that it holds (mcnet-cable)."""

    doing: list[str] = []
    monkeypatch.setattr(Heard, "doing", lambda _, text: doing.append(text))
    await member.create(kinds.POD, pod("n2", "cable"), SYSTEM_NAMESPACE)
    async with daemons(member):
        heard = Heard()
        adding = asyncio.create_task(add(member, "n2", NOW, heard))
        waits = "Waiting until cable-n2 has ended, of the time when n2 was a gateway"
        await eventually(lambda: waits in doing, timeout=20)
        assert (adding.done(), labelled_gateways(await member.list(kinds.NODE))) == (False, ("n1",))
        await member.delete(kinds.POD, "cable-n2", SYSTEM_NAMESPACE)
        assert await adding
        await member.create(kinds.POD, pod("n2", "cable"), SYSTEM_NAMESPACE)
        assert not await add(member, "n2", NOW, Heard()), "it is one"
        await remove(member, "n2", NOW, Silent())
        with monkeypatch.context() as patch:
            patch.setattr(gateways, "FORMER", 1.0)
            assert await add(member, "n2", NOW, heard), "what does not end holds up nothing for ever"
        assert "cable-n2 of the time when n2 was a gateway has not ended after 1 s" in " ".join(heard.said)
        await remove(member, "n2", NOW, Silent())
        doing.clear()
        adding = asyncio.create_task(add(member, "n2", NOW, heard))
        await eventually(lambda: waits in doing, timeout=20)
        assert await add(member, "n2", Waiting(timeout=0.0), Silent()), "somebody else, who does not wait"
        await member.delete(kinds.POD, "cable-n2", SYSTEM_NAMESPACE)
        assert (await adding, await count(member)) == (False, 2), "what was read before that is old"
        await remove(member, "n2", NOW, Silent())


@pytest.mark.timeout(120)
async def test_others_leave_a_gateway_before_it_gets_another_port(
    member: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And use it again once it has published that; the only one is changed at once."""
    seen: list[tuple[int, int]] = []

    async def changed(api: Api, node: str, given: Mapping[str, str], *, dry_run: bool = False) -> Changed:
        end = (await read(api)).nodes[node].endpoint
        assert end is not None
        found = await gateway_settings.change(api, node, given, dry_run=dry_run)
        if found.values and not dry_run:
            seen.append((end.weight, end.port_base))
        return found

    monkeypatch.setattr(gateway_drained, "gateway_settings", SimpleNamespace(change=changed))
    async with daemons(member):
        heard = Heard()
        await add(member, "n1", NOW, Silent())
        alone = await gateway_drained.change(member, "n1", {"port-base": "4600"}, NOW, heard)
        assert (alone.values, seen) == ({"port-base": "4600"}, [(100, 4500)])
        assert [text for text in heard.said if "the only healthy gateway of west" in text]
        await add(member, "n2", NOW, Silent())
        again = await gateway_drained.change(member, "n1", {"port-base": "4600"}, NOW, Silent())
        assert (again.values, len(seen)) == ({}, 1), "nothing to change, so nobody leaves it"
        would = await gateway_drained.change(member, "n1", {"port-base": "4700"}, NOW, Silent(), dry_run=True)
        assert (would.values, len(seen)) == ({"port-base": "4700"}, 1)
        await gateway_drained.change(member, "n1", {"port-base": "4700"}, NOW, Silent())
        assert seen[1:] == [(0, 4600)]
        assert (await marks(member, "n1")).keys() == {PORT_BASE_ANNOTATION}
        with pytest.raises(UsageError, match="not a port"):
            await gateway_drained.change(member, "n1", {"port-base": "x"}, NOW, Silent())
        await drain(member, "n1", NOW, Silent())
        await gateway_drained.change(member, "n1", {"port-base": "default"}, NOW, Silent())
        assert seen[2:] == [(0, 4700)]
        assert (await marks(member, "n1")).keys() == {DRAIN_ANNOTATION}, "it was not this command that drained it"


@pytest.mark.timeout(120)
async def test_a_gateway_that_is_not_left_carries_on_as_it_was(member: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it can't be taken back it is said how."""
    async with daemons(member):
        for node in ("n1", "n2"):
            await add(member, node, NOW, Silent())

        async def stuck(api: Api, name: str, *arguments: object, **options: object) -> bool:
            await drain(api, name, NOW, Silent())
            raise McnetError("east still sends by n1 after 60 s")

        monkeypatch.setattr(gateway_drained, "drain", stuck)
        with pytest.raises(McnetError, match="still sends"):
            await gateway_drained.change(member, "n1", {"port-base": "4600"}, NOW, Silent())
        assert await marks(member, "n1") == {}

        async def unreachable(*_: object) -> bool:
            raise McnetError("the API server does not answer")

        heard = Heard()
        monkeypatch.setattr(gateway_drained, "undrain", unreachable)
        with pytest.raises(McnetError, match="still sends"):
            await gateway_drained.change(member, "n1", {"port-base": "4600"}, NOW, heard)
        assert [text for text in heard.said if "n1 still drains" in text and "mcnet gateway undrain n1" in text]


async def test_a_later_join_keeps_the_number(member: Api, request_: JoinRequest) -> None:
    await add(member, "n2", Waiting(timeout=0), Silent())
    await remove(member, "n1", Waiting(timeout=0), Silent(), force=True)
    await joined(member, replace(request_, token=None))
    assert labelled_gateways(await member.list(kinds.NODE)) == ("n2",)


async def test_a_dry_run_changes_nothing(member: Api) -> None:
    before = [obj["metadata"]["resourceVersion"] for obj in await member.list(kinds.NODE)]
    assert await add(member, "n2", NOW, Silent(), dry_run=True)
    assert await remove(member, "n1", NOW, Silent(), force=True, dry_run=True)
    assert [obj["metadata"]["resourceVersion"] for obj in await member.list(kinds.NODE)] == before
    assert await count(member) == 1
