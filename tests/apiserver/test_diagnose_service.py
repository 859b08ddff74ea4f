"""`mcnet diagnose service` on real API servers with the real discovery: what objects tell, and that no pod stays."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from mcnet.diagnose.service.climb import Climbed, climb
from mcnet.diagnose.site import Site
from mcnet.kube import kinds
from mcnet.model.cluster import ClusterId
from mcnet.model.member import BROKER_SECRET, SYSTEM_NAMESPACE, Member
from mcnet.model.service import ServiceName
from tests.apiserver.controllers import finalize_namespaces
from tests.apiserver.server import ApiServer
from tests.apiserver.service_members import Cluster, Clusterset, both, east_server
from tests.apiserver.test_diagnose import _play
from tests.fakes.discovery import cluster_object

__all__ = ["both", "east_server"]


@pytest.fixture
async def sites(both: Clusterset, east_server: ApiServer, member_server: ApiServer) -> AsyncIterator[list[Site]]:
    """East and west as `diagnose` opens them: each with its Member, the others' Clusters and its credential."""
    async with AsyncExitStack() as stack:
        made = []
        for cluster, server in ((both.east, east_server), (both.west, member_server)):
            await stack.enter_async_context(_as_member(cluster))
            made.append(Site(await server.admin(), Member(ClusterId(cluster.id), (), ())))
        for site in made:
            site.others = tuple(one for one in made if one is not site)
        yield made
        for site in made:
            await site.close()


@asynccontextmanager
async def _as_member(cluster: Cluster) -> AsyncIterator[None]:
    """What `join` leaves in mcnet-system, as far as it is looked at."""
    api = cluster.api
    metadata = {"name": SYSTEM_NAMESPACE, "annotations": {"mcnet.dev/image": "localhost/mcnet:none"}}
    await api.create(kinds.NAMESPACE, {"metadata": metadata})
    secret = await api.get(kinds.SECRET, BROKER_SECRET, cluster.system)
    made = {key: secret[key] for key in ("type", "data")} | {"metadata": {"name": BROKER_SECRET}}
    await api.create(kinds.SECRET, made, SYSTEM_NAMESPACE)
    for name, number in (("east", 1), ("west", 2)):
        await api.apply(cluster_object(name, number, SYSTEM_NAMESPACE))
    yield
    await api.delete(kinds.NAMESPACE, SYSTEM_NAMESPACE)
    await finalize_namespaces(api)


def verdicts(climbed: list[Climbed]) -> list[str]:
    return [str(one.verdict) if one.judgement else "-" for one in climbed]


def said(one: Climbed) -> list[str]:
    assert one.judgement is not None
    return [finding.said for finding in one.judgement.findings]


async def test_up_to_where_pods_are_needed(both: Clusterset, sites: list[Site]) -> None:
    namespace = await both.namespace()
    service = ServiceName(namespace, "web")
    await both.east.serve(namespace, "web")
    climbed = await climb(sites, service)
    assert verdicts(climbed) == ["wrong", *["-"] * 6]
    assert said(climbed[0]) == ["no cluster exports it, though east has a Service of that name"]
    await both.east.export(namespace, "web")
    assert said((await climb(sites, service))[0])[0].startswith("nobody has looked at the ServiceExport")
    kubelets = [asyncio.create_task(_play(one.api)) for one in (both.east, both.west)]
    try:
        async with both.daemons():
            await both.east.condition(namespace, "web", "Ready", "True", "Exported")
            for cluster in (both.east, both.west):
                await cluster.imported(namespace, "web", {"10.1.0.1", "10.1.0.2"})
                await cluster.awaited(
                    kinds.SERVICE_IMPORT, "web", namespace,
                    lambda obj: (obj.get("status") or {}).get("clusters") == [{"cluster": "east"}],
                )  # fmt: skip
            climbed = await climb(sites, service)
            assert verdicts(climbed) == [*["fine"] * 5, *["unknown"] * 2], [one.judgement for one in climbed]
            alone = await climb(sites[1:], service)
            assert verdicts(alone) == [*["fine"] * 5, *["unknown"] * 2], [one.judgement for one in alone]
            assert (alone[0].judgement and alone[0].judgement.looked) == "by east (says the broker)"
        await both.west.api.delete(kinds.SERVICE_IMPORT, "web", namespace)
        climbed = await climb(sites, service)
        assert verdicts(climbed) == ["fine", "fine", "wrong", *["-"] * 4]
        assert said(climbed[2]) == ["there is no ServiceImport, though the service is exported by east"]
    finally:
        for one in kubelets:
            one.cancel()
        await asyncio.gather(*kubelets, return_exceptions=True)
    for cluster in (both.east, both.west):
        assert await cluster.api.list(kinds.POD, SYSTEM_NAMESPACE) == []
