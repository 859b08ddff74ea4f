"""`mcnet export`, `unexport`, `show` and `diagnose` of services on real clusters, as a user types them."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from mcnet.kube.kinds import POD, SERVICE, SERVICE_EXPORT
from mcnet.lab.impair import Impairment, LinkName
from mcnet.model.member import SYSTEM_NAMESPACE
from tests.e2e.clusterset import CLUSTERS, Clusterset, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

OBJECTS = ["export", "broker", "import", "derived", "endpoints"]
"""Rungs that API servers tell of; for the others pods ask."""


@pytest_asyncio.fixture(loop_scope="session")
async def exported(clusterset: Clusterset) -> AsyncIterator[Clusterset]:
    """East exports the web servers' Service."""
    await clusterset.mcnet("export", "service", "web", "--context", "east")
    yield clusterset
    for cluster in CLUSTERS:
        await clusterset.run("unexport", "service", "web", "--context", cluster)


async def rows(clusterset: Clusterset) -> dict[str, dict[str, Any]]:
    """By cluster, what `show services` says of it."""
    _, out = await clusterset.run("show", "services", "--timeout", "60", "-o", "json")
    return {row["cluster"]: row for row in json.loads(out) if row["service"] == "default/web"}


async def rungs(clusterset: Clusterset, *words: str) -> dict[str, dict[str, Any]]:
    _, out = await clusterset.run("diagnose", "service", "web", "-o", "json", *words)
    return {row["rung"]: row for row in json.loads(out)}


async def test_exported_shown_climbed_and_taken_back(exported: Clusterset) -> None:
    said = await exported.mcnet("export", "service", "web", "--context", "east")
    assert "Nothing had to be changed: default/web is exported as web.default.svc.clusterset.local" in said

    async def everywhere() -> bool:
        found = await rows(exported)
        return set(found) == set(CLUSTERS) and all(row["state"] == "ready" for row in found.values())

    await eventually(everywhere, 60, "the service is imported everywhere")
    found = await rows(exported)
    assert [found[cluster]["exported"] for cluster in CLUSTERS] == [cluster == "east" for cluster in CLUSTERS]
    assert found["west"]["clusters"] == [{"cluster": "east", "ready": 2, "total": 2}]

    async def usable() -> bool:
        # CoreDNS reads a changed Corefile within two minutes.
        return {rung["verdict"] for rung in (await rungs(exported)).values()} == {"fine"}

    await eventually(usable, 180, "every rung holds, the name's answer and a connection from a pod too")
    alone = await rungs(exported, "--context", "west")
    assert alone["export"]["looked"] == "by east (says the broker)"
    for cluster in CLUSTERS:
        async with await exported.api(cluster) as api:
            assert await api.list(POD, SYSTEM_NAMESPACE, labels="app.kubernetes.io/name=mcnet-once") == []
    assert "deleted" in await exported.mcnet("unexport", "service", "web", "--context", "east")
    async with await exported.api("east") as api:
        assert await api.find(SERVICE_EXPORT, "web", "default") is None
        assert await api.find(SERVICE, "web", "default") is not None
    climbed = await rungs(exported)
    assert climbed["export"]["findings"][0]["remedy"] == "mcnet export service web -n default --context east"
    assert climbed["broker"]["looked"] == "", "not looked at"


async def test_a_cluster_that_is_cut_off_is_the_broken_rung(exported: Clusterset) -> None:
    nodes = ("east-n1", "east-n2")
    for node in nodes:
        await exported.lab.impair(node, LinkName.WAN, Impairment(cut=True))
    try:

        async def withdrawn() -> bool:
            return (await rows(exported))["west"]["state"] == "no endpoints"

        await eventually(withdrawn, 60, "the endpoints of east leave west")
        climbed = await rungs(exported)
        assert [climbed[name]["verdict"] for name in OBJECTS] == ["fine"] * 4 + ["wrong"]
        (finding,) = climbed["endpoints"]["findings"]
        assert (finding["about"], finding["said"]) == (
            "cluster west", "no cable leads to east, so its endpoints are not used",
        )  # fmt: skip
    finally:
        for node in nodes:
            await exported.lab.impair(node, LinkName.WAN, Impairment())

    async def back() -> bool:
        return (await rows(exported))["west"]["state"] == "ready"

    await eventually(back, 60, "the endpoints of east are back in west")
