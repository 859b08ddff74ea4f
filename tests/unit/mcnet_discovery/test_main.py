"""The discovery daemon as a whole, between two API servers in memory."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest

from mcnet.codec import broker
from mcnet.codec.broker import BrokerCredential
from mcnet.kube.kinds import CLUSTER, CLUSTERSET, ENDPOINT, EVENT, LEASE, MEMBER, SECRET
from mcnet.kube.transport import Request
from mcnet.model.errors import ConflictError, ForbiddenError, McnetError, UnreachableError
from tests.fakes.api import FakeServer
from tests.fakes.discovery import BROKER, FAILURES, LOCAL, Scene, cluster_object, endpoint_object, quickly
from tests.fakes.eventually import eventually


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    quickly(monkeypatch)
    return Scene()


def writes(server: FakeServer) -> list[str]:
    """The writes to mirrored kinds that the server was asked for."""
    kinds = ("ClusterSet", "Cluster", "Endpoint")
    return [
        request.attempt
        for request in server.requests
        if request.method != "GET" and request.attempt.split()[1] in kinds
    ]


async def test_both_sides_converge_and_a_second_daemon_changes_nothing(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(scene.converged)
    before = len(writes(scene.local)), len(writes(scene.broker))
    scene.local.requests.clear()
    scene.broker.requests.clear()
    async with scene.daemon("pod-2") as second:
        await eventually(lambda: second._link.session is not None and second._link.session.known)
        for _ in range(2):
            rounds = second._loop.rounds
            second._loop.trigger("look again")
            await eventually(lambda rounds=rounds: second._loop.rounds > rounds)
    assert all(before)
    assert (writes(scene.local), writes(scene.broker)) == ([], [])


@pytest.mark.parametrize("kind", [CLUSTERSET, CLUSTER, ENDPOINT], ids=lambda kind: kind.kind)
async def test_copies_are_restored(scene: Scene, kind: object) -> None:
    async with scene.daemon():
        await eventually(scene.converged)
        victim = scene.local.all(kind)[0]["metadata"]["name"]  # type: ignore[arg-type]
        scene.local.remove(kind, victim, LOCAL)  # type: ignore[arg-type]
        assert not scene.converged()
        await eventually(scene.converged)


async def test_own_objects_at_the_broker_are_restored(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(scene.converged)
        scene.broker.add(endpoint_object("west", "w1", BROKER, mtu=9000))
        assert not scene.converged()
        await eventually(scene.converged)
        scene.broker.remove(ENDPOINT, "west.w1", BROKER)
        scene.broker.remove(CLUSTER, "west", BROKER)
        assert not scene.converged()
        await eventually(scene.converged)
        (own,) = (obj for obj in scene.broker.all(CLUSTER) if obj["metadata"]["name"] == "west")
        assert own["metadata"]["ownerReferences"][0]["name"] == "member-west"


async def test_a_spec_changed_by_the_brokers_admin_is_followed(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(scene.converged)
        scene.broker.add(cluster_object("west", 3, BROKER))
        await eventually(lambda: scene.local.all(CLUSTER)[1]["spec"]["podPrefixes"] == ["10.3.0.0/16"])
        await eventually(scene.converged)


async def test_a_member_that_is_gone_at_the_broker_goes_here_too(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(scene.converged)
        for kind, name in ((ENDPOINT, "east.e1"), (ENDPOINT, "east.e2"), (CLUSTER, "east")):
            scene.broker.remove(kind, name, BROKER)
        await eventually(lambda: scene.names(scene.local) == {"ClusterSet mcnet", "Cluster west", "Endpoint west.w1"})


async def test_without_the_broker_it_starts_and_copies_stay(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(scene.converged)
    before = scene.names(scene.local)
    scene.broker.go_down(UnreachableError("the broker is away"))
    async with scene.daemon() as daemon:
        await eventually(lambda: any(event["reason"] == "BrokerUnusable" for event in scene.local.all(EVENT)))
        assert daemon._unready() == ""
        assert daemon._loop.fault == ""
        scene.local.remove(ENDPOINT, "west.w1", LOCAL)
        scene.local.add(endpoint_object("west", "w1", LOCAL, mtu=1400))
        assert scene.names(scene.local) == before
        scene.broker.come_up()
        await eventually(scene.converged)
        await eventually(lambda: any(event["reason"] == "BrokerUsable" for event in scene.local.all(EVENT)))


async def test_while_the_broker_is_away_copies_are_restored_from_memory(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(scene.converged)
        scene.broker.go_down(UnreachableError("the broker is away"))
        await eventually(lambda: any(event["reason"] == "BrokerUnusable" for event in scene.local.all(EVENT)))
        asked = len(scene.broker.requests)
        scene.local.remove(CLUSTER, "east", LOCAL)
        scene.local.remove(ENDPOINT, "west.w1", LOCAL)
        await eventually(lambda: "Cluster east" in scene.names(scene.local))
        assert [request.attempt for request in scene.broker.requests[asked:] if request.method == "DELETE"] == []
        scene.local.add(endpoint_object("west", "w1", LOCAL, mtu=1300))
        scene.broker.come_up()
        await eventually(scene.converged)


async def test_an_emptied_broker_cuts_nothing(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(scene.converged)
        before = scene.names(scene.local)
        for obj in [*scene.broker.all(ENDPOINT), *scene.broker.all(CLUSTER), *scene.broker.all(CLUSTERSET)]:
            kind = {"Endpoint": ENDPOINT, "Cluster": CLUSTER, "ClusterSet": CLUSTERSET}[obj["kind"]]
            scene.broker.remove(kind, obj["metadata"]["name"], BROKER)
            if kind is ENDPOINT and not obj["metadata"]["name"].startswith("west"):
                before.discard(f"Endpoint {obj['metadata']['name']}")
        await eventually(lambda: any(event["reason"] == "NotMirrored" for event in scene.local.all(EVENT)))
        assert before <= scene.names(scene.local)


async def test_a_refused_object_stops_no_other(scene: Scene) -> None:
    refusal = scene.broker.fail(
        lambda request: request.method == "POST" and request.attempt.startswith("create Endpoint"),
        ForbiddenError("west.w1 is refused", status=403),
        times=3,
    )
    async with scene.daemon():
        await eventually(lambda: "Endpoint east.e2" in scene.names(scene.local))
        await eventually(scene.converged)
    assert refusal.hits == 3
    assert any("west.w1 is refused" in event["note"] for event in scene.local.all(EVENT))


async def test_a_broken_object_is_told_and_stops_no_other(scene: Scene) -> None:
    broken = endpoint_object("east", "e3", BROKER)
    broken["spec"]["rail"] = 99
    scene.broker.add(broken)
    async with scene.daemon():
        await eventually(lambda: "Endpoint east.e2" in scene.names(scene.local))
        await eventually(lambda: any("east.e3" in event["note"] for event in scene.local.all(EVENT)))
        assert "Endpoint east.e3" not in scene.names(scene.local)


async def test_the_sign_of_life_is_renewed(scene: Scene) -> None:
    def renewals() -> list[str]:
        return [lease["spec"]["renewTime"] for lease in scene.broker.all(LEASE)]

    async with scene.daemon():
        await eventually(lambda: bool(renewals()))
        first = renewals()
        await eventually(lambda: renewals() > first)
        (lease,) = scene.broker.all(LEASE)
        assert (lease["metadata"]["name"], lease["spec"]["holderIdentity"]) == ("west", "west")
        assert lease["metadata"]["labels"] == {"mcnet.dev/cluster": "west"}
        scene.broker.remove(LEASE, "west", BROKER)
        await eventually(lambda: bool(renewals()))


async def test_only_one_replica_writes_and_the_other_takes_over(scene: Scene) -> None:
    async with scene.daemon("pod-1") as first:
        await eventually(scene.converged)
        async with scene.daemon("pod-2") as second:
            await eventually(lambda: second._leadership.synced)
            assert (first._leadership.held, second._leadership.held) == (True, False)
            assert second._link.session is None
            assert second._unready() == ""
    async with scene.daemon("pod-2") as second:
        await eventually(lambda: second._leadership.held)
        scene.local.remove(CLUSTER, "east", LOCAL)
        await eventually(scene.converged)


async def test_a_changed_credential_is_used(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(scene.converged)
        scene.local.add(broker.encode_secret(BrokerCredential("https://broker", b"", "second")))
        await eventually(lambda: [one.token for one in scene.credentials] == ["first", "second"])
        scene.local.remove(ENDPOINT, "east.e1", LOCAL)
        await eventually(scene.converged)


async def test_the_credential_is_renewed_when_a_third_has_passed(scene: Scene) -> None:
    soon = datetime.now(UTC) + timedelta(days=19)
    scene.local.add(broker.encode_secret(BrokerCredential("https://broker", b"", "old", expires=soon)))
    async with scene.daemon():
        await eventually(lambda: [one.token for one in scene.credentials] == ["old", "token-1"])
        (secret,) = scene.local.all(SECRET)
        renewed = broker.decode_secret(secret)
        assert renewed.expires is not None
        assert renewed.expires - datetime.now(UTC) > timedelta(days=29)
        assert renewed.server == "https://broker"
        await eventually(lambda: any(event["reason"] == "CredentialRenewed" for event in scene.local.all(EVENT)))
        for request in scene.local.requests:
            assert request.method != "POST" or "token-1" not in str(request.body)


async def test_a_secret_written_meanwhile_wins_over_a_renewal(scene: Scene) -> None:
    soon = datetime.now(UTC) + timedelta(days=19)
    scene.local.add(broker.encode_secret(BrokerCredential("https://broker", b"", "old", expires=soon)))
    late = scene.local.fail(
        lambda request: request.attempt.startswith("patch Secret"), ConflictError("x", status=409)
    )
    async with scene.daemon():
        await eventually(lambda: late.hits == 1)
        await eventually(lambda: len(scene.credentials) == 2)
    assert not any(event["reason"] == "CredentialNotRenewed" for event in scene.local.all(EVENT))


async def test_a_renewal_that_is_refused_is_told(scene: Scene) -> None:
    soon = datetime.now(UTC) + timedelta(days=19)
    scene.local.add(broker.encode_secret(BrokerCredential("https://broker", b"", "old", expires=soon)))
    scene.broker.fail(lambda request: request.path.endswith("/token"), ForbiddenError("no", status=403), times=1000)
    async with scene.daemon():
        await eventually(lambda: any(event["reason"] == "CredentialNotRenewed" for event in scene.local.all(EVENT)))
        await eventually(scene.converged)


async def test_a_broken_secret_is_told_and_a_good_one_taken(scene: Scene) -> None:
    (secret,) = scene.local.all(SECRET)
    scene.local.add(secret | {"data": secret["data"] | {"token": base64.b64encode(b"").decode()}})
    async with scene.daemon():
        await eventually(lambda: any("data.token" in event["note"] for event in scene.local.all(EVENT)))
        scene.local.add(secret)
        await eventually(scene.converged)


async def test_without_a_member_nothing_is_written(scene: Scene) -> None:
    scene.local.remove(MEMBER, "mcnet", LOCAL)
    async with scene.daemon() as daemon:
        await eventually(lambda: daemon._leadership.held and not daemon._local.waiting)
        rounds = daemon._loop.rounds
        daemon._loop.trigger("look again")
        await eventually(lambda: daemon._loop.rounds > rounds)
        assert scene.credentials == []
        assert scene.names(scene.local) == {"Endpoint west.w1"}


def attempts(server: FakeServer) -> list[str]:
    """The requests that mattered for the first convergence, each once. Leases and Events have tests of their own."""
    found = {request.attempt for request in server.requests}
    return sorted(one for one in found if " Event" not in one)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("error", "before"), FAILURES, ids=str)
async def test_any_request_may_fail_once(monkeypatch: pytest.MonkeyPatch, error: McnetError, before: bool) -> None:
    """Each request of a whole convergence fails once, in a run of its own; the end is the same."""
    quickly(monkeypatch)
    reference = Scene()
    async with reference.daemon():
        await eventually(reference.converged)
    cases = [("local", one) for one in attempts(reference.local)] + [
        ("broker", one) for one in attempts(reference.broker)
    ]
    assert len(cases) > 25

    async def case(place: str, attempt: str) -> None:
        scene = Scene()

        def matches(request: Request) -> bool:
            return request.attempt == attempt

        failure = getattr(scene, place).fail(matches, error, before=before)
        async with scene.daemon():
            await eventually(lambda: scene.converged() and failure.hits == 1, timeout=20)

    await asyncio.gather(*(case(place, attempt) for place, attempt in cases))
