"""The Corefiles that mcnet makes, with a real CoreDNS: it forwards to mcnet_dns, or it answers the same by itself."""

from ipaddress import ip_address
from pathlib import Path

import dns.asyncquery
import dns.message
import dns.rcode

from mcnet.kube.api import Api
from mcnet.kube.kinds import ENDPOINT_SLICE, SERVICE, SERVICE_IMPORT
from mcnet.plan import corefile
from mcnet_dns.main import Dns
from tests.apiserver.coredns import coredns
from tests.apiserver.server import ApiServer
from tests.apiserver.test_dns import api, ask, daemon, found, until, without_version
from tests.fakes.imports import HTTP, endpoint, headless_object, import_object, slice_object
from tests.fakes.ports import free_port

__all__ = ["api"]
MAIN = ".:{port} {{\n    bind 127.0.0.1\n    errors\n    template ANY ANY {{\n        rcode REFUSED\n    }}\n}}\n"


async def objects(api: Api, namespace: str) -> None:
    ports = [HTTP, {"name": "dns", "protocol": "UDP", "port": 53}]
    await api.create(SERVICE_IMPORT, without_version(import_object("web", namespace, ips=["10.1.2.3"], ports=ports)))
    await api.create(SERVICE_IMPORT, without_version(headless_object("db", namespace)))
    for cluster, number in (("west", 1), ("east", 2)):
        endpoints = [endpoint(f"10.{number}.0.1", hostname="db-0"), endpoint(f"10.{number}.0.2", hostname="db-1")]
        own = slice_object(f"db-{cluster}", namespace, "db", cluster, endpoints)
        await api.create(ENDPOINT_SLICE, without_version(own))


def names(namespace: str) -> list[tuple[str, str]]:
    """What both are asked. At some names the in-tree plugin says otherwise, and mcnet_dns what RFC 8020 asks."""
    return [
        (f"web.{namespace}.svc", "A"), (f"web.{namespace}.svc", "AAAA"), (f"_http._tcp.web.{namespace}.svc", "SRV"),
        (f"_dns._udp.web.{namespace}.svc", "SRV"), (f"web.{namespace}.svc", "SRV"), (f"db.{namespace}.svc", "A"),
        (f"db-0.west.db.{namespace}.svc", "A"),
        (f"db-1.east.db.{namespace}.svc", "A"), (f"db-2.east.db.{namespace}.svc", "A"),
        (f"nobody.{namespace}.svc", "A"), (f"{namespace}.svc", "A"), ("nowhere.svc", "A"), ("web.nowhere.svc", "A"),
        ("svc", "A"), (f"west.web.{namespace}.svc", "A"), (f"web.{namespace}.svc", "MX"),
        ("dns-version", "TXT"), ("DNS-Version", "TXT"), ("dns-version", "A"), ("x.dns-version", "TXT"),
        ("x.dns-version", "A"), ("xdns-version", "TXT"),
    ]  # fmt: skip


async def ask_coredns(port: int, name: str, kind: str, zone: str = "clusterset.local") -> dns.message.Message:
    query = dns.message.make_query(f"{name}.{zone}", kind, use_edns=0, payload=1232)
    answer: dns.message.Message = await dns.asyncquery.udp(query, "127.0.0.1", port=port, timeout=10)
    return answer


def comparable(answer: dns.message.Message, kind: str) -> tuple[str, list[str]]:
    """Outcome and records; SRV weights are free (KEP-1645 2.3.2)."""
    records = [" ".join(line.split()[2:]) for line in found(answer)] if kind == "SRV" else found(answer)
    return dns.rcode.to_text(answer.rcode()), sorted(records)


async def ready(server: Dns, namespace: str) -> None:
    await until(server, f"web.{namespace}.svc", "A", ["10.1.2.3"])
    await until(server, f"db.{namespace}.svc", "A", ["10.1.0.1", "10.1.0.2", "10.2.0.1", "10.2.0.2"])


async def test_an_old_coredns_gives_our_answers(api: Api, member_namespace: str, tmp_path: Path) -> None:
    await objects(api, member_namespace)
    port = free_port()
    async with daemon(api) as server:
        await ready(server, member_namespace)
        made = corefile.with_zone(MAIN.format(port=port), ip_address("127.0.0.1"))
        assert made.why == ""
        text = made.text.replace("forward . 127.0.0.1\n", f"forward . 127.0.0.1:{server.port}\n")
        assert text != made.text
        async with coredns(text, port, tmp_path):
            for name, kind in names(member_namespace):
                ours, theirs = await ask(server, name, kind), await ask_coredns(port, name, kind)
                assert comparable(theirs, kind) == comparable(ours, kind), name
                assert [str(one) for one in theirs.authority] == [str(one) for one in ours.authority]


async def test_a_new_coredns_answers_the_same_by_itself(
    api: Api, member_server: ApiServer, member_namespace: str, tmp_path: Path
) -> None:
    await objects(api, member_namespace)
    port = free_port()
    made = corefile.with_zone(MAIN.format(port=port), None)
    assert made.why == ""
    text = made.text.replace("        ttl 5\n", f"        ttl 5\n        kubeconfig {member_server.kubeconfig}\n")
    assert text != made.text
    async with daemon(api) as server, coredns(text, port, tmp_path):
        await ready(server, member_namespace)
        for name, kind in names(member_namespace):
            ours, theirs = await ask(server, name, kind), await ask_coredns(port, name, kind)
            assert comparable(ours, kind) == comparable(theirs, kind), name
        version = await ask_coredns(port, "dns-version", "TXT")
        assert found(version) == ['"1.0.0"']


async def test_the_clusters_own_names_stay_its_own(
    api: Api, member_server: ApiServer, member_namespace: str, tmp_path: Path
) -> None:
    """A Service and an import of one name, an import without a Service, a Service without an import."""
    await objects(api, member_namespace)
    ports = [{"name": "http", "port": 80}]
    own = {}
    for name in ("web", "local"):
        made = await api.create(SERVICE, {"metadata": {"name": name}, "spec": {"ports": ports}}, member_namespace)
        own[name] = made["spec"]["clusterIP"]
    port = free_port()
    access = f"kubeconfig {member_server.kubeconfig}"
    own_zone = f"    kubernetes cluster.local {{\n        {access}\n    }}\n"
    main = f".:{port} {{\n    bind 127.0.0.1\n    errors\n{own_zone}}}\n"
    text = corefile.with_zone(main, None).text.replace("        ttl 5\n", f"        ttl 5\n        {access}\n")
    async with coredns(text, port, tmp_path):
        for name in ("web", "local"):
            answer = await ask_coredns(port, f"{name}.{member_namespace}.svc", "A", "cluster.local")
            assert [line.split()[-1] for line in found(answer)] == [own[name]]
        for name, zone in (("db", "cluster.local"), ("local", "clusterset.local")):
            answer = await ask_coredns(port, f"{name}.{member_namespace}.svc", "A", zone)
            assert answer.rcode() == dns.rcode.NXDOMAIN
        answer = await ask_coredns(port, f"web.{member_namespace}.svc", "A")
        assert [line.split()[-1] for line in found(answer)] == ["10.1.2.3"]
