"""`show` on real API servers, by the command itself: members, contexts without mcnet, servers that don't answer."""

import json
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcnet.cli import entry
from mcnet.codec import member as member_codec
from mcnet.install.broker import deploy_broker
from mcnet.install.progress import Silent
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.cluster import ClusterId
from mcnet.model.member import BROKER_NAMESPACE, SYSTEM_NAMESPACE, Member
from tests.apiserver.controllers import finalize_namespaces, report_cable
from tests.apiserver.server import ApiServer
from tests.apiserver.test_broker import cluster_object
from tests.fakes import service_objects


@pytest.fixture
async def member(member_api: Api) -> AsyncIterator[Api]:
    """West as a member that knows east, with one gateway node that reports a cable to it."""
    await member_api.create(kinds.NAMESPACE, {"metadata": {"name": SYSTEM_NAMESPACE}})
    await member_api.apply(member_codec.encode(Member(ClusterId("west"), (), ())))
    east = cluster_object(ClusterId("east"))
    await member_api.apply({**east, "metadata": {**east["metadata"], "namespace": SYSTEM_NAMESPACE}})
    await member_api.create(kinds.NODE, {"metadata": {"name": "n1", "labels": {"mcnet.dev/gateway": "true"}}})
    await member_api.create(kinds.DAEMON_SET, daemon_set(), SYSTEM_NAMESPACE)
    await member_api.create(kinds.POD, pod(), SYSTEM_NAMESPACE)
    await running(member_api, True)
    await report_cable(member_api, "east")
    yield member_api
    await member_api.delete(kinds.NODE, "n1")
    await member_api.delete(kinds.NAMESPACE, SYSTEM_NAMESPACE)
    await finalize_namespaces(member_api)


def daemon_set() -> dict[str, Any]:
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": pod()["spec"]}
    spec = {"selector": {"matchLabels": labels}, "template": {**template, "spec": {**pod()["spec"], "nodeName": ""}}}
    return {"metadata": {"name": "mcnet-gateway"}, "spec": spec}


def pod() -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "mcnet", "app.kubernetes.io/component": "gateway"}
    containers = [{"name": "c", "image": "none"}]
    spec = {"nodeName": "n1", "containers": containers, "terminationGracePeriodSeconds": 0}
    return {"metadata": {"name": "mcnet-gateway-x", "labels": labels}, "spec": spec}


async def crash(api: Api) -> None:
    waiting = {"name": "c", "image": "none", "imageID": "", "ready": False, "restartCount": 3}
    waiting |= {"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}}
    status = {"phase": "Running", "conditions": [], "containerStatuses": [waiting]}
    await api.merge_patch(kinds.POD, "mcnet-gateway-x", {"status": status}, SYSTEM_NAMESPACE, subresource="status")


async def running(api: Api, ready: bool) -> None:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    status = {"phase": "Running", "conditions": conditions}
    await api.merge_patch(kinds.POD, "mcnet-gateway-x", {"status": status}, SYSTEM_NAMESPACE, subresource="status")


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that accepts connections and never says a word."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


@pytest.fixture
def kubeconfig(member_server: ApiServer, broker_server: ApiServer, tmp_path: Path) -> Path:
    """Contexts of both servers."""
    path = tmp_path / "kubeconfig"
    merged: dict[str, Any] = {"contexts": [], "clusters": [], "users": []}
    for server in (member_server, broker_server):
        content = yaml.safe_load(server.kubeconfig.read_text())
        for key in merged:
            merged[key] += content[key]
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "west", **merged}))
    return path


