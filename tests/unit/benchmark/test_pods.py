"""Pods of a run: made, listened to, removed whatever happens, and what is said where one does not run."""

import asyncio
from collections.abc import Callable

import pytest

from mcnet.benchmark import pods as module
from mcnet.benchmark.pods import Pods, remove_ended
from mcnet.kube.kinds import POD, JsonObject
from mcnet.model.errors import ForbiddenError, McnetError
from mcnet.render.values import BenchmarkPodValues
from tests.fakes.kubelet import FakeKubelet, Ran

VALUES = BenchmarkPodValues(name="p", run="r", node="n1", image="image:1", module="m", host_network=False)
LISTENS = Ran("Running", '{"port": 4000, "addresses": ["192.0.2.1"]}\n', addresses=("10.0.0.5", "fd00::5"))


def kubelet(ran: Ran) -> FakeKubelet:
    play: Callable[[JsonObject], Ran] = lambda pod: ran  # noqa: E731
    return FakeKubelet(play=play)


async def test_a_server_listens_until_the_run_is_over() -> None:
    cluster = kubelet(LISTENS)
    async with Pods() as pods:
        running = await pods.listening(cluster.api(), VALUES)
        assert running.listening.port == 4000
        assert (str(running.address(4)), str(running.address(6))) == ("10.0.0.5", "fd00::5")
        assert len(cluster.all(POD)) == 1
    assert cluster.all(POD) == []


async def test_a_client_is_waited_for() -> None:
    cluster = kubelet(Ran(output="samples"))
    async with Pods() as pods:
        await pods.create(cluster.api(), VALUES)
        assert await pods.finished(cluster.api(), VALUES, 5) == "samples"


@pytest.mark.parametrize(
    ("ran", "why"),
    [
        pytest.param(Ran("Failed", "line\nno raw socket"), "on node n1 has ended: no raw socket", id="failed"),
        pytest.param(
            Ran("Pending", waiting={"reason": "ErrImagePull", "message": "no such image"}),
            "does not start: ErrImagePull: no such image", id="no-image",
        ),
        pytest.param(Ran("Running", "hello"), "says 'hello'", id="another-language"),
    ],
)  # fmt: skip
async def test_what_does_not_listen(ran: Ran, why: str) -> None:
    cluster = kubelet(ran)
    with pytest.raises(McnetError, match=why):
        async with Pods() as pods:
            await pods.listening(cluster.api(), VALUES)
    assert cluster.all(POD) == []


async def test_what_never_runs_or_speaks_or_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START", 0.1)
    monkeypatch.setattr(module, "SPEAK", 0.1)
    async with Pods() as pods:
        with pytest.raises(McnetError, match=r"does not run after 0\.1 s: Pending"):
            await pods.listening(kubelet(Ran("Pending")).api(), VALUES)
        with pytest.raises(McnetError, match=r"does not listen after 0\.1 s"):
            await pods.listening(kubelet(Ran("Running")).api(), VALUES)
        still = kubelet(LISTENS)
        await pods.create(still.api(), VALUES)
        with pytest.raises(McnetError, match=r"has no result after 0\.1 s"):
            await pods.finished(still.api(), VALUES, 0.1)


async def test_interrupted_the_pods_are_removed_all_the_same() -> None:
    cluster = kubelet(LISTENS)
    made = asyncio.Event()

    async def work() -> None:
        async with Pods() as pods:
            await pods.listening(cluster.api(), VALUES)
            made.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await made.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cluster.all(POD) == []


async def test_a_pod_that_may_not_be_removed_is_told_with_the_command() -> None:
    cluster = kubelet(LISTENS)
    cluster.fail(lambda request: request.method == "DELETE", ForbiddenError("no"))
    with pytest.raises(McnetError, match="the pod mcnet-system/p could not be removed: no") as caught:
        async with Pods() as pods:
            await pods.create(cluster.api(), VALUES)
    assert caught.value.hint == "kubectl --context fake -n mcnet-system delete pod p"


async def test_a_failure_to_remove_does_not_hide_what_went_wrong() -> None:
    cluster = kubelet(Ran("Failed", "the cause"))
    cluster.fail(lambda request: request.method == "DELETE", ForbiddenError("no"))
    with pytest.raises(McnetError, match="the cause"):
        async with Pods() as pods:
            await pods.listening(cluster.api(), VALUES)


async def test_ended_pods_of_a_killed_run_are_removed_and_running_ones_left() -> None:
    cluster = FakeKubelet(play=lambda pod: Ran("Failed") if pod["metadata"]["name"] == "old" else LISTENS)
    api = cluster.api()
    for name in ("old", "live"):
        pods = Pods()  # never left: its command was killed
        await pods.create(
            api, BenchmarkPodValues(name=name, run="r", node="n", image="i", module="m", host_network=True)
        )
    assert await remove_ended(api) == 1
    assert [pod["metadata"]["name"] for pod in cluster.all(POD)] == ["live"]


async def test_two_runs_have_pods_of_different_names() -> None:
    assert Pods().name("server") != Pods().name("server")
