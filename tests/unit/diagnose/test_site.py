"""A member is read once for all checks; looks come from one pod per node, and none of them stays."""

import asyncio
import re
from datetime import UTC, datetime

import pytest

from mcnet.codec import member as member_codec
from mcnet.codec.look import encode_look
from mcnet.diagnose.site import BrokerContext
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject
from mcnet.model.errors import UnreachableError
from mcnet.model.look import NodeLook
from mcnet.model.member import SYSTEM_NAMESPACE
from tests.fakes.api import FakeServer
from tests.fakes.eventually import eventually
from tests.fakes.kubelet import FakeKubelet, Ran
from tests.unit.diagnose.world import MEMBER, cluster, endpoint, node, site

IMAGE = "registry/mcnet:1"


def namespace(**annotations: str) -> JsonObject:
    metadata = {
        "name": SYSTEM_NAMESPACE,
        "annotations": {f"mcnet.dev/{key}": text for key, text in annotations.items()},
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def look(name: str) -> str:
    return encode_look(NodeLook(name, 1.0, 2.0))


async def test_one_reading_for_many_checks() -> None:
    server = FakeServer()
    server.add(node("n1"), cluster("east"))
    one = site(server)
    await asyncio.gather(
        *(one.nodes() for _ in range(5)), *(one.listed(kinds.NODE) for _ in range(5)), one.clusters()
    )
    assert [request.path for request in server.requests] == [
        "/api/v1/nodes", "/apis/mcnet.dev/v1alpha1/namespaces/mcnet-system/clusters",
    ]  # fmt: skip


async def test_a_check_that_gives_up_does_not_take_the_reading_from_the_others() -> None:
    one = site(FakeServer())
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> str:
        begun.set()
        await go_on.wait()
        return "read"

    impatient = asyncio.create_task(one.once("x", work))
    patient = asyncio.create_task(one.once("x", work))
    await begun.wait()
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    go_on.set()
    assert await patient == "read"


async def test_odd_objects_are_left_out() -> None:
    server = FakeServer()
    odd = cluster("odd")
    odd["spec"]["podPrefixes"] = ["not a network"]
    server.add(cluster("east"), odd, endpoint("east", "e1"))
    one = site(server)
    assert [found.id for found in await one.clusters()] == ["east"]
    assert [found.name for found in await one.endpoints()] == ["east.e1"]


async def test_a_look_at_every_node_that_is_ready() -> None:
    kubelet = FakeKubelet(play=lambda pod: Ran(output=look(pod["spec"]["nodeName"])))
    kubelet.add(namespace(image=IMAGE), node("n1"), node("n2", ready=False), node("n3", address="192.0.2.13"))
    kubelet.add(member_codec.encode(MEMBER))
    one = site(kubelet)
    looks, again = await asyncio.gather(one.looks(), one.looks())
    assert looks is again
    assert set(looks.answers) == {"n1", "n3"}
    assert looks.failures == {"n2": "the node is not Ready"}
    assert 0 < looks.asked <= looks.answered
    assert len(kubelet.pods) == 2
    assert {pod["spec"]["containers"][0]["image"] for pod in kubelet.pods} == {IMAGE}
    assert kubelet.all(kinds.POD) == []


@pytest.mark.parametrize(
    ("ran", "why"),
    [
        (Ran("Failed", "Traceback\nOSError: no\n"), "OSError: no"),
        (Ran(output="hello\n"), "the pod said nothing usable"),
        (Ran("Pending", waiting={"reason": "ErrImagePull", "message": "none"}), "ErrImagePull: none"),
    ],
)
async def test_a_node_that_can_not_be_looked_at_is_a_failure_with_a_reason(ran: Ran, why: str) -> None:
    kubelet = FakeKubelet(play=lambda pod: ran)
    kubelet.add(namespace(image=IMAGE), node("n1"))
    looks = await site(kubelet).looks()
    assert looks.answers == {}
    assert why in looks.failures["n1"]
    assert kubelet.all(kinds.POD) == []


async def test_closing_ends_readings_and_their_pods() -> None:
    kubelet = FakeKubelet(play=lambda pod: Ran("Running"))
    kubelet.add(namespace(image=IMAGE), node("n1"))
    one = site(kubelet)
    waiting = asyncio.create_task(one.looks())
    await eventually(lambda: bool(kubelet.all(kinds.POD)))
    await one.close()
    assert kubelet.all(kinds.POD) == []
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_a_killed_run_has_left_goes_once_it_has_ended() -> None:
    server = FakeServer()
    server.add(namespace(image=IMAGE))
    now, old = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "2026-01-01T00:00:00Z"
    for name, phase, made in (
        ("ended", "Failed", old), ("done", "Succeeded", old), ("of-now", "Succeeded", now), ("runs", "Running", old),
    ):  # fmt: skip
        labels = {"app.kubernetes.io/name": "mcnet-once"}
        metadata = {"name": name, "namespace": "mcnet-system", "labels": labels, "creationTimestamp": made}
        server.add({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": phase}})
    await site(server).looks()
    assert [pod["metadata"]["name"] for pod in server.all(kinds.POD)] == ["of-now", "runs"]


async def test_a_pod_has_the_members_image_and_pull_secrets() -> None:
    server = FakeServer()
    server.add(namespace(**{"image": IMAGE, "pull-secrets": "one,two"}))
    one = site(server)
    on_node, inside = await one.pod("mcnet.a.some_module", "x", node="n1"), await one.pod("mcnet.a.some_module", "x")
    assert (on_node.image, on_node.pull_secrets) == (IMAGE, ("one", "two"))
    assert on_node.host_network
    assert (inside.host_network, inside.arguments) == (False, ("x",))
    other = await site(server).pod("mcnet.a.some_module", "x", node="n1")
    assert re.fullmatch("mcnet-some-module-[0-9a-f]{6}-n1", on_node.name)
    assert other.name != on_node.name


async def test_the_clock_is_compared_with_this_machines_in_the_middle_of_the_request() -> None:
    server = FakeServer()
    server.clock = "Sun, 01 Mar 2026 12:00:00 GMT"
    clock = await site(server).clock()
    assert clock is not None
    assert clock[0].isoformat() == "2026-03-01T12:00:00+00:00"
    server.clock = ""
    assert await site(server).clock() is None


def test_how_the_user_reaches_a_member() -> None:
    named, bare = site(FakeServer(context="west")), site(FakeServer(context=""))
    assert (named.kubectl, named.option) == ("kubectl --context west -n mcnet-system", " --context west")
    assert (bare.kubectl, bare.option) == ("kubectl -n mcnet-system", "")


def test_a_context_leads_to_a_broker_by_address_or_authority() -> None:
    hub = BrokerContext("hub", "https://a:6443", b"PEM\n")
    assert hub.leads_to("https://a:6443", b"other")
    assert hub.leads_to("https://b:6443", b"PEM")
    assert not hub.leads_to("https://b:6443", b"other")
    assert not BrokerContext("hub", "https://a", b"").leads_to("https://b", b"")


async def test_unreachable() -> None:
    server = FakeServer()
    server.go_down(UnreachableError("no answer"))
    with pytest.raises(UnreachableError):
        await site(server).looks()
