"""The discovery daemon between two API servers in memory, of which the broker's can't be trusted."""

from collections.abc import Callable
from typing import Any

import pytest

from mcnet.codec import farewell, pins
from mcnet.kube.kinds import CLUSTER, CONFIG_MAP, ENDPOINT, EVENT, LEASE
from mcnet.kube.transport import Request
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import ForbiddenError, UnreachableError
from mcnet.model.trust import FAREWELL_ANNOTATION, PINS_NAME, Pin
from tests.fakes.discovery import BROKER, LOCAL, Scene, cluster_object, endpoint_object, quickly
from tests.fakes.eventually import eventually
from tests.fakes.identities import identity_of

EAST = ClusterId("east")


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    quickly(monkeypatch)
    return Scene()


def known(scene: Scene) -> dict[ClusterId, Pin]:
    return pins.decode(next(iter(scene.local.all(CONFIG_MAP)), None))


def copy(scene: Scene, name: str) -> dict[str, Any] | None:
    return next((obj for obj in scene.local.all(ENDPOINT) if obj["metadata"]["name"] == name), None)


def told(scene: Scene, text: str) -> Callable[[], bool]:
    return lambda: any(text in event["note"] for event in scene.local.all(EVENT))


def refused(daemon: Any, reason: str) -> float:
    return float(daemon._registry.get_sample_value("mcnet_trust_refused", {"reason": reason}) or 0)


def lease(*generations: int) -> dict[str, Any]:
    said = [farewell.sign(EAST, identity_of("east", generation)) for generation in generations]
    metadata = {"name": "east", "namespace": BROKER, "annotations": {FAREWELL_ANNOTATION: farewell.encode(said)}}
    return {"apiVersion": LEASE.api_version, "kind": "Lease", "metadata": metadata, "spec": {}}


async def test_first_keys_are_pinned_before_anything_of_the_cluster_is_copied(scene: Scene) -> None:
    order: list[str] = []
    scene.local.fail(lambda request: _note(order, request), ForbiddenError("never", status=403))
    async with scene.daemon():
        await eventually(scene.converged)
    assert known(scene) == {EAST: Pin(identity_of("east").public, (("e1", 0), ("e2", 0)))}
    assert order.index("create ConfigMap") < order.index("create Cluster") < order.index("create Endpoint")


def _note(order: list[str], request: Request) -> bool:
    if request.method == "POST":
        order.append(" ".join(request.attempt.split()[:2]))
    return False


@pytest.mark.parametrize(
    ("forged", "reason", "words"),
    [
        (endpoint_object("east", "e1", BROKER, mtu=1400, generation=2, sequence=9), "forged", "it is not signed by"),
        (endpoint_object("east", "e1", BROKER, mtu=1400, sequence=3), "replayed", "its sequence 3 is older than 5"),
    ],
)
async def test_a_forged_or_replayed_endpoint_has_no_effect(
    scene: Scene, forged: dict[str, Any], reason: str, words: str
) -> None:
    scene.broker.add(endpoint_object("east", "e1", BROKER, sequence=5))
    async with scene.daemon() as daemon:
        await eventually(scene.converged)
        before = copy(scene, "east.e1")
        scene.broker.add(forged)
        await eventually(told(scene, words))
        assert copy(scene, "east.e1") == before
        await eventually(lambda: refused(daemon, reason) == 1)
        scene.broker.add(endpoint_object("east", "e1", BROKER, mtu=1300, sequence=10))
        await eventually(scene.converged)
        await eventually(lambda: refused(daemon, reason) == 0)


async def test_an_unsigned_endpoint_of_a_stranger_is_told_and_not_copied(scene: Scene) -> None:
    unsigned = endpoint_object("east", "e3", BROKER)
    unsigned["spec"]["signature"] = ""
    scene.broker.add(unsigned, endpoint_object("nobody", "n1", BROKER))
    async with scene.daemon() as daemon:
        await eventually(told(scene, "Endpoint east.e3 (broker): it is not signed"))
        await eventually(told(scene, "Endpoint nobody.n1 (broker): its cluster is no member"))
        assert (refused(daemon, "unsigned"), refused(daemon, "stranger")) == (1, 1)
        assert scene.names(scene.local) >= {"Endpoint east.e1", "Endpoint east.e2"}
        assert not {"Endpoint east.e3", "Endpoint nobody.n1"} & scene.names(scene.local)


async def test_other_keys_stop_a_cluster_until_they_are_trusted(scene: Scene) -> None:
    async with scene.daemon() as daemon:
        await eventually(scene.converged)
        _replace_east(scene)
        await eventually(told(scene, "mcnet member trust east"))
        await eventually(lambda: copy(scene, "east.e1") is None and copy(scene, "east.e2") is None)
        (east, _) = scene.local.all(CLUSTER)
        assert east["spec"] == cluster_object("east", 1, LOCAL)["spec"]
        assert refused(daemon, "changed-key") == 1
        assert known(scene)[EAST].offered == identity_of("east", 2).public
    # The decision outlives the daemon; what `mcnet member trust` writes takes it back.
    async with scene.daemon("pod-2") as daemon:
        await eventually(lambda: refused(daemon, "changed-key") == 1)
        assert copy(scene, "east.e1") is None
        scene.local.add(pins.encode({EAST: Pin(identity_of("east", 2).public)}, namespace=LOCAL))
        await eventually(scene.converged)
        assert known(scene)[EAST] == Pin(identity_of("east", 2).public, (("e1", 0), ("e2", 0)))


def _replace_east(scene: Scene) -> None:
    scene.broker.add(
        cluster_object("east", 1, BROKER, generation=2) | {"status": {"version": "7"}},
        endpoint_object("east", "e1", BROKER, generation=2),
        endpoint_object("east", "e2", BROKER, generation=2),
    )


async def test_a_cluster_that_has_said_farewell_comes_back_with_other_keys(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(scene.converged)
        scene.broker.add(lease(1))
        _replace_east(scene)
        await eventually(
            lambda: EAST in known(scene) and known(scene)[EAST].identity == identity_of("east", 2).public
        )
        await eventually(scene.converged)
    assert not told(scene, "mcnet member trust")()


async def test_somebody_elses_farewell_does_not_help(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(scene.converged)
        scene.broker.add(lease(2, 3))
        _replace_east(scene)
        await eventually(told(scene, "mcnet member trust east"))


async def test_while_farewells_can_not_be_read_nothing_is_decided(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(scene.converged)
        away = scene.broker.fail(
            lambda request: request.method == "GET" and "/leases/east" in request.path,
            UnreachableError("away"),
            times=3,
        )
        scene.broker.add(lease(1))
        _replace_east(scene)
        await eventually(lambda: away.hits == 3)
        await eventually(scene.converged)
    assert not told(scene, "mcnet member trust")()


async def test_a_spoilt_pin_stops_its_cluster(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(scene.converged)
        (obj,) = scene.local.all(CONFIG_MAP)
        scene.local.add(obj | {"data": obj["data"] | {"east": "?"}})
        await eventually(told(scene, "its pin is unreadable"))
        await eventually(lambda: copy(scene, "east.e1") is None)


async def test_pins_that_were_deleted_are_made_anew(scene: Scene) -> None:
    """As with a new member: what deletes them is the cluster's own admin."""
    async with scene.daemon():
        await eventually(scene.converged)
        scene.local.remove(CONFIG_MAP, PINS_NAME, LOCAL)
        await eventually(lambda: EAST in known(scene))
        assert scene.converged()
