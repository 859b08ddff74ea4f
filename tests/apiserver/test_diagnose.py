"""`diagnose` on real API servers: what it reads and asks there is served, and nothing of a run is left behind."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from mcnet.codec import member as member_codec
from mcnet.codec.broker import BrokerCredential, encode_secret
from mcnet.diagnose.broker import read_broker
from mcnet.diagnose.checks import CHECKS
from mcnet.diagnose.checks.rbac import rendered, rights
from mcnet.diagnose.run import diagnose
from mcnet.diagnose.site import Site
from mcnet.install import accounts
from mcnet.install.broker import deploy_broker
from mcnet.install.progress import Silent
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.cluster import ClusterId
from mcnet.model.diagnosis import Diagnosis, Verdict
from mcnet.model.errors import ApiError
from mcnet.model.member import BROKER_NAMESPACE, SYSTEM_NAMESPACE, Member
from tests.apiserver.controllers import finalize_namespaces
from tests.apiserver.server import ApiServer
from tests.apiserver.test_broker import cluster_object

WEST = ClusterId("west")
MEMBER = Member(WEST, (ip_network("10.2.0.0/16"),), ())
BY_NAME = {check.name: check for check in CHECKS}


@pytest.fixture
async def credential(broker_api: Api) -> AsyncIterator[BrokerCredential]:
    """West's, at a broker that knows west and east."""
    info = (await deploy_broker(broker_api, progress=Silent())).info
    made = await accounts.admin_credential(broker_api, WEST, info)
    for name, pods in (("east", "10.1.0.0/16"), ("west", "10.2.0.0/16")):
        await broker_api.apply(cluster_object(ClusterId(name), pods))
    yield made
    await broker_api.delete(kinds.NAMESPACE, BROKER_NAMESPACE)
    await finalize_namespaces(broker_api)


@pytest.fixture
async def site(member_server: ApiServer, member_api: Api, credential: BrokerCredential) -> AsyncIterator[Site]:
    """West as a member with one node and no daemons."""
    metadata = {"name": SYSTEM_NAMESPACE, "annotations": {"mcnet.dev/image": "localhost/mcnet:none"}}
    await member_api.create(kinds.NAMESPACE, {"metadata": metadata})
    for obj in (member_codec.encode(MEMBER), encode_secret(credential), *rendered()):
        await member_api.apply(obj)
    await member_api.create(kinds.NODE, {"metadata": {"name": "n1"}})
    async with await member_server.admin() as api:
        one = Site(api, MEMBER)
        yield one
        await one.close()
    await member_api.delete(kinds.NODE, "n1")
    await member_api.delete(kinds.NAMESPACE, SYSTEM_NAMESPACE)
    await finalize_namespaces(member_api)


async def outcome(site: Site, name: str) -> Diagnosis:
    (found,) = await diagnose([site], [BY_NAME[name]])
    return found


async def everything(api: Api) -> set[tuple[str, str, str, str]]:
    """Kind, namespace, name and version of every object of the kinds that mcnet knows."""
    found = set()
    for kind in kinds.KINDS:
        try:
            listed = await api.list(kind)
        except ApiError:
            continue  # a kind that can't be listed, or that this server does not have
        for obj in listed:
            metadata = obj["metadata"]
            found.add((kind.kind, metadata.get("namespace", ""), metadata["name"], metadata["resourceVersion"]))
    return found


async def test_a_run_leaves_nothing_behind(site: Site, member_api: Api) -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    addresses = [{"type": "InternalIP", "address": "192.0.2.1"}]
    await member_api.merge_patch(
        kinds.NODE, "n1", {"status": ready | {"addresses": addresses}}, subresource="status"
    )  # fmt: skip
    kubelet = asyncio.create_task(_play(member_api))
    before = await everything(member_api)
    try:
        found = await diagnose([site], [replace(check, deadline=60.0) for check in CHECKS])
    finally:
        kubelet.cancel()
        await asyncio.gather(kubelet, return_exceptions=True)
    assert {one.check for one in found} == set(BY_NAME)
    assert not [one for one in found if any("the check itself failed" in finding.said for finding in one.findings)]
    said = {finding.said for one in found for finding in one.findings}
    assert any(text.startswith("it could not be looked at: its output could not be read") for text in said), said
    assert await everything(member_api) == before


