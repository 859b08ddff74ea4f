"""Deregistering at the broker: all of it, patient with a busy server, honest about the rest."""

import pytest

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import farewell, identity
from mcnet.codec.identity import PrivateIdentity
from mcnet.install import broker_leave
from mcnet.install.broker_leave import deregister
from mcnet.kube.kinds import CLUSTER, ENDPOINT, KINDS, LEASE, SERVICE_ACCOUNT
from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.errors import ApiError, UnreachableError
from tests.fakes.api import FakeServer
from tests.fakes.identities import identity_of

WEST = ClusterId("west")
NAMESPACE = "mcnet-broker"


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    monkeypatch.setattr(broker_leave, "PAUSES", (0.0, 0.0))
    made = FakeServer()
    for kind, name in (
        (CLUSTER, "west"),
        (CLUSTER, "east"),
        (ENDPOINT, "west.n1"),
        (ENDPOINT, "east.n1"),
        (LEASE, "west"),
        (SERVICE_ACCOUNT, "member-west"),
        (SERVICE_ACCOUNT, "join-west"),
    ):
        labels = {"mcnet.dev/cluster": "east" if name.startswith("east") else "west"}
        metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
        made.add({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata})
    return made


def left(broker: FakeServer) -> list[str]:
    return [f"{kind.kind} {obj['metadata']['name']}" for kind in KINDS for obj in broker.all(kind)]


async def test_everything_of_one_member_goes(broker: FakeServer) -> None:
    assert await deregister(FakeServer().api(), WEST, broker.api()) == ""
    assert left(broker) == ["Cluster east", "Endpoint east.n1"]


async def test_the_record_of_the_one_that_has_replaced_it_stays(broker: FakeServer) -> None:
    cluster, mine = FakeServer(), PrivateIdentity(b"s" * 32, b"a" * 32)
    cluster.add(identity.encode_secret(mine))
    for keys, removed in ((PrivateIdentity(b"t" * 32, b"b" * 32), False), (mine, True)):
        broker.add(cluster_codec.encode(Cluster(WEST, (), (), keys.public), namespace=NAMESPACE))
        before = left(broker)
        assert await deregister(cluster.api(), WEST, broker.api()) == ""
        assert (left(broker) != before) == removed


async def test_only_the_lease_stays_with_a_farewell_to_the_keys(broker: FakeServer) -> None:
    for generation in (1, 2):
        cluster, mine = FakeServer(), identity_of("west", generation)
        cluster.add(identity.encode_secret(mine))
        broker.add(cluster_codec.encode(Cluster(WEST, (), (), mine.public), namespace=NAMESPACE))
        for _ in range(2):  # a second run says nothing twice
            assert await deregister(cluster.api(), WEST, broker.api()) == ""
            assert left(broker) == ["Cluster east", "Endpoint east.n1", "Lease west"]
            (lease,) = broker.all(LEASE)
            said = farewell.decode(lease)
            assert [one.signing_key for one in said] == [
                identity_of("west", number).public.signing_key for number in range(1, generation + 1)
            ]
            assert all(farewell.is_valid(one, WEST) for one in said)


async def test_a_lease_that_is_not_there_is_made_for_the_farewell(broker: FakeServer) -> None:
    broker.remove(LEASE, "west", NAMESPACE)
    cluster = FakeServer()
    cluster.add(identity.encode_secret(identity_of("west")))
    assert await deregister(cluster.api(), WEST, broker.api()) == ""
    (lease,) = broker.all(LEASE)
    assert lease["metadata"]["labels"] == {"mcnet.dev/cluster": "west"}, "what the admission policy asks for"
    assert len(farewell.decode(lease)) == 1


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_a_busy_broker_is_asked_again(broker: FakeServer, status: int) -> None:
    failure = broker.fail(lambda request: request.method == "GET", ApiError("busy", status=status), times=2)
    assert await deregister(FakeServer().api(), WEST, broker.api()) == ""
    assert failure.hits == 2


async def test_one_that_stays_busy_is_told(broker: FakeServer) -> None:
    broker.fail(lambda request: True, ApiError("busy", status=429), times=99)
    assert await deregister(FakeServer().api(), WEST, broker.api()) == "busy"


async def test_one_that_is_away_is_told_at_once(broker: FakeServer) -> None:
    broker.go_down(UnreachableError("no answer"))
    assert await deregister(FakeServer().api(), WEST, broker.api()) == "no answer"
    assert broker.requests == [broker.requests[0]]


async def test_without_credential_and_admin_nothing_can_be_done() -> None:
    assert await deregister(FakeServer().api(), WEST, None) == "the cluster holds no credential of the broker"
