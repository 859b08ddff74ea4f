"""`mcnet export service` and `unexport service` by the commands themselves: real API servers, the real discovery."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from mcnet.cli import entry
from mcnet.codec import member as member_codec
from mcnet.kube.kinds import CLUSTER, EXPORTED_SERVICE, MEMBER, NAMESPACE, SERVICE_EXPORT, SERVICE_IMPORT
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import ConflictError
from mcnet.model.member import SYSTEM_NAMESPACE, Member
from mcnet.model.service import ServiceName, derived_name, record_name
from tests.apiserver.server import ApiServer
from tests.apiserver.service_members import PATIENCE, Clusterset, both, east_server
from tests.fakes.discovery import cluster_object

__all__ = ["both", "east_server"]

Capture = pytest.CaptureFixture[str]


@pytest.fixture
async def joined(both: Clusterset) -> AsyncIterator[Clusterset]:
    """East is a member for the command too, which looks for it in mcnet-system."""
    with suppress(ConflictError):  # of an earlier test: nobody empties namespaces here
        await both.east.api.create(NAMESPACE, {"metadata": {"name": SYSTEM_NAMESPACE}})
    await both.east.api.apply(member_codec.encode(Member(ClusterId("east"), (), ())))
    for name, number in (("east", 1), ("west", 2)):
        await both.east.api.apply(cluster_object(name, number, SYSTEM_NAMESPACE))
    yield both
    for name in ("east", "west"):
        await both.east.api.delete(CLUSTER, name, SYSTEM_NAMESPACE)
    await both.east.api.delete(MEMBER, "mcnet", SYSTEM_NAMESPACE)


async def ran(capsys: Capture, server: ApiServer, *words: str) -> tuple[int, str, str]:
    """In a thread, since the command makes its own event loop."""
    status = await asyncio.to_thread(entry.main, [*words, "--kubeconfig", str(server.kubeconfig)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


async def test_exported_changed_and_taken_back(joined: Clusterset, east_server: ApiServer, capsys: Capture) -> None:
    namespace = await joined.namespace()
    words = ("service", "web", "-n", namespace)
    await joined.east.serve(namespace, "web")
    status, out, err = await ran(capsys, east_server, "export", *words, "--dry-run", "-o", "json")
    assert (status, '"kind": "ServiceExport"' in out) == (0, True), err
    assert await joined.east.api.list(SERVICE_EXPORT, namespace) == []
    async with joined.daemons():
        status, _, err = await ran(capsys, east_server, "export", *words)
        assert (status, err) == (
            0,
            f"✓ ServiceExport {namespace}/web created; the service is web.{namespace}.svc.clusterset.local\n",
        )
        assert len(await joined.records(namespace)) == 1, "as it says"
        await joined.west.imported(namespace, "web", {"10.1.0.1", "10.1.0.2"})
        status, _, err = await ran(capsys, east_server, "export", *words)
        assert (status, err.partition(":")[0]) == (0, "✓ Nothing had to be changed")
        status, out, err = await ran(
            capsys, east_server, "export", *words, "--export-mode", "aggregate", "-o", "yaml"
        )
        assert (status, "mcnet.dev/export-mode: aggregate" in out) == (0, True), err
        record = record_name(ClusterId("east"), ServiceName(namespace, "web"))
        await joined.broker.wait_for(
            EXPORTED_SERVICE,
            record,
            joined.broker_namespace,
            lambda obj: obj is not None and obj["spec"]["mode"] == "aggregate",
            PATIENCE,
        )
        status, _, err = await ran(capsys, east_server, "export", *words, "--to", "wets")
        assert (status, "'wets' is no member of the clusterset" in err, "do you mean west?" in err) == (2, True, True)
        status, _, err = await ran(
            capsys, east_server, "export", *words, "--export-mode", "endpoints", "--to", "east"
        )
        assert status == 0
        assert "changed (without mcnet.dev/export-mode, mcnet.dev/export-to east)" in err
        await joined.west.gone(SERVICE_IMPORT, "web", namespace)
        assert (await ran(capsys, east_server, "export", *words, "--to", "default"))[0] == 0
        await joined.west.imported(namespace, "web", {"10.1.0.1", "10.1.0.2"})
        status, _, err = await ran(capsys, east_server, "unexport", *words)
        assert (status, err) == (0, f"✓ ServiceExport {namespace}/web deleted\n")
        assert await joined.east.api.find(SERVICE_IMPORT, "web", namespace) is None, "as it says"
        await joined.west.gone(SERVICE_IMPORT, "web", namespace)
        status, _, err = await ran(capsys, east_server, "unexport", *words)
        assert (status, err.partition(":")[0]) == (0, "✓ Nothing had to be changed")


async def test_what_others_export_stays_and_conflicts_are_told(
    joined: Clusterset, east_server: ApiServer, capsys: Capture
) -> None:
    namespace = await joined.namespace()
    words = ("service", "web", "-n", namespace)
    await joined.west.serve(namespace, "web", ports=(("http", 81),))
    await joined.west.export(namespace, "web")
    await asyncio.sleep(1.1)  # creation times have seconds, and the oldest export is to be west's
    await joined.east.serve(namespace, "web")
    async with joined.daemons():
        await joined.east.imported(namespace, "web", {"10.2.0.1", "10.2.0.2"})
        status, _, err = await ran(capsys, east_server, "export", *words)
        assert status == 0
        assert "! its exports differ: The ports of east are not those of west" in err
        await joined.east.imported(namespace, "web", {"10.1.0.1", "10.1.0.2", "10.2.0.1", "10.2.0.2"})
        assert (await ran(capsys, east_server, "unexport", *words))[0] == 0
        await joined.east.imported(namespace, "web", {"10.2.0.1", "10.2.0.2"})


async def test_discovery_that_does_not_run_is_told(
    joined: Clusterset, east_server: ApiServer, capsys: Capture
) -> None:
    namespace = await joined.namespace()
    await joined.east.serve(namespace, "web")
    status, _, err = await ran(capsys, east_server, "export", "service", "web", "-n", namespace, "--timeout", "1")
    assert status == 1
    assert f"nobody has looked at the ServiceExport {namespace}/web: discovery does not run, or is late" in err
    assert "logs -l app.kubernetes.io/component=discovery" in err


async def test_refused_words(joined: Clusterset, east_server: ApiServer, capsys: Capture) -> None:
    namespace = await joined.namespace()
    await joined.east.serve(namespace, "web")
    for words, said in (
        (("wep", "-n", namespace), "do you mean web?"),
        (("web", "-n", f"{namespace}x"), f"do you mean {namespace}?"),
        (("kubernetes", "-n", "kube-system"), "nothing of the namespace kube-system is exported"),
        ((derived_name(ServiceName(namespace, "web")), "-n", namespace), "there is no Service"),
    ):
        status, _, err = await ran(capsys, east_server, "export", "service", *words)
        assert (status, said in err) == (2, True), err