async def _play(api: Api) -> None:
    """Every pod fails at once, as on a node that has no room."""
    failed: dict[str, Any] = {"status": {"phase": "Failed", "reason": "Evicted", "message": "no room"}}
    while True:
        for pod in await api.list(kinds.POD, SYSTEM_NAMESPACE):
            if (pod.get("status") or {}).get("phase") == "Failed":
                continue
            try:
                await api.merge_patch(
                    kinds.POD, pod["metadata"]["name"], failed, SYSTEM_NAMESPACE, subresource="status"
                )
            except ApiError:
                continue  # it is gone again
        await asyncio.sleep(0.05)


async def test_rights_as_rendered_are_granted_by_a_real_authorizer(site: Site) -> None:
    found = await outcome(site, "rbac")
    assert found.findings == ()
    assert found.looked.startswith(f"{len(rights(rendered()))} rights of 3 accounts")


async def test_a_rule_that_is_taken_away_is_denied(site: Site, member_api: Api) -> None:
    role = await member_api.get(kinds.ROLE, "mcnet-route-agent", SYSTEM_NAMESPACE)
    role["rules"] = [rule for rule in role["rules"] if "leases" not in rule["resources"]]
    await member_api.replace(kinds.ROLE, role, SYSTEM_NAMESPACE)
    found: tuple[Any, ...] = ()
    async with asyncio.timeout(20):  # the authorizer hears of it by its own watch
        while not any("may not" in finding.said for finding in found):
            found = (await outcome(site, "rbac")).findings
    assert {finding.about for finding in found} == {"Role mcnet-route-agent", "ServiceAccount mcnet-route-agent"}
    said = next(finding.said for finding in found if "may not" in finding.said)
    assert said.startswith("it may not: get leases.coordination.k8s.io")


async def test_the_broker_is_read_by_the_members_own_credential(site: Site) -> None:
    broker = await read_broker(site)
    assert broker.unread == ""
    assert broker.held is not None
    assert [one["metadata"]["name"] for one in broker.held.clusters] == ["east", "west"]
    assert broker.held.clock is not None
    assert broker.held.version.startswith("v1.")


async def test_a_credential_that_was_revoked_is_refused(
    site: Site, member_api: Api, credential: BrokerCredential
) -> None:
    await member_api.apply(encode_secret(replace(credential, token="revoked")))
    broker = await read_broker(site)
    assert "the credential is not accepted" in broker.refused
    assert "revoked" not in broker.refused


async def test_members_and_networks(site: Site, member_api: Api) -> None:
    found = await outcome(site, "members")
    assert found.looked == "2 members at the broker: east, west"
    assert {(one.about, one.verdict) for one in found.findings} >= {
        ("member east", Verdict.WARNING), ("member west", Verdict.WRONG),
    }  # fmt: skip
    for name in ("cidr-overlap", "endpoints", "network-policies", "versions", "image"):
        assert "the check itself failed" not in str((await outcome(site, name)).findings)


async def test_policies_of_a_real_server(site: Site, member_api: Api) -> None:
    labels = {"app.kubernetes.io/name": "mcnet", "app.kubernetes.io/component": "discovery"}
    container = {"name": "c", "image": "none"}
    pod = {"metadata": {"name": "mcnet-discovery-x", "labels": labels}, "spec": {"containers": [container]}}
    await member_api.create(kinds.POD, pod, SYSTEM_NAMESPACE)
    policy = {"metadata": {"name": "deny"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"]}}
    await member_api.create(kinds.NETWORK_POLICY, policy, SYSTEM_NAMESPACE)
    (finding,) = (await outcome(site, "network-policies")).findings
    assert finding.about == "NetworkPolicy deny"
    assert "the broker (127.0.0.1, TCP" in finding.said


async def test_clocks_of_real_servers_agree(site: Site) -> None:
    clock = await site.clock()
    assert clock is not None
    assert abs((clock[0] - clock[1]).total_seconds()) < 20
