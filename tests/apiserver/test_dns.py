"""The DNS daemon with a real API server, asked by UDP and TCP as its clients do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest

from mcnet.dns.sockets import LOOPBACK
from mcnet.kube.api import Api
from mcnet.kube.connect import with_token
from mcnet.kube.kinds import ENDPOINT_SLICE, NAMESPACE, SECRET, SERVICE_IMPORT
from mcnet.loop.run import Stop
from mcnet.render.engine import render
from mcnet.render.values import DnsValues, MemberValues
from mcnet_dns.main import Dns
from mcnet_dns.settings import Settings
from tests.apiserver.conftest import know_imports
from tests.apiserver.server import ApiServer
from tests.fakes.eventually import eventually
from tests.fakes.imports import endpoint, headless_object, import_object, slice_object
from tests.fakes.ports import free_port

CLUSTER_WIDE = ("ClusterRole", "ClusterRoleBinding")
PATIENCE = 10.0
"""Seconds; clients of the tests wait as long as this for one answer."""


@pytest.fixture
async def api(member_api: Api) -> Api:
    """The member's admin, where ServiceImports are known."""
    await know_imports(member_api)
    return member_api


@asynccontextmanager
async def daemon(api: Api) -> AsyncIterator[Dns]:
    settings = Settings(port=0, metrics_port=free_port(), hosts=100, cluster_names=False)
    stop = Stop()
    made = Dns(settings, api, hosts=LOOPBACK)
    task = asyncio.create_task(made.main(stop))
    try:
        await asyncio.wait({task, asyncio.create_task(made.serving.wait())}, return_when=asyncio.FIRST_COMPLETED)
        yield made
    finally:
        stop.set("the test ends")
        await task


async def ask(
    server: Dns, name: str, kind: str = "A", *, by: Callable[..., Any] = dns.asyncquery.udp
) -> dns.message.Message:
    query = dns.message.make_query(f"{name}.clusterset.local", kind, use_edns=0, payload=1232)
    answer: dns.message.Message = await by(query, "127.0.0.1", port=server.port, timeout=PATIENCE)
    return answer


def found(answer: dns.message.Message) -> list[str]:
    return sorted(str(record) for rrset in answer.answer for record in rrset)