async def shown(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit status, stdout, stderr of `mcnet show …`; in a thread, since the command makes its own event loop."""
    import asyncio

    status = await asyncio.to_thread(entry.main, ["show", *map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


async def test_connections_as_a_table(member: Api, kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = await shown(capsys, "connections", "--kubeconfig", kubeconfig)
    assert status == 0
    heading, row = out.splitlines()
    assert heading.split()[:3] == ["CLUSTER", "GATEWAY", "REMOTE"]
    assert row.split()[:9] == ["west", "n1", "east", "n1", "connected", "100", "%", "1.50", "Mbit/s"]
    assert row.split()[9:13] == ["640", "bit/s", "1.00", "ms"]
    assert err.startswith("no member: broker")


async def test_connections_as_json_and_yaml(
    member: Api, kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = await shown(capsys, "connections", "--kubeconfig", kubeconfig, "-o", "json")
    (row,) = json.loads(out)
    assert (row["cluster"], row["remoteCluster"], row["state"]) == ("west", "east", "connected")
    _, out, _ = await shown(capsys, "connections", "--kubeconfig", kubeconfig, "-o", "yaml")
    assert yaml.safe_load(out) == [row]


async def test_what_is_not_connected_says_why_and_what_next(
    member: Api, kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await crash(member)
    status, out, _ = await shown(capsys, "connections", "--context", "west", "--kubeconfig", kubeconfig)
    assert status == 1
    assert "west → east: the gateway's daemon on n1 does not run (CrashLoopBackOff: back-off)" in out
    assert "next: kubectl --context west -n mcnet-system describe pods" in out
    status, out, _ = await shown(capsys, "gateways", "--context", "west", "--kubeconfig", kubeconfig)
    assert status == 1
    assert "west n1: its daemon does not run" in out


async def test_a_daemon_that_is_not_ready_is_a_matter_of_the_gateway(
    member: Api, kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await running(member, False)
    status, _, _ = await shown(capsys, "connections", "--context", "west", "--kubeconfig", kubeconfig)
    assert status == 0
    status, out, _ = await shown(capsys, "gateways", "--context", "west", "--kubeconfig", kubeconfig)
    assert status == 1
    assert "west n1: its daemon runs, but is not ready" in out


async def test_gateways_and_endpoints(member: Api, kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = await shown(capsys, "gateways", "--kubeconfig", kubeconfig)
    assert status == 0
    assert out.splitlines()[1].split()[:6] == ["west", "n1", "0", "ready", "100", "1"]
    assert out.splitlines()[1].split()[8:12] == ["1.50", "Mbit/s", "640", "bit/s"]
    status, _, err = await shown(capsys, "endpoints", "--kubeconfig", kubeconfig)
    assert status == 0
    assert "No endpoints yet" in err


async def test_a_context_without_mcnet_is_an_error_only_if_named(
    kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = await shown(capsys, "connections", "--kubeconfig", kubeconfig)
    assert (status, out) == (0, "")
    assert "no member: broker" in err
    status, _, err = await shown(capsys, "connections", "--kubeconfig", kubeconfig, "--context", "west")
    assert status == 2
    assert "next: join it: mcnet join broker-info.mcnet --context west" in err


async def test_an_unknown_context(kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = await shown(capsys, "gateways", "--kubeconfig", kubeconfig, "--context", "nowhere")
    assert status == 2
    assert "nowhere" in err
    assert "broker, west" in err


@pytest.fixture
async def broker(broker_api: Api) -> AsyncIterator[Api]:
    """A broker that knows west and east; west renews its Lease, east did so an hour ago."""
    await deploy_broker(broker_api, progress=Silent())
    for name, age in (("west", timedelta()), ("east", timedelta(hours=1))):
        await broker_api.apply(cluster_object(ClusterId(name), f"10.{len(name) + ord(name[0])}.0.0/16"))
        renewed = (datetime.now(UTC) - age).isoformat(timespec="microseconds")
        lease = {"metadata": {"name": name}, "spec": {"holderIdentity": name, "renewTime": renewed}}
        await broker_api.create(kinds.LEASE, lease, BROKER_NAMESPACE)
    yield broker_api
    for name in ("west", "east"):
        await broker_api.delete(kinds.CLUSTER, name, BROKER_NAMESPACE)
        await broker_api.delete(kinds.LEASE, name, BROKER_NAMESPACE)


async def test_brokers_and_their_members(broker: Api, kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = await shown(capsys, "brokers", "--kubeconfig", kubeconfig, "-o", "json")
    (row,) = json.loads(out)
    assert (status, row["context"], row["members"], row["policy"]) == (0, "broker", ["east", "west"], True)
    assert err == "neither member nor broker: west\n"
    status, out, _ = await shown(capsys, "members", "--kubeconfig", kubeconfig, "--context", "broker", "-o", "json")
    assert {row["cluster"]: row["state"] for row in json.loads(out)} == {"east": "stale", "west": "alive"}
    assert status == 1


async def test_a_broker_without_its_policy(broker: Api, kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await broker.delete(kinds.ADMISSION_POLICY_BINDING, "mcnet-broker-ownership")
    status, out, _ = await shown(capsys, "brokers", "--kubeconfig", kubeconfig)
    assert status == 1
    assert "the admission policy mcnet-broker-ownership is missing" in out
    assert "next: mcnet deploy-broker --context broker" in out


async def test_everything_in_one_document(
    member: Api, broker: Api, kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, err = await shown(capsys, "all", "--kubeconfig", kubeconfig, "-o", "json")
    every = json.loads(out)
    assert [row["cluster"] for row in every["members"]] == ["east", "west"]
    assert every["connections"][0]["state"] == "connected"
    assert [row["component"] for row in every["versions"]] == ["this command", "discovery", "gateway", "route-agent"]
    assert every["versions"][2]["versions"] == {"0.1.0": ["n1"]}
    assert every["ports"]
    assert err == ""


async def test_services_of_a_real_api_server(
    member: Api, kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await member.create(kinds.NAMESPACE, service_objects.namespace("shop"))
    made, exported = service_objects.service_import("east", "west"), service_objects.export()
    conflict = service_objects.condition("Conflict", True, "PortConflict", "The ports differ")
    made["metadata"]["namespace"] = exported["metadata"]["namespace"] = "shop"
    for obj, status in (
        (made, made["status"]),
        (exported, {"conditions": [*service_objects.EXPORTED[:2], conflict]}),
    ):
        kind = kinds.kind_of(obj)
        del obj["metadata"]["uid"]
        await member.create(kind, obj)
        await member.merge_patch(kind, "web", {"status": status}, "shop", subresource="status")
    slices = [service_objects.imported_slice(one, "10.1.0.1", ready=one == "east") for one in ("east", "west")]
    for obj in slices:
        await member.create(kinds.ENDPOINT_SLICE, obj)
    try:
        status, out, _ = await shown(capsys, "services", "--kubeconfig", kubeconfig)
        heading, *below = out.splitlines()
        (row,) = (line for line in below if " shop/web " in line)  # others are of other tests
        assert heading.split()[:5] == ["CLUSTER", "SERVICE", "TYPE", "STATE", "EXPORTED"]
        assert row.split() == [
            "west", "shop/web", "ClusterSetIP", "conflict", "yes", "10.102.0.77", "80", "east", "1/1,", "west", "0/1",
            "PortConflict",
        ]  # fmt: skip
        assert "west shop/web: The ports differ" in below
        assert status == 1
        _, out, _ = await shown(capsys, "all", "--kubeconfig", kubeconfig, "-o", "json")
        found = [one["service"] for one in json.loads(out)["services"]]
        assert [one for one in found if one.startswith("shop/")] == ["shop/web"], "others are of other tests"
    finally:
        for obj in (exported, made, *slices):
            await member.delete(kinds.kind_of(obj), obj["metadata"]["name"], "shop")


async def test_services_that_a_user_may_not_read_are_noted(
    member: Api, member_server: ApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = [
        {"apiGroups": ["mcnet.dev", "apps"], "resources": ["*"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["nodes", "pods", "namespaces"], "verbs": ["get", "list"]},
    ]
    await bind(member, "service-viewer", rules)
    try:
        status, out, _ = await shown(capsys, "services", "--kubeconfig", member_server.issue("service-viewer"))
        assert (status, "note: west: its services can't be read: " in out) == (0, True), out
    finally:
        await unbind(member, "service-viewer")


async def test_the_topology(member: Api, kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = await shown(capsys, "topology", "--kubeconfig", kubeconfig)
    assert (status, out.splitlines()[0]) == (0, "clusterset: 2 clusters, 1 of 1 cable up")
    _, out, _ = await shown(capsys, "topology", "--kubeconfig", kubeconfig, "-o", "json")
    assert [link["state"] for link in json.loads(out)["links"]] == ["connected"]


async def test_ports_before_anything_is_joined(kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = await shown(capsys, "ports", "--kubeconfig", kubeconfig, "--context", "west")
    assert (status, err) == (0, "")
    assert "UDP 4500-4515" in out
    _, out, _ = await shown(capsys, "ports", "--port-base", 4600, "--kubeconfig", "/nowhere")
    assert "UDP 4600-4615" in out


async def test_a_user_who_may_not_read_secrets_sees_all_but_where_the_broker_is(
    member: Api, member_server: ApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = [
        {"apiGroups": ["mcnet.dev", "apps"], "resources": ["*"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["nodes", "pods", "namespaces"], "verbs": ["get", "list"]},
    ]
    await bind(member, "viewer", rules)
    try:
        viewer = member_server.issue("viewer")
        status, out, _ = await shown(capsys, "connections", "--kubeconfig", viewer)
        assert (status, out.splitlines()[1].split()[4]) == (0, "connected")
    finally:
        await unbind(member, "viewer")


async def bind(api: Api, user: str, rules: list[dict[str, Any]]) -> None:
    """Gives a user these rights, everywhere."""
    await api.create(kinds.CLUSTER_ROLE, {"metadata": {"name": f"show-{user}"}, "rules": rules})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"show-{user}"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    binding = {"metadata": {"name": f"show-{user}"}, "roleRef": role, "subjects": [subject]}
    await api.create(kinds.CLUSTER_ROLE_BINDING, binding)


async def unbind(api: Api, user: str) -> None:
    await api.delete(kinds.CLUSTER_ROLE_BINDING, f"show-{user}")
    await api.delete(kinds.CLUSTER_ROLE, f"show-{user}")


@pytest.fixture
def half_silent(kubeconfig: Path, broker_server: ApiServer, silent_server: int) -> Path:
    """The kubeconfig, with a silent server in place of the broker."""
    kubeconfig.write_text(kubeconfig.read_text().replace(f":{broker_server.port}", f":{silent_server}"))
    return kubeconfig


async def test_a_server_that_is_silent_costs_its_time_and_one_line(
    member: Api, half_silent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = await shown(capsys, "connections", "--kubeconfig", half_silent, "--timeout", 4)
    assert status == 0
    assert "connected" in out
    assert "broker: could not be read" in err
    status, _, err = await shown(
        capsys, "connections", "--kubeconfig", half_silent, "--context", "broker", "--timeout", 0.5
    )
    assert status == 3
    assert "did not answer within 0.5 s" in err
