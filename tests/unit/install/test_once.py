"""Throw-away pods: what they printed, how they failed, and that none stays."""

import asyncio
import time
from dataclasses import replace

import pytest

from mcnet.install.once import run_once
from mcnet.kube.kinds import POD
from mcnet.model.errors import ForbiddenError, McnetError
from mcnet.render.values import NodePodValues
from tests.fakes.kubelet import FakeKubelet, Ran

POD_VALUES = NodePodValues(name="p", node="n1", image="image:1", module="m", seconds=5)


async def test_output_of_each_pod() -> None:
    kubelet = FakeKubelet(play=lambda pod: Ran(output=f"{pod['spec']['nodeName']} says hi\n"))
    pods = [replace(POD_VALUES, name=f"p-{node}", node=node) for node in ("n1", "n2", "n3")]
    outcomes = await run_once(kubelet.api(), pods)
    assert [outcome.output for outcome in outcomes] == ["n1 says hi\n", "n2 says hi\n", "n3 says hi\n"]
    assert all(not outcome.problem for outcome in outcomes)
    assert kubelet.all(POD) == []


async def test_a_pod_that_fails_says_its_last_line() -> None:
    kubelet = FakeKubelet(play=lambda pod: Ran("Failed", "Traceback\nValueError: odd\n"))
    (outcome,) = await run_once(kubelet.api(), [POD_VALUES])
    assert outcome.problem == "ValueError: odd"
    assert kubelet.all(POD) == []


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"])
async def test_an_image_that_can_not_be_had_ends_the_waiting(reason: str) -> None:
    kubelet = FakeKubelet(play=lambda pod: Ran("Pending", waiting={"reason": reason, "message": "no such image"}))
    (outcome,) = await run_once(kubelet.api(), [POD_VALUES])
    assert (outcome.reason, outcome.problem) == (reason, f"{reason}: no such image")
    assert kubelet.all(POD) == []


async def test_a_pod_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcnet.install.once.GRACE", 0.0)
    kubelet = FakeKubelet(play=lambda pod: Ran("Running"))
    (outcome,) = await run_once(kubelet.api(), [replace(POD_VALUES, seconds=0)])
    assert outcome.problem.startswith("no result after 0 s")
    assert kubelet.all(POD) == []


async def test_a_pod_that_runs_out_of_time_says_so() -> None:
    kubelet = FakeKubelet(play=lambda pod: Ran("Failed", "half an answer", reason="DeadlineExceeded"))
    (outcome,) = await run_once(kubelet.api(), [POD_VALUES])
    assert outcome.problem == "it was not done after 5 s"


async def test_it_is_noted_when_it_was_asked_and_told() -> None:
    before = time.time()
    (outcome,) = await run_once(FakeKubelet().api(), [POD_VALUES])
    assert before <= outcome.asked <= outcome.told <= time.time()


async def test_one_failure_does_not_stop_the_others() -> None:
    kubelet = FakeKubelet(play=lambda pod: Ran("Failed" if pod["spec"]["nodeName"] == "n1" else "Succeeded", "x"))
    outcomes = await run_once(kubelet.api(), [POD_VALUES, replace(POD_VALUES, name="q", node="n2")])
    assert [bool(outcome.problem) for outcome in outcomes] == [True, False]


async def test_interrupted_the_pod_is_removed_all_the_same() -> None:
    kubelet = FakeKubelet(play=lambda pod: Ran("Running"))
    api = kubelet.api()
    task = asyncio.create_task(run_once(api, [POD_VALUES]))
    await api.wait_for(POD, "p", "mcnet-system", lambda found: found is not None, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert kubelet.all(POD) == []


async def test_a_pod_of_an_earlier_run_is_replaced() -> None:
    kubelet = FakeKubelet(play=lambda pod: Ran(output="new"))
    kubelet.add({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "mcnet-system"}})
    (outcome,) = await run_once(kubelet.api(), [POD_VALUES])
    assert outcome.output == "new"


async def test_a_pod_that_may_not_be_removed_is_told_with_the_command() -> None:
    kubelet = FakeKubelet(play=lambda pod: Ran())
    refusal = kubelet.fail(lambda request: request.method == "DELETE" and bool(kubelet.pods), ForbiddenError("no"))
    with pytest.raises(McnetError, match="the pod mcnet-system/p could not be removed") as caught:
        await run_once(kubelet.api(), [POD_VALUES])
    assert caught.value.hint == "kubectl -n mcnet-system delete pod p"
    assert refusal.hits == 1