async def until(server: Dns, name: str, kind: str, wanted: list[str] | str) -> None:
    """Asks until these are the answers, or this is the outcome."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await ask(server, name, kind)
            if wanted in (found(answer), dns.rcode.to_text(answer.rcode())):
                return
            await asyncio.sleep(0.01)


async def test_an_import_is_answered_follows_its_changes_and_goes(api: Api, member_namespace: str) -> None:
    name = f"web.{member_namespace}.svc"
    async with daemon(api) as server:
        await until(server, name, "A", "NXDOMAIN")
        made = await api.create(
            SERVICE_IMPORT, without_version(import_object("web", member_namespace, ips=["10.1.2.3"]))
        )
        await until(server, name, "A", ["10.1.2.3"])
        assert found(await ask(server, f"_http._tcp.{name}", "SRV")) == [f"0 100 80 {name}.clusterset.local."]
        made["spec"]["ports"][0]["port"] = 8080
        await api.replace(SERVICE_IMPORT, made)
        await until(server, f"_http._tcp.{name}", "SRV", [f"0 100 8080 {name}.clusterset.local."])
        assert found(await ask(server, name, "A", by=dns.asyncquery.tcp)) == ["10.1.2.3"]
        await api.delete(SERVICE_IMPORT, "web", member_namespace)
        await until(server, name, "A", "NXDOMAIN")


def without_version(obj: dict[str, Any]) -> dict[str, Any]:
    del obj["metadata"]["resourceVersion"]
    return obj


async def test_headless_endpoints_come_and_go_with_their_slices(api: Api, member_namespace: str) -> None:
    name = f"db.{member_namespace}.svc"
    async with daemon(api) as server:
        await api.create(SERVICE_IMPORT, without_version(headless_object("db", member_namespace)))
        await until(server, f"{member_namespace}.svc", "A", [])
        await until(server, name, "A", "NXDOMAIN")
        west = without_version(
            slice_object("db-w", member_namespace, "db", "west", [endpoint("10.9.0.1", hostname="db-0")])
        )
        east = without_version(slice_object("db-e", member_namespace, "db", "east", [endpoint("10.8.0.1")]))
        west = await api.create(ENDPOINT_SLICE, west)
        await api.create(ENDPOINT_SLICE, east)
        await until(server, name, "A", ["10.8.0.1", "10.9.0.1"])
        assert found(await ask(server, f"db-0.west.{name}")) == ["10.9.0.1"]
        west["endpoints"][0]["conditions"]["ready"] = False
        await api.replace(ENDPOINT_SLICE, west)
        await until(server, name, "A", ["10.8.0.1"])
        assert (await ask(server, f"db-0.west.{name}")).rcode() == dns.rcode.NXDOMAIN
        await api.delete(ENDPOINT_SLICE, "db-e", member_namespace)
        await until(server, name, "A", "NXDOMAIN")


async def test_a_namespace_is_there_once_it_is_created(api: Api) -> None:
    async with daemon(api) as server:
        await until(server, "later.svc", "A", "NXDOMAIN")
        await api.create(NAMESPACE, {"metadata": {"name": "later"}})
        await until(server, "later.svc", "A", "NOERROR")


async def test_too_many_for_udp_come_by_tcp(api: Api, member_namespace: str) -> None:
    name = f"many.{member_namespace}.svc"
    endpoints = [endpoint(f"10.9.1.{number}") for number in range(1, 101)]
    await api.create(SERVICE_IMPORT, without_version(headless_object("many", member_namespace)))
    await api.create(
        ENDPOINT_SLICE, without_version(slice_object("many", member_namespace, "many", "west", endpoints))
    )
    async with daemon(api) as server:
        await until(server, f"10-9-1-1.west.{name}", "A", ["10.9.1.1"])
        short = await ask(server, name)
        assert short.flags & dns.flags.TC
        assert 0 < len(found(short)) < 100
        assert len(found(await ask(server, name, by=dns.asyncquery.tcp))) == 100


async def test_the_rights_of_its_account_are_enough_and_no_more(
    member_server: ApiServer, api: Api, member_namespace: str
) -> None:
    values = MemberValues(cluster="west", image="none", namespace=member_namespace, dns=DnsValues())
    for obj in render("member", values):
        if obj["metadata"]["name"] == "mcnet-dns" and obj["kind"] in {"ServiceAccount", *CLUSTER_WIDE}:
            await api.apply(obj)
    await api.create(SERVICE_IMPORT, without_version(import_object("r", member_namespace, ips=["10.1.2.6"])))
    token, _ = await api.create_token("mcnet-dns", member_namespace, seconds=3600)
    async with (
        await with_token(server=member_server.url, ca=member_server.ca, token=token) as own,
        daemon(own) as server,
    ):
        await until(server, f"r.{member_namespace}.svc", "A", ["10.1.2.6"])
        for kind in (SERVICE_IMPORT, ENDPOINT_SLICE, NAMESPACE):
            for verb in ("create", "update", "patch", "delete"):
                assert not await own.can_i(verb, kind, member_namespace), kind.kind
        assert not await own.can_i("get", SECRET, member_namespace)


async def test_nothing_is_denied_before_all_has_been_listed(member_server: ApiServer, api: Api) -> None:
    """Without its API server a new replica knows nothing: it says so, and is not ready."""
    async with await member_server.admin() as other:
        member_server.stop()
        try:
            async with daemon(other) as server:
                assert (await ask(server, "web.shop.svc")).rcode() == dns.rcode.SERVFAIL
                assert await status(server, "/readyz") == 503
                assert await status(server, "/healthz") == 200
                await member_server.start()
                await until(server, "svc", "A", "NOERROR")
                assert await status(server, "/readyz") == 200
        finally:
            await member_server.start()


async def test_what_is_known_is_answered_while_the_api_server_is_away(
    member_server: ApiServer, api: Api, member_namespace: str
) -> None:
    name = f"kept.{member_namespace}.svc"
    await api.create(SERVICE_IMPORT, without_version(import_object("kept", member_namespace, ips=["10.1.2.4"])))
    async with daemon(api) as server:
        await until(server, name, "A", ["10.1.2.4"])
        assert "mcnet_dns_sync_age_seconds 0.0\n" in await metrics(server)
        member_server.stop()
        try:
            await eventually(lambda: server.age > 0, PATIENCE)
            assert "mcnet_dns_sync_age_seconds 0.0\n" not in await metrics(server)
            assert found(await ask(server, name)) == ["10.1.2.4"]
        finally:
            await member_server.start()


async def fetch(server: Dns, path: str) -> bytes:
    await server.server.started.wait()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.server.port)
    writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
    try:
        return await reader.read()
    finally:
        writer.close()


async def status(server: Dns, path: str) -> int:
    return int((await fetch(server, path)).split()[1])


async def metrics(server: Dns) -> str:
    return (await fetch(server, "/metrics")).decode()


async def test_metrics_tell_of_queries_and_of_what_is_served(api: Api, member_namespace: str) -> None:
    await api.create(SERVICE_IMPORT, without_version(import_object("m", member_namespace, ips=["10.1.2.5"])))
    async with daemon(api) as server:
        await until(server, f"m.{member_namespace}.svc", "A", ["10.1.2.5"])
        for _ in range(3):
            await ask(server, f"m.{member_namespace}.svc", "AAAA")
        await ask(server, "nobody.svc", "AAAA")
        text = await metrics(server)
    assert 'mcnet_dns_queries_total{rcode="NOERROR",type="AAAA"} 3.0' in text
    assert 'mcnet_dns_queries_total{rcode="NXDOMAIN",type="AAAA"} 1.0' in text
    assert member_namespace not in text
